//! A joined LiveKit room: the participants, the texts that they write, and the texts and states that the agent writes.
//!
//! With its submodules this is the only code that names the crates `livekit` and `livekit_net`.

pub mod audio;
mod envelope;
mod event;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod incoming;
mod packet;
mod people;
pub(crate) mod roster;
pub mod text;
pub mod token;
pub mod transcript;
mod transport;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use conversation::Secret;
use livekit::participant::Participant;
use livekit::prelude as lk;
use livekit::webrtc::outbox::Outbox;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::audio::{Ears, Loudspeaker, OwnTrack, Whom};
pub use self::event::{RoomEvent, Segment, Unread};
use self::people::{People, Written, agent_state, is_agent, is_person};
use self::text::{CHAT_TOPIC, IncomingText};
pub(crate) use self::transcript::Scribe;
use self::transcript::{TranscriptWriter, WriteError};

/// How long a join may take before it is given up.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the room's SID may take to arrive after the join.
const SID_TIMEOUT: Duration = Duration::from_secs(5);
/// How long leaving may take; the server notices a vanished participant by itself.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the SDK's tasks for a room are asked for a sign of life, and how many of these may be missing in a row.
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PULSES_MISSED: u32 = 3;

/// The parameters of a join.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    pub url: Url,
    pub token: Secret,
    /// A longer incoming text is refused. Bytes.
    pub max_text_bytes: usize,
}

/// A joined room. Dropping it without `leave` leaves it in the background.
pub struct Room {
    inner: Arc<lk::Room>,
    events: mpsc::UnboundedReceiver<lk::RoomEvent>,
    place: Place,
    /// The packets that were sent and not acknowledged.
    outbox: Outbox,
    people: People,
    ears: Ears,
    own_track: OwnTrack,
    /// The SID of our own participant; the server gives a new one when we rejoin.
    ourselves: String,
    /// No event comes any more.
    closed: bool,
    /// The SDK is restoring the connection.
    reconnecting: bool,
    liveness_probe: Interval,
    pulses_missed: u32,
    max_text_bytes: usize,
    joined_in: Duration,
}

/// A view of a room for the code beside its session.
pub(crate) struct Occupancy(Weak<lk::Room>);

/// The identifiers of the room and of our participant, for logs and traces.
#[derive(Clone, Debug)]
pub struct Place {
    pub room: String,
    /// The room's SID, `RM_…`: the session id of everything recorded here.
    pub sid: String,
    /// Our own identity in it.
    pub identity: String,
}

impl Occupancy {
    pub(crate) fn is_here(&self) -> bool {
        self.0.upgrade().is_some_and(|room| room.remote_participants().values().any(is_person))
    }

    /// Whether we are connected to the room, as far as the SDK knows.
    pub(crate) fn is_connected(&self) -> bool {
        let connected = lk::ConnectionState::Connected;
        self.0.upgrade().is_some_and(|room| room.connection_state() == connected)
    }
}

impl Place {
    /// Whether the server told the SID; otherwise the room's name stands for it.
    pub(crate) fn has_sid(&self) -> bool {
        self.sid != self.room
    }
}

#[derive(Debug, Error)]
pub enum JoinError {
    #[error(
        "joining {url} failed: {why}; check that the server is reachable and that the token is valid for it"
    )]
    Refused { url: Url, why: Box<lk::RoomError> },
    #[error("joining {url} did not finish within {} s; check the network between here and the server, UDP and TCP", JOIN_TIMEOUT.as_secs())]
    TimedOut { url: Url },
    #[error("joining {url} was cancelled")]
    Cancelled { url: Url },
}

// === impl Room ===

