//! A person who speaks and listens in a room.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use livekit::data_stream::api::{StreamReader, TextStreamReader};
use livekit::options::TrackPublishOptions;
use livekit::prelude as lk;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol::{RoomAgentDispatch, RoomConfiguration};
use testbed::Speechd;
use testbed::tools::find_on_path;
use tokio::sync::mpsc;

use crate::support::skipped;
use crate::support::world::{AGENT_NAME, PATIENCE, World};

/// Samples a second, said and heard.
pub(crate) const RATE: u32 = 16_000;
/// Louder samples are sound.
const AUDIBLE: u16 = 300;

/// A person in a room with the agent.
pub(crate) struct Person {
    room: lk::Room,
    microphone: Option<Voice>,
    seen: Arc<Mutex<Seen>>,
}

/// A microphone that is published.
struct Voice {
    source: NativeAudioSource,
    channels: u32,
    publication: lk::LocalTrackPublication,
    /// What is said, where the agent's echo is mixed with it.
    said: Option<Arc<Mutex<VecDeque<i16>>>>,
}

/// What a person has seen and heard so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When sound came first, of those that are one stretch, and its samples.
    pub(crate) sounds: Vec<Sound>,
    /// All states of the agent.
    pub(crate) states: Vec<(Instant, String)>,
    pub(crate) texts: Vec<Written>,
    /// The segments of transcription packets.
    pub(crate) packets: Vec<Packet>,
}

/// A stretch of sound with less than a second of silence in it.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    pub(crate) began: Instant,
    pub(crate) samples: Vec<i16>,
    silent: usize,
}

/// A transcription.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) sender: String,
    pub(crate) segment: String,
    /// The SID of the track on which it is heard.
    pub(crate) track: String,
    pub(crate) is_final: bool,
    pub(crate) text: String,
    /// How much of it was there, and since when.
    pub(crate) progress: Vec<(Instant, usize)>,
}

/// A segment of a transcription packet, with its speaker and the SID of the track that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) speaker: String,
    pub(crate) track: String,
    pub(crate) segment: String,
    pub(crate) text: String,
    pub(crate) is_final: bool,
}

// === impl Person ===

impl Person {
    /// Joins a room with a microphone; the agent is dispatched and listens when this returns.
    pub(crate) async fn join(world: &World, room: &str) -> Self {
        let mut person = Self::enter(world, room, "ada").await;
        person.publish(1).await;
        person.wait_for_agent().await;
        // The agent's subscription to the microphone is on its way.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        person
    }

    /// Joins without a microphone; the agent is dispatched.
    pub(crate) async fn enter(world: &World, room: &str, identity: &str) -> Self {
        Self::enter_with(world, room, identity, lk::RoomOptions::default()).await
    }

    /// Joins to read and write, and subscribes to no track.
    pub(crate) async fn read(world: &World, room: &str) -> Self {
        let mut options = lk::RoomOptions::default();
        options.auto_subscribe = false;
        let person = Self::enter_with(world, room, "ada", options).await;
        person.wait_for_agent().await;
        person
    }

    async fn enter_with(world: &World, room: &str, identity: &str, options: lk::RoomOptions) -> Self {
        crate::support::sdk::install_transport(&world.livekit).await;
        let token = token(world, room, identity);
        let joined = lk::Room::connect(world.livekit.url(), &token, options).await;
        let (room, events) = joined.expect("the room can be joined");
        let seen = Arc::<Mutex<Seen>>::default();
        tokio::spawn(follow(events, seen.clone()));
        Self { room, microphone: None, seen }
    }

