//! One m-line of audio or video as the program sees it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    RtcError,
    audio_track::RtcAudioTrack,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    native::create_random_uuid,
    pc::{
        frame_transform::FrameTransform,
        sdp::{Msid, Section, SectionKind},
    },
    rtp_parameters::{RtpEncodingParameters, RtpParameters},
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    video_track::RtcVideoTrack,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Video,
}

pub(crate) struct Transceiver {
    kind: Kind,
    inner: Mutex<Inner>,
    /// Tells the driver that a negotiation is needed.
    wake: Arc<Notify>,
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
    /// The stream last announced to the program, so that it hears of each use of the m-line once.
    announced: Option<String>,
    sender_transform: Option<Arc<dyn FrameTransform>>,
    receiver_transform: Option<Arc<dyn FrameTransform>>,
}

impl Transceiver {
    pub(crate) fn new(
        kind: Kind,
        track: Option<MediaStreamTrack>,
        init: RtpTransceiverInit,
        wake: Arc<Notify>,
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
            announced: None,
            sender_transform: None,
            receiver_transform: None,
        };
        Self { kind, inner: Mutex::new(inner), wake }
    }

    /// The transceiver for an m-line that the peer added.
    pub(crate) fn remote(kind: Kind, mid: String, wake: Arc<Notify>) -> Self {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::RecvOnly,
            stream_ids: Vec::new(),
            send_encodings: Vec::new(),
        };
        let transceiver = Self::new(kind, None, init, wake);
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
        self.wake.notify_one();
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
        Ok(())
    }

    /// Takes the track away and asks the next offer not to send any more (W3C webrtc-pc, `removeTrack`).
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
        self.wake.notify_one();
    }

    pub(crate) fn sender_parameters(&self) -> RtpParameters {
        self.inner.lock().sender_parameters.clone()
    }

    pub(crate) fn set_sender_parameters(&self, parameters: RtpParameters) {
        self.inner.lock().sender_parameters = parameters;
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

/// What stands between codec and network. It outlives the tracks that use the m-line one after another.
impl Transceiver {
    pub(crate) fn set_sender_transform(&self, transform: Option<Arc<dyn FrameTransform>>) {
        // The old one is dropped after the lock is gone: it owns a callback of the program.
        let _old = std::mem::replace(&mut self.inner.lock().sender_transform, transform);
    }

    #[allow(dead_code, reason = "for the engine, once audio flows")]
    pub(crate) fn sender_transform(&self) -> Option<Arc<dyn FrameTransform>> {
        self.inner.lock().sender_transform.clone()
    }

    pub(crate) fn set_receiver_transform(&self, transform: Option<Arc<dyn FrameTransform>>) {
        let _old = std::mem::replace(&mut self.inner.lock().receiver_transform, transform);
    }

    #[allow(dead_code, reason = "for the engine, once audio flows")]
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

    /// Takes over what the peer says it sends on this m-line, and returns whether that is a track the program has not
    /// been told of yet. `None` is a peer that does not send: the place is free for another track.
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

    /// The connection is over.
    pub(crate) fn end(&self) {
        let inner = self.inner.lock();
        inner.receiver_track.end();
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
            Self::Audio => RtcAudioTrack::new(id).into(),
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