impl Room {
    /// Joins a room. A join that is cancelled or takes too long is finished and closed in the background, because a
    /// dropped `Room::connect` leaks its sockets in the SDK.
    pub async fn join(options: JoinOptions, stop: &CancellationToken) -> Result<Self, JoinError> {
        transport::install();
        let url = options.url.clone();
        let mut joining = tokio::spawn(connect(options));
        tokio::select! {
            joined = &mut joining => joined.unwrap_or_else(|panic| Err(panicked(url, panic))),
            _ = tokio::time::sleep(JOIN_TIMEOUT) => {
                close_when_joined(joining);
                Err(JoinError::TimedOut { url })
            }
            _ = stop.cancelled() => {
                close_when_joined(joining);
                Err(JoinError::Cancelled { url })
            }
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How long the join took.
    pub fn joined_in(&self) -> Duration {
        self.joined_in
    }

    /// A view that tells later whether people are here, without holding the room.
    pub(crate) fn occupancy(&self) -> Occupancy {
        Occupancy(Arc::downgrade(&self.inner))
    }

    /// The identities of the people who are here now.
    pub fn people(&self) -> Vec<String> {
        let participants = self.inner.remote_participants();
        participants.values().filter(|p| is_person(p)).map(|p| p.identity().to_string()).collect()
    }

    /// The people who hear what is said; the others are about to.
    pub fn listeners(&self) -> Vec<String> {
        let participants = self.inner.remote_participants();
        let listens = |p: &&lk::RemoteParticipant| is_person(p) && people::can_hear(p);
        participants.values().filter(listens).map(|p| p.identity().to_string()).collect()
    }

    /// The agents who are here now, with their `lk.agent.state`.
    pub fn agents(&self) -> Vec<(String, String)> {
        let participants = self.inner.remote_participants();
        participants
            .values()
            .filter(|p| is_agent(p))
            .map(|p| (p.identity().to_string(), agent_state(p)))
            .collect()
    }

    /// The agent's words in this room, in this language where it is known.
    pub(crate) fn transcript_writer(&self, agent_name: &str, language: Option<String>) -> TranscriptWriter {
        let us = self.inner.local_participant();
        TranscriptWriter::start(us, self.outbox.clone(), self.own_track.clone(), agent_name, language)
    }

    /// Hears the first person who joined, from now on; when they leave, the next.
    pub(crate) fn hear(&mut self) {
        self.ears.open_to(&self.inner, Whom::Person);
    }

    /// The agent's track, to be published.
    pub(crate) fn loudspeaker(&self) -> Loudspeaker {
        self.track("agent")
    }

    /// Hears the agent, from now on.
    pub(crate) fn hear_agent(&mut self) {
        self.ears.open_to(&self.inner, Whom::Agent);
    }

    /// The track of a caller, to be published.
    pub(crate) fn callers_voice(&self) -> Loudspeaker {
        self.track("microphone")
    }

    fn track(&self, name: &str) -> Loudspeaker {
        Loudspeaker::new(self.inner.local_participant(), name, self.own_track.clone())
    }

    /// Writes what people said.
    pub(crate) fn scribe(&self, language: Option<String>) -> Scribe {
        Scribe::start(self.inner.local_participant(), language)
    }

    /// Writes one whole text on `lk.chat`, as a person does.
    pub async fn chat(&self, text: &str) -> Result<(), WriteError> {
        transcript::chat(&self.inner.local_participant(), text).await
    }

    /// The next event. After `Closed` or `Lost` it stays pending for ever.
    pub async fn next(&mut self) -> RoomEvent {
        loop {
            if let Some(event) = self.people.event() {
                return event;
            }
            if self.closed {
                return std::future::pending().await;
            }
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                _ = self.liveness_probe.tick() => {
                    if self.event_stream_is_dead() {
                        return self.lose("the SDK's tasks for this room broke down or are stuck".to_owned());
                    }
                    self.people.give_up();
                    continue;
                }
            };
            self.pulses_missed = 0;
            let Some(event) = event else { return self.lose("the SDK gave it up".to_owned()) };
            if let Some(event) = self.translate(event) {
                return event;
            }
        }
    }

    /// Leaves the room. Problems on the way out are only logged: the server removes us in any case.
    pub async fn leave(self) {
        leave(&self.inner).await;
    }

    /// Whether the SDK owes too many signs of life; asks for the next one. A task of the SDK that panics takes this
    /// room's events with it, and closes neither their channel nor the room. The sign is a threshold that is set to
    /// the value it has: the SDK reports that by way of the same tasks as everything that happens in the room.
    fn event_stream_is_dead(&mut self) -> bool {
        if self.pulses_missed >= PULSES_MISSED {
            return true;
        }
        // A sign can get lost with the connection over which it was asked for.
        self.pulses_missed += u32::from(!self.reconnecting);
        let (us, kind) = (self.inner.local_participant(), lk::DataPacketKind::Lossy);
        if let Ok(threshold) = us.data_channel_buffered_amount_low_threshold(kind) {
            let _ = us.set_data_channel_buffered_amount_low_threshold(threshold, kind);
        }
        false
    }

    fn translate(&mut self, event: lk::RoomEvent) -> Option<RoomEvent> {
        match event {
            lk::RoomEvent::Connected { participants_with_tracks } => {
                participants_with_tracks.iter().for_each(|(participant, _)| self.people.meet(participant));
                None
            }
            lk::RoomEvent::ParticipantConnected(who) | lk::RoomEvent::ParticipantActive(who) => {
                self.people.meet(&who);
                self.ears.published(&who);
                people::arrived(&who)
            }
            lk::RoomEvent::ParticipantDisconnected(who) => {
                self.ears.left(&who, &self.inner);
                people::left(&who)
            }
            lk::RoomEvent::TrackPublished { participant, .. } => {
                self.ears.published(&participant);
                None
            }
            lk::RoomEvent::TrackSubscribed {
                track: lk::RemoteTrack::Audio(track),
                publication,
                participant,
            } => self.ears.subscribed(&track, &publication, &participant),
            lk::RoomEvent::LocalTrackSubscribed { track } => {
                self.own_track.subscribed(track.sid().to_string());
                None
            }
            lk::RoomEvent::ParticipantAttributesChanged { participant: Participant::Remote(who), .. } => {
                people::is_agent(&who).then(|| people::agent(&who))
            }
            lk::RoomEvent::TextStreamOpened { reader, topic, participant_identity } => {
                let sender = participant_identity.to_string();
                let mut text = Box::new(IncomingText::new(reader.take()?, topic, sender));
                text.among = self.among(text.destinations());
                self.written(Written::Stream(text))
            }
            lk::RoomEvent::ByteStreamOpened { topic, participant_identity, .. } => {
                let from_person = self.kind_of(participant_identity.as_str()) == Some(true);
                (from_person && topic == CHAT_TOPIC).then_some(RoomEvent::Unread(Unread::File))
            }
            lk::RoomEvent::DataReceived { payload, topic, participant, .. } => {
                match envelope::open(topic.as_deref(), &payload) {
                    Some(letter) => self.letter(letter),
                    None => self.data(topic.unwrap_or_default(), participant),
                }
            }
            lk::RoomEvent::TranscriptionReceived { participant: Some(participant), segments, .. } => {
                self.transcript(participant.identity().to_string(), segments)
            }
            lk::RoomEvent::Reconnecting => {
                self.reconnecting = true;
                Some(RoomEvent::Reconnecting)
            }
            lk::RoomEvent::Reconnected => Some(self.reconnected()),
            lk::RoomEvent::Disconnected { reason } => {
                let why = reason.as_str_name().to_lowercase();
                Some(if is_loss(reason) { self.lose(why) } else { self.close(why) })
            }
            _ => None,
        }
    }

    fn reconnected(&mut self) -> RoomEvent {
        self.reconnecting = false;
        let ourselves = self.inner.local_participant().sid().to_string();
        let rejoined = ourselves != self.ourselves;
        self.ourselves = ourselves;
        if rejoined {
            self.ears.rejoined(&self.inner);
        } else {
            self.own_track.resumed();
        }
        RoomEvent::Reconnected { rejoined }
    }

    fn close(&mut self, why: String) -> RoomEvent {
        self.closed = true;
        RoomEvent::Closed(why)
    }

    fn lose(&mut self, why: String) -> RoomEvent {
        self.closed = true;
        RoomEvent::Lost(why)
    }
}

/// Whether the connection broke, rather than that the server or an operator ended our stay. A refused token is a loss,
/// too: the worker that goes back to the room replaces one that has expired meanwhile.
fn is_loss(reason: livekit::DisconnectReason) -> bool {
    use livekit::DisconnectReason as Reason;
    matches!(
        reason,
        Reason::UnknownReason
            | Reason::ServerShutdown
            | Reason::StateMismatch
            | Reason::JoinFailure
            | Reason::Migration
            | Reason::SignalClose
            | Reason::ConnectionTimeout
            | Reason::MediaFailure
    )
}

impl Drop for Room {
    /// A session that panics or is aborted must not leave an agent behind that no session answers for; the SDK's tasks
    /// keep each other alive.
    fn drop(&mut self) {
        let inner = self.inner.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { leave(&inner).await });
        }
    }
}

