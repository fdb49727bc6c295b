//! One m-line of audio or video, as the program sees it.

use std::sync::Arc;

use parking_lot::Mutex;
use str0m::media::Mid;
use tokio::sync::Notify;

use crate::{
    RtcError,
    audio::{
        jitter::JitterStats,
        receiver::Receiver,
        sender::{AudioSender, Settings},
        source::{Sink, Source},
    },
    audio_track::{RtcAudioTrack, Sound},
    direction::RtpTransceiverDirection,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    pc::{
        command::{Command, StatsOf},
        frame_transform::FrameTransform,
        link::Link,
        sdp::{AudioFormat, Msid, Section, SectionKind},
    },
    random::create_random_uuid,
    rtp_parameters::{RtpEncodingParameters, RtpParameters},
    stats::RtcStats,
    transceiver_init::RtpTransceiverInit,
    video_track::RtcVideoTrack,
};

/// The expected loss of networks, in percent, until the loss is measured.
const EXPECTED_LOSS: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Video,
}

pub(crate) struct Transceiver {
    kind: Kind,
    inner: Mutex<Inner>,
    /// Tells the driver about changes, and asks it for statistics.
    link: Link,
}

struct Inner {
    mid: Option<String>,
    direction: RtpTransceiverDirection,
    current_direction: Option<RtpTransceiverDirection>,
    sender_track: Option<MediaStreamTrack>,
    stream_id: Option<String>,
    sender_parameters: RtpParameters,
    receiver_track: MediaStreamTrack,
    streams: Vec<MediaStream>,
    /// The format in which the peer wants to receive sound.
    format: AudioFormat,
    /// The encoder of the track, while it is sent.
    sender: Option<Arc<AudioSender>>,
    /// A track that cannot be encoded, and is not tried again.
    refused: Option<RtcAudioTrack>,
    /// The last stream that the program was told of, so that it hears of each use of the m-line once.
    announced: Option<String>,
    sender_transform: Option<Arc<dyn FrameTransform>>,
    receiver_transform: Option<Arc<dyn FrameTransform>>,
}

/// An m-line that sends.
pub(crate) struct Sending {
    pub(crate) mid: Mid,
    pub(crate) sender: Arc<AudioSender>,
    pub(crate) format: AudioFormat,
    pub(crate) transform: Option<Arc<dyn FrameTransform>>,
}

impl Transceiver {
    pub(crate) fn new(
        kind: Kind,
        track: Option<MediaStreamTrack>,
        init: RtpTransceiverInit,
        link: Link,
    ) -> Self {
        let inner = Inner {
            mid: None,
            direction: init.direction,
            current_direction: None,
            sender_track: track,
            stream_id: init.stream_ids.into_iter().next(),
            sender_parameters: initial_parameters(init.send_encodings),
            receiver_track: kind.new_track(create_random_uuid()),
            streams: Vec::new(),
            format: AudioFormat::default(),
            sender: None,
            refused: None,
            announced: None,
            sender_transform: None,
            receiver_transform: None,
        };
        Self { kind, inner: Mutex::new(inner), link }
    }

    /// The transceiver of an m-line that the peer added.
    pub(crate) fn remote(kind: Kind, mid: String, link: Link) -> Self {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::RecvOnly,
            stream_ids: Vec::new(),
            send_encodings: Vec::new(),
        };
        let transceiver = Self::new(kind, None, init, link);
        transceiver.inner.lock().mid = Some(mid);
        transceiver
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn mid(&self) -> Option<String> {
        self.inner.lock().mid.clone()
    }

    pub(crate) fn direction(&self) -> RtpTransceiverDirection {
        self.inner.lock().direction
    }

    pub(crate) fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        self.inner.lock().current_direction
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.direction() == RtpTransceiverDirection::Stopped
    }

    pub(crate) fn stop(&self) {
        let mut inner = self.inner.lock();
        inner.direction = RtpTransceiverDirection::Stopped;
        inner.streams.clear();
        inner.receiver_track.end();
        drop(inner);
        self.link.wake();
    }

    pub(crate) fn sender_track(&self) -> Option<MediaStreamTrack> {
        self.inner.lock().sender_track.clone()
    }

    pub(crate) fn set_sender_track(&self, track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        if let Some(track) = &track
            && Kind::of_track(track) != self.kind
        {
            let message = format!("a transceiver for {:?} cannot send a track of another kind", self.kind);
            return Err(RtcError::invalid_state(message));
        }
        self.inner.lock().sender_track = track;
        self.link.wake();
        Ok(())
    }

    /// Removes the track; the next offer stops sending (W3C webrtc-pc, `removeTrack`).
    pub(crate) fn remove_sender_track(&self) {
        use RtpTransceiverDirection::{Inactive, RecvOnly, SendOnly, SendRecv};
        let mut inner = self.inner.lock();
        inner.sender_track = None;
        inner.direction = match inner.direction {
            SendRecv => RecvOnly,
            SendOnly => Inactive,
            other => other,
        };
        drop(inner);
        self.link.wake();
    }

    pub(crate) fn sender_parameters(&self) -> RtpParameters {
        self.inner.lock().sender_parameters.clone()
    }

    pub(crate) fn set_sender_parameters(&self, parameters: RtpParameters) {
        self.inner.lock().sender_parameters = parameters;
        self.link.wake();
    }

    pub(crate) fn receiver_track(&self) -> MediaStreamTrack {
        self.inner.lock().receiver_track.clone()
    }

    pub(crate) fn receiver_streams(&self) -> Vec<MediaStream> {
        self.inner.lock().streams.clone()
    }

    pub(crate) fn receiver_parameters(&self) -> RtpParameters {
        RtpParameters::default()
    }
}