    /// Publishes a microphone of so many channels, as a new track.
    pub(crate) async fn publish(&mut self, channels: u32) {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE, channels, 100);
        let track = lk::LocalAudioTrack::create_audio_track("voice", RtcAudioSource::Native(source.clone()));
        let options = TrackPublishOptions { source: lk::TrackSource::Microphone, ..Default::default() };
        let published =
            self.room.local_participant().publish_track(lk::LocalTrack::Audio(track), options).await;
        let publication = published.unwrap();
        self.microphone = Some(Voice { source, channels, publication, said: None });
    }

    pub(crate) async fn unpublish(&mut self) {
        let voice = self.microphone.take().expect("a microphone");
        self.room.local_participant().unpublish_track(&voice.publication.sid()).await.unwrap();
    }

    /// Mutes the microphone, or lets it be heard again.
    pub(crate) fn mute(&self, muted: bool) {
        let publication = &self.microphone.as_ref().expect("a microphone").publication;
        if muted { publication.mute() } else { publication.unmute() }
    }

    /// Writes into the chat.
    pub(crate) async fn write(&self, text: &str) {
        let options = livekit::data_stream::api::SendTextOptions::new_with_topic("lk.chat");
        self.room.local_participant().send_text(text, options).await.unwrap();
    }

    pub(crate) async fn wait_for_agent(&self) {
        self.wait_until("the agent listens", |seen| {
            seen.states.iter().any(|(_, state)| state == "listening")
        })
        .await;
    }

    /// Says these samples in real time, on each channel; returns when the last of them was said.
    pub(crate) async fn say(&self, samples: &[i16]) -> Instant {
        let Voice { source, channels, said, .. } = self.microphone.as_ref().expect("a microphone");
        if let Some(said) = said {
            said.lock().unwrap().extend(samples);
            while !said.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            return Instant::now();
        }
        for part in samples.chunks(RATE as usize / 100) {
            let mut data: Vec<i16> =
                part.iter().flat_map(|sample| std::iter::repeat_n(*sample, *channels as usize)).collect();
            data.resize((RATE / 100 * channels) as usize, 0);
            let frame = AudioFrame {
                data: data.into(),
                sample_rate: RATE,
                num_channels: *channels,
                samples_per_channel: RATE / 100,
            };
            source.capture_frame(&frame).await.unwrap();
        }
        Instant::now()
    }

    /// From now on the microphone hears the agent, too: 12 dB lower, and 120 ms late.
    pub(crate) fn echo(&mut self) {
        let tracks = self.room.remote_participants().into_values().flat_map(|agent| {
            let publications = agent.track_publications().into_values();
            publications.filter_map(|publication| publication.track()).collect::<Vec<_>>()
        });
        let agent = tracks.filter_map(|track| match track {
            lk::RemoteTrack::Audio(track) => Some(track),
            lk::RemoteTrack::Video(_) => None,
        });
        let agent = agent.last().expect("the agent's voice");
        let voice = self.microphone.as_mut().expect("a microphone");
        let said = voice.said.insert(Arc::default()).clone();
        let source = voice.source.clone();
        tokio::spawn(async move {
            let mut stream = NativeAudioStream::new(agent.rtc_track(), RATE.cast_signed(), 1);
            let mut late = VecDeque::from(vec![0_i16; RATE as usize * 12 / 100]);
            while let Some(frame) = stream.next().await {
                late.extend(frame.data.iter());
                let echo = late.drain(..frame.data.len()).map(|sample| sample / 4);
                let data: Vec<i16> = {
                    let mut said = said.lock().unwrap();
                    echo.map(|echo| echo.saturating_add(said.pop_front().unwrap_or_default())).collect()
                };
                let samples_per_channel = u32::try_from(data.len()).unwrap();
                let (data, sample_rate, num_channels) = (data.into(), RATE, 1);
                let mixed = AudioFrame { data, sample_rate, num_channels, samples_per_channel };
                if source.capture_frame(&mixed).await.is_err() {
                    return;
                }
            }
        });
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub(crate) async fn wait_until(&self, what: &str, done: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.look(&done) {
            let seen = self.look(|seen| format!("{:?} {:?}", seen.states, seen.texts));
            assert!(Instant::now() < deadline, "waited in vain until {what}: {seen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sound of the agent, once so many stretches of it have ended.
    pub(crate) async fn sounds(&self, count: usize) -> Vec<Sound> {
        let ended = |sound: &Sound| sound.silent > RATE as usize;
        self.wait_until("the agent has spoken", |seen| {
            seen.sounds.iter().filter(|sound| ended(sound)).count() >= count
        })
        .await;
        self.look(|seen| seen.sounds.clone())
    }

    pub(crate) async fn leave(self) {
        self.hang_up().await;
    }

    pub(crate) async fn hang_up(&self) {
        self.room.close().await.unwrap();
    }
}

// === impl Sound ===

impl Sound {
    /// The longest silence within it.
    pub(crate) fn gap(&self) -> Duration {
        let parts = self.samples[..self.samples.len() - self.silent]
            .chunk_by(|one, next| (one.unsigned_abs() > AUDIBLE) == (next.unsigned_abs() > AUDIBLE));
        let silences = parts.filter(|part| part[0].unsigned_abs() <= AUDIBLE);
        let longest = silences.map(<[i16]>::len).max().unwrap_or_default();
        Duration::from_secs_f64(longest as f64 / f64::from(RATE))
    }

    /// Its length without the silence at its end.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64((self.samples.len() - self.silent) as f64 / f64::from(RATE))
    }
}

// === impl Seen ===

impl Seen {
    fn hear(&mut self, samples: &[i16]) {
        let is_loud = samples.iter().any(|sample| sample.unsigned_abs() > AUDIBLE);
        let open = self.sounds.last_mut().filter(|sound| sound.silent <= RATE as usize);
        match open {
            Some(sound) => {
                sound.samples.extend(samples);
                sound.silent = if is_loud { 0 } else { sound.silent + samples.len() };
            }
            None if is_loud => {
                self.sounds.push(Sound { began: Instant::now(), samples: samples.to_vec(), silent: 0 });
            }
            None => {}
        }
    }
}

/// The stretches of sound in a recording of [`RATE`].
pub(crate) fn stretches(samples: &[i16]) -> Vec<Vec<i16>> {
    let mut seen = Seen::default();
    samples.chunks(RATE as usize / 100).for_each(|frame| seen.hear(frame));
    seen.sounds.into_iter().map(|sound| sound.samples).collect()
}

async fn follow(mut events: mpsc::UnboundedReceiver<lk::RoomEvent>, seen: Arc<Mutex<Seen>>) {
    let mut tasks = VecDeque::new();
    while let Some(event) = events.recv().await {
        match event {
            lk::RoomEvent::TrackSubscribed { track: lk::RemoteTrack::Audio(track), .. } => {
                let sid = track.sid();
                tasks.push_back((Some(sid), tokio::spawn(listen(track, seen.clone()))));
            }
            lk::RoomEvent::TrackUnsubscribed { track, .. } => {
                let is_gone = |sid: &Option<lk::TrackSid>| *sid == Some(track.sid());
                tasks.iter().filter(|(sid, _)| is_gone(sid)).for_each(|(_, task)| task.abort());
                tasks.retain(|(sid, _)| !is_gone(sid));
            }
            lk::RoomEvent::TextStreamOpened { reader, topic, participant_identity }
                if topic == "lk.transcription" =>
            {
                let Some(reader) = reader.take() else { continue };
                let read = read(reader, participant_identity.to_string(), seen.clone());
                tasks.push_back((None, tokio::spawn(read)));
            }
            lk::RoomEvent::TranscriptionReceived { participant, track_publication, segments } => {
                let speaker = participant.map(|who| who.identity().to_string()).unwrap_or_default();
                let track = track_publication.map(|track| track.sid().to_string()).unwrap_or_default();
                let packets = segments.into_iter().map(|segment| Packet {
                    speaker: speaker.clone(),
                    track: track.clone(),
                    segment: segment.id,
                    text: segment.text,
                    is_final: segment.r#final,
                });
                seen.lock().unwrap().packets.extend(packets);
            }
            lk::RoomEvent::ParticipantAttributesChanged { changed_attributes, .. } => {
                if let Some(state) = changed_attributes.get("lk.agent.state") {
                    seen.lock().unwrap().states.push((Instant::now(), state.clone()));
                }
            }
            lk::RoomEvent::ParticipantConnected(who) => {
                if let Some(state) = who.attributes().get("lk.agent.state") {
                    seen.lock().unwrap().states.push((Instant::now(), state.clone()));
                }
            }
            _ => {}
        }
    }
    tasks.into_iter().for_each(|(_, task)| task.abort());
}

async fn listen(track: lk::RemoteAudioTrack, seen: Arc<Mutex<Seen>>) {
    let mut stream = NativeAudioStream::new(track.rtc_track(), RATE.cast_signed(), 1);
    while let Some(frame) = stream.next().await {
        seen.lock().unwrap().hear(&frame.data);
    }
}

async fn read(mut reader: TextStreamReader, sender: String, seen: Arc<Mutex<Seen>>) {
    let (mut text, mut progress) = (String::new(), Vec::new());
    while let Some(Ok(part)) = reader.next().await {
        text.push_str(&part);
        progress.push((Instant::now(), text.len()));
    }
    // The end of a stream brings attributes, too.
    let attributes = reader.info().attributes();
    let attribute = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    let (segment, track) = (attribute("lk.segment_id"), attribute("lk.transcribed_track_id"));
    let is_final = attribute("lk.transcription_final") == "true";
    seen.lock().unwrap().texts.push(Written { sender, segment, track, is_final, text, progress });
}

/// A token with which the agent is dispatched.
fn token(world: &World, room: &str, identity: &str) -> String {
    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
    let agent = RoomAgentDispatch { agent_name: AGENT_NAME.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(world.livekit.api_key(), world.livekit.api_secret());
    let token = token.with_identity(identity).with_grants(grants);
    token.with_room_config(RoomConfiguration { agents: vec![agent], ..Default::default() }).to_jwt().unwrap()
}

/// The settings of a worker that hears and speaks by this server, and says nothing by itself.
pub(crate) fn by_speechd(speechd: &Speechd, voice: &str) -> Vec<String> {
    let url = speechd.base_url();
    let names = ["stt.provider=openai", "stt.model=pocketsphinx", "tts.provider=openai", "tts.model=flite"];
    let values = [("stt.base_url", url), ("tts.base_url", url), ("tts.voice", voice), ("agent.greeting", "")];
    let values = values.map(|(key, value)| format!("{key}={value}"));
    names.map(str::to_owned).into_iter().chain(values).collect()
}

pub(crate) fn borrowed(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

/// The samples that the synthesiser makes of a text, with silence at its ends. None where it is missing.
pub(crate) fn spoken(text: &str) -> Option<Vec<i16>> {
    let Some(flite) = find_on_path("flite") else {
        skipped("flite is missing, which speaks (`cargo xtask setup`, or apt install flite)");
        return None;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let status =
        Command::new(flite).args(["-voice", "rms", "-t", text, "-o"]).arg(file.path()).status().unwrap();
    assert!(status.success(), "flite ended with {status}");
    let (_, samples) = wav::decode(&std::fs::read(file.path()).unwrap()).unwrap();
    let silence = std::iter::repeat_n(0, RATE as usize / 5);
    Some(silence.clone().chain(samples).chain(silence).collect())
}