async fn leave(room: &lk::Room) {
    match tokio::time::timeout(LEAVE_TIMEOUT, room.close()).await {
        // The room was closed before: by the server, or by `Room::leave`.
        Ok(Ok(())) | Ok(Err(lk::RoomError::AlreadyClosed)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "leaving the room"),
        Err(_) => tracing::warn!("leaving the room took longer than {} s", LEAVE_TIMEOUT.as_secs()),
    }
}

async fn connect(options: JoinOptions) -> Result<Room, JoinError> {
    let began = Instant::now();
    let mut room_options = lk::RoomOptions::default();
    // Text needs no media; the tracks of other participants stay on the server.
    room_options.auto_subscribe = false;
    room_options.data_stream = room_options.data_stream.with_max_payload_byte_length(options.max_text_bytes);
    let outbox = Outbox::new();
    room_options.rtc_config.outbox = Some(outbox.clone());
    let joined = lk::Room::connect(options.url.as_str(), options.token.expose(), room_options).await;
    let (inner, events) =
        joined.map_err(|why| JoinError::Refused { url: options.url, why: Box::new(why) })?;
    let sid = tokio::time::timeout(SID_TIMEOUT, inner.sid()).await;
    let place = Place {
        room: inner.name(),
        // A session must have an id of its own; the name is the next best when the server does not tell.
        sid: sid.map_or_else(|_| inner.name(), |sid| sid.to_string()),
        identity: inner.local_participant().identity().to_string(),
    };
    let mut liveness_probe = tokio::time::interval_at(tokio::time::Instant::now() + PROBE_EVERY, PROBE_EVERY);
    // After a pause of the whole machine the signs become due one by one again.
    liveness_probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Room {
        ourselves: inner.local_participant().sid().to_string(),
        inner: Arc::new(inner),
        events,
        place,
        outbox,
        people: People::default(),
        ears: Ears::default(),
        own_track: OwnTrack::default(),
        closed: false,
        reconnecting: false,
        liveness_probe,
        pulses_missed: 0,
        joined_in: began.elapsed(),
        max_text_bytes: options.max_text_bytes,
    })
}

fn close_when_joined(joining: tokio::task::JoinHandle<Result<Room, JoinError>>) {
    tokio::spawn(async move {
        if let Ok(Ok(room)) = joining.await {
            room.leave().await;
        }
    });
}

fn panicked(url: Url, panic: tokio::task::JoinError) -> JoinError {
    JoinError::Refused { url, why: Box::new(lk::RoomError::Internal(panic.to_string())) }
}