/// Statistics.
impl Transceiver {
    pub(crate) async fn sender_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        match self.mid() {
            Some(mid) => self.link.call(|reply| Command::Stats(StatsOf::Sender(mid), reply)).await,
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn receiver_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        match self.mid() {
            Some(mid) => self.link.call(|reply| Command::Stats(StatsOf::Receiver(mid), reply)).await,
            None => Ok(Vec::new()),
        }
    }

    pub(crate) fn format(&self) -> AudioFormat {
        self.inner.lock().format
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.inner.lock().sender.is_some()
    }

    /// Bits per second.
    pub(crate) fn target_bitrate(&self) -> f64 {
        self.inner.lock().sender.as_ref().map_or(0.0, |sender| f64::from(sender.bitrate()))
    }

    /// The counts of the jitter buffer; zero if the track never had a stream.
    pub(crate) fn jitter_stats(&self) -> JitterStats {
        self.inner.lock().receiver().map_or_else(JitterStats::default, |receiver| receiver.stats())
    }
}

/// The transform between codec and network. It outlives the tracks that use the m-line one after another.
impl Transceiver {
    pub(crate) fn set_sender_transform(&self, transform: Option<Arc<dyn FrameTransform>>) {
        // The old one is dropped after the lock is released: it owns a callback of the program.
        let _old = std::mem::replace(&mut self.inner.lock().sender_transform, transform);
    }

    #[cfg(test)]
    pub(crate) fn sender_transform(&self) -> Option<Arc<dyn FrameTransform>> {
        self.inner.lock().sender_transform.clone()
    }

    pub(crate) fn set_receiver_transform(&self, transform: Option<Arc<dyn FrameTransform>>) {
        let _old = std::mem::replace(&mut self.inner.lock().receiver_transform, transform);
    }

    pub(crate) fn receiver_transform(&self) -> Option<Arc<dyn FrameTransform>> {
        self.inner.lock().receiver_transform.clone()
    }
}

/// The half that the state machine uses.
impl Transceiver {
    /// The stream and track ids to write into the offer: `a=msid`.
    pub(crate) fn offered_msid(&self) -> (Option<String>, Option<String>) {
        let inner = self.inner.lock();
        (inner.stream_id.clone(), inner.sender_track.as_ref().map(MediaStreamTrack::id))
    }

    pub(crate) fn set_mid(&self, mid: Option<String>) {
        self.inner.lock().mid = mid;
    }

    pub(crate) fn set_direction(&self, direction: RtpTransceiverDirection) {
        self.inner.lock().direction = direction;
    }

    pub(crate) fn set_current_direction(&self, direction: RtpTransceiverDirection) {
        self.inner.lock().current_direction = Some(direction);
    }

    /// Takes over the peer's announcement of this m-line, and returns whether that is a track the program has not been
    /// told of yet. `None` is a peer that does not send: the place is free for another track.
    pub(crate) fn receive(&self, msid: Option<&Msid>) -> bool {
        let mut inner = self.inner.lock();
        let Some(msid) = msid else {
            inner.streams.clear();
            inner.announced = None;
            return false;
        };
        if !msid.track.is_empty() && msid.track != inner.receiver_track.id() {
            inner.receiver_track.end();
            inner.receiver_track = self.kind.new_track(msid.track.clone());
        }
        inner.streams = match msid.stream.as_str() {
            "-" => Vec::new(),
            stream => vec![MediaStream::new(stream.to_owned(), vec![inner.receiver_track.clone()])],
        };
        inner.announced.replace(msid.stream.clone()) != Some(msid.stream.clone())
    }

    /// Ends the tracks with the connection.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock();
        inner.receiver_track.end();
        inner.stop_sending();
    }
}

/// The half that carries sound.
impl Transceiver {
    pub(crate) fn set_format(&self, format: AudioFormat) {
        self.inner.lock().format = format;
    }

    /// The receiver of the peer's sound and its format, if the track has a stream.
    pub(crate) fn receiving(&self) -> Option<(Arc<Receiver>, AudioFormat)> {
        let inner = self.inner.lock();
        let receiver = inner.receiver()?;
        receiver.is_heard().then(|| (receiver.clone(), inner.format))
    }

    /// Attaches the track's source to an encoder, or detaches it, according to the track and the agreed settings.
    pub(crate) fn sync_sending(&self, is_up: bool) -> Option<Sending> {
        let mut inner = self.inner.lock();
        let wanted = if is_up { inner.wanted() } else { None };
        let Some((mid, track, source)) = wanted else {
            inner.stop_sending();
            return None;
        };
        if inner.sender.as_ref().is_some_and(|sender| !sender.track().is(&track)) {
            inner.stop_sending();
        }
        if inner.sender.is_none() {
            inner.start_sending(track, &source, self.link.waker());
        }
        let sender = inner.sender.clone()?;
        sender.apply(inner.settings());
        let transform = inner.sender_transform.clone();
        // Redundant copies are not separate frames, and LiveKit has none where it encrypts.
        let red = inner.format.red.filter(|_| inner.format.prefers_red() && transform.is_none());
        Some(Sending {
            mid: mid.as_str().into(),
            sender,
            format: AudioFormat { red, ..inner.format },
            transform,
        })
    }
}

impl Inner {
    /// The receiver of the peer's sound.
    fn receiver(&self) -> Option<&Arc<Receiver>> {
        match &self.receiver_track {
            MediaStreamTrack::Audio(track) => match track.sound() {
                Sound::Remote(receiver) => Some(receiver),
                Sound::Source(_) | Sound::Device => None,
            },
            MediaStreamTrack::Video(_) => None,
        }
    }

    /// The track to send, its source, and the m-line.
    fn wanted(&self) -> Option<(String, RtcAudioTrack, Arc<Source>)> {
        use RtpTransceiverDirection::{SendOnly, SendRecv};
        let agreed = matches!(self.current_direction, Some(SendOnly | SendRecv));
        let active = self.sender_parameters.encodings.first().is_none_or(|encoding| encoding.active);
        let Some(MediaStreamTrack::Audio(track)) = &self.sender_track else { return None };
        let Sound::Source(source) = track.sound() else { return None };
        let can = agreed && active && self.format.opus.is_some();
        can.then(|| Some((self.mid.clone()?, track.clone(), source.clone()))).flatten()
    }

    fn settings(&self) -> Settings {
        let wished = self.sender_parameters.encodings.first().and_then(|encoding| encoding.max_bitrate);
        let max_bitrate = match (wished, self.format.max_bitrate) {
            (Some(wished), Some(allowed)) => Some(wished.min(allowed)),
            (wished, allowed) => wished.or(allowed),
        };
        let loss = if self.format.fec { EXPECTED_LOSS } else { 0 };
        Settings { max_bitrate, dtx: self.format.dtx, loss }
    }

    fn start_sending(&mut self, track: RtcAudioTrack, source: &Arc<Source>, wake: Arc<Notify>) {
        if self.refused.as_ref().is_some_and(|refused| refused.is(&track)) {
            return;
        }
        let encoder = AudioSender::new(track.clone(), source.format(), self.settings(), wake);
        let attached = encoder.map_err(|error| error.to_string()).and_then(|sender| {
            let sender = Arc::new(sender);
            source.add_sink(sender.clone()).map_err(|error| error.to_string())?;
            Ok(sender)
        });
        match attached {
            Ok(sender) => self.sender = Some(sender),
            Err(error) => {
                log::error!("the audio track {} cannot be sent: {error}", track.id());
                self.refused = Some(track);
            }
        }
    }

    fn stop_sending(&mut self) {
        let Some(sender) = self.sender.take() else { return };
        let track = sender.track().clone();
        if let Sound::Source(source) = track.sound() {
            source.remove_sink(&(sender as Arc<dyn Sink>));
        }
    }
}

impl Kind {
    pub(crate) fn of_track(track: &MediaStreamTrack) -> Self {
        match track {
            MediaStreamTrack::Audio(_) => Self::Audio,
            MediaStreamTrack::Video(_) => Self::Video,
        }
    }

    pub(crate) fn of_section(section: &Section) -> Option<Self> {
        match section.kind {
            SectionKind::Audio => Some(Self::Audio),
            SectionKind::Video => Some(Self::Video),
            SectionKind::Application | SectionKind::Other => None,
        }
    }

    fn new_track(self, id: String) -> MediaStreamTrack {
        match self {
            Self::Audio => RtcAudioTrack::remote(id).into(),
            Self::Video => RtcVideoTrack::new(id).into(),
        }
    }
}

/// A sender always has at least one encoding (W3C webrtc-pc, section 5.2); `livekit` switches it on and off.
fn initial_parameters(mut encodings: Vec<RtpEncodingParameters>) -> RtpParameters {
    if encodings.is_empty() {
        encodings.push(RtpEncodingParameters::default());
    }
    let mut parameters = RtpParameters::default();
    parameters.encodings = encodings;
    parameters.rtcp.cname = create_random_uuid();
    parameters
}
