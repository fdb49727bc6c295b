//! One conversation in one room: a thin async shell around the state machine.
//!
//! Everything a session does happens in one task, so its turns cannot overlap. Work that has to wait for the outside
//! world runs beside it behind bounded queues: the call to the model, and the writes to the room. So does work that
//! could hold a thread of the runtime, which other sessions need: the search for content that must not be recorded.

mod arrivals;
mod audience;
mod call;
mod heard;
mod history;
mod kept;
mod ledger;
mod listening;
mod machine;
mod past;
mod presence;
mod speaking;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use conversation::AgentState;

use crate::config;
use crate::llm::Answerer;
use crate::metrics::{Metrics, Refusal, Restored};
use crate::room::voice::Voice;
use crate::room::{Room, RoomEvent};
use crate::telemetry::spans::Tracer;

use self::arrivals::{Arrivals, Arrived};
use self::call::{Call, CallEvent};
pub use self::history::Said;
use self::kept::Keeper;
use self::ledger::Ledger;
pub use self::ledger::Totals;
pub use self::machine::EndReason;
use self::machine::{Action, Event, Machine, Rules};
pub use self::past::{Past, PastTurn};
use self::speaking::Speaking;

/// The parts of a session.
#[derive(Clone)]
pub struct Parts {
    pub answerer: Arc<dyn Answerer>,
    pub tracer: Tracer,
    pub metrics: Metrics,
    /// The local record.
    pub record: turn_store::Record,
    pub agent: config::Agent,
    /// W3C `traceparent` of the dispatcher; a message's own one wins over it.
    pub traceparent: Option<String>,
    /// The earlier conversation, when this session goes on after its process died.
    pub past: Option<Past>,
    /// The source of an earlier conversation that people who come or speak first may bring.
    pub claims: Option<Arc<dyn ClaimPast>>,
    /// The room of the job was deleted before we came; we are in a new one that only has its name.
    pub in_other_room: bool,
}

/// Conversations that lost their connection, and that a participant may bring along.
pub trait ClaimPast: Send + Sync {
    /// The conversation with this participant; once.
    fn claim(&self, identity: &str) -> Option<Past>;
}

/// How a session went.
#[derive(Clone, Debug)]
pub struct Summary {
    pub reason: EndReason,
    pub totals: Totals,
    /// Its conversation.
    pub past: Past,
    /// The identities of all people who took part.
    pub people: Vec<String>,
}

/// A session while it runs.
struct Session<'a> {
    room: &'a mut Room,
    parts: Parts,
    machine: Machine,
    voice: Voice,
    arrivals: Arrivals,
    call: Option<Call>,
    speaking: Speaking,
    /// Events that are still to be fed to the machine.
    happened: VecDeque<(Instant, Event)>,
    ledger: Ledger,
    /// We have rejoined before any person: the agent's words wait until a person can hear them.
    unheard: bool,
}

/// Holds the conversation in `room` until it ends, at the latest when `end` resolves, for the reason that it gives. The
/// room is left joined, so that the end can be reported first.
pub async fn run(room: &mut Room, parts: Parts, end: impl Future<Output = EndReason>) -> Summary {
    tracing::Span::current().record("session", &room.place().sid);
    let joined_ms = room.joined_in().as_millis();
    tracing::info!(people = room.people().len(), joined_ms, "session started");
    let voice = room.voice(&parts.agent.name);
    let Parts { tracer, metrics, traceparent, .. } = parts.clone();
    let keeper = Keeper::new(parts.record.clone(), room.place(), &parts.agent.name);
    let ledger = Ledger::new(tracer, metrics, keeper, traceparent);
    let mut machine = Machine::new(Rules::from(&parts.agent));
    if let Some(past) = &parts.past {
        tracing::info!(turns = past.turns.len(), "the session goes on where a worker that died left it");
        machine.resume(past);
    }
    if parts.in_other_room {
        tracing::info!("the room was deleted before we joined, and this is another one of its name");
        machine.in_other_room();
    }
    let (arrivals, call, unheard) = (Arrivals::default(), None, false);
    let (speaking, happened) = (Speaking::default(), VecDeque::new());
    let session =
        Session { room, parts, machine, voice, arrivals, call, speaking, happened, ledger, unheard };
    let summary = session.converse(end).await;
    tracing::info!(reason = %summary.reason, totals = %summary.totals, "session ended");
    summary
}

// === impl Session ===

impl Session<'_> {
    async fn converse(mut self, end: impl Future<Output = EndReason>) -> Summary {
        self.voice.announce(AgentState::Initializing);
        let (people, mut coming) = (self.room.listeners(), self.room.people());
        coming.retain(|person| !people.contains(person));
        people.iter().chain(&coming).for_each(|person| self.claim(person));
        let mut next = (Instant::now(), Event::Joined { people, coming });
        let (mut end, mut ending) = (pin!(end), false);
        loop {
            if let Some(reason) = self.step(next).await {
                self.voice.finish().await;
                let (totals, past, people) = (self.ledger.totals(), self.machine.past(), self.machine.met());
                return Summary { reason, totals, past, people };
            }
            next = tokio::select! {
                reason = &mut end, if !ending => {
                    ending = true;
                    self.told_to_end(reason)
                }
                next = self.next_event() => next,
            };
        }
    }

    /// Feeds the machine with an event and its time, and performs its actions; returns the reason once the session is
    /// over.
    async fn step(&mut self, (at, event): (Instant, Event)) -> Option<EndReason> {
        if let Event::Heard(utterance) = &event {
            self.claim(&utterance.speaker);
        }
        for action in self.machine.step(at, event) {
            match action {
                Action::SetState(state) => self.voice.announce(state),
                Action::Ask { turn, utterance, messages } => {
                    let span = self.ledger.begin(turn, &utterance);
                    self.call = Some(Call::start(&self.parts, turn, messages, span));
                }
                Action::Cancel { turn } => {
                    self.call.iter_mut().filter(|call| call.turn() == turn).for_each(Call::cancel)
                }
                Action::OpenSegment { segment, only } => {
                    self.speaking.opened(segment, self.voice.open_segment(only).await);
                }
                Action::Say(text) => self.voice.say(text).await,
                Action::CloseSegment { chat } => self.voice.close_segment(chat).await,
                Action::CutSegment { segment, chat } => self.cut(segment, chat).await,
                Action::Corrected { speaker, known } => self.ledger.corrected(&speaker, known),
                Action::Finish { turn, result } => {
                    // The whole answer is prepared, because an answer that was cut is a part of it.
                    self.parts.tracer.privacy().prepare(&result.answer.text).await;
                    self.ledger.finish(turn, &result);
                }
                Action::Overtaken { turn, utterance } => self.ledger.overtaken(turn, &utterance),
                Action::Deleted { turn, utterance } => self.ledger.deleted(turn, &utterance),
                Action::End(reason) => return Some(reason),
            }
        }
        None
    }

    /// Goes on with what was said before with a person who was not there yet when we came.
    fn claim(&mut self, person: &str) {
        let claims = self.parts.claims.as_ref().filter(|_| self.machine.is_new());
        if let Some(past) = claims.and_then(|claims| claims.claim(person)) {
            tracing::info!(turns = past.turns.len(), "the session goes on where its connection was lost");
            self.machine.resume(&past);
        }
    }

    async fn cut(&mut self, segment: u64, chat: Vec<String>) {
        // The end of a segment that is not known any more has been reported already.
        if let Some(spoken) = self.speaking.cut(segment, &self.voice) {
            self.happened.push_back(now(Event::Spoken { segment, spoken }));
        }
        self.voice.close_segment(chat).await;
    }

    async fn next_event(&mut self) -> (Instant, Event) {
        loop {
            if let Some(happened) = self.happened.pop_front() {
                return happened;
            }
            let deadline = self.machine.deadline();
            tokio::select! {
                event = self.room.next() => {
                    if let Some(event) = self.room_event(event) {
                        return now(event);
                    }
                }
                arrived = self.arrivals.next() => match arrived {
                    Arrived::Read(read) => self.read(read),
                    Arrived::Heard(at, event) => return (at, event),
                },
                Some((segment, spoken)) = self.speaking.next() => return now(Event::Spoken { segment, spoken }),
                event = reply(&mut self.call, &self.voice) => return now(self.reply_event(event)),
                _ = sleep_until(deadline) => return now(Event::Tick),
            }
        }
    }

    fn room_event(&mut self, event: RoomEvent) -> Option<Event> {
        match event {
            RoomEvent::PersonComing(person) => Some(Event::PersonComing(person)),
            RoomEvent::PersonJoined(person) => {
                self.claim(&person);
                if std::mem::take(&mut self.unheard) {
                    self.voice.back(true);
                }
                Some(Event::PersonJoined(person))
            }
            RoomEvent::PersonLeft(person) => Some(Event::PersonLeft(person)),
            RoomEvent::Text(text) => {
                self.listen(text);
                None
            }
            RoomEvent::Chat(reading) => {
                self.listen_to_packet(reading);
                None
            }
            RoomEvent::Refused { sender, why } => {
                self.ledger.refused(&sender, Refusal::from(&why), &why.to_string());
                None
            }
            RoomEvent::Unread(unread) => {
                self.ledger.unread(unread);
                None
            }
            RoomEvent::Transcript { speaker, segments, refused } => {
                self.transcribed(&speaker, segments, refused);
                None
            }
            RoomEvent::Agent { .. } | RoomEvent::AgentLeft(_) => None,
            RoomEvent::Reconnecting => {
                tracing::warn!("the connection to the room is lost; the SDK is restoring it");
                self.voice.away();
                Some(Event::Away)
            }
            RoomEvent::Reconnected { rejoined } => {
                self.back(rejoined);
                Some(Event::Back { rejoined })
            }
            RoomEvent::Closed(why) => Some(Event::End(EndReason::RoomClosed(why))),
            RoomEvent::Lost(why) => {
                self.lost(&why);
                Some(Event::End(EndReason::ConnectionLost(why)))
            }
        }
    }

    fn told_to_end(&mut self, reason: EndReason) -> (Instant, Event) {
        if let EndReason::ConnectionLost(why) = &reason {
            self.lost(why);
        }
        now(Event::End(reason))
    }

    /// Text that was written and has not left is not heard any more. The worker that goes on with the conversation is
    /// to know.
    fn lost(&mut self, why: &str) {
        tracing::error!("the connection to the room is lost for good: {why}");
        self.parts.metrics.instruments.room_losses.add(Restored::Not);
        self.voice.away();
        for (segment, heard) in self.speaking.heard() {
            self.machine.unheard(segment, heard);
        }
    }

    /// In a new stay the agent shows itself, and speaks as soon as a person can hear it.
    fn back(&mut self, rejoined: bool) {
        tracing::info!(rejoined, "the connection to the room is back");
        let restored = if rejoined { Restored::Rejoined } else { Restored::Resumed };
        self.parts.metrics.instruments.room_losses.add(restored);
        if rejoined {
            self.voice.show();
        }
        self.unheard = rejoined && self.room.listeners().is_empty();
        if !self.unheard {
            self.voice.back(rejoined);
        }
    }

    fn reply_event(&mut self, event: CallEvent) -> Event {
        match event {
            CallEvent::Delta { turn, text } => Event::Delta { turn, text },
            CallEvent::Answered { turn, answer } => {
                self.call = None;
                Event::Answered { turn, answer: *answer }
            }
        }
    }
}

impl From<&config::Agent> for Rules {
    fn from(agent: &config::Agent) -> Self {
        Self {
            instructions: agent.instructions.clone(),
            greeting: agent.greeting.clone(),
            apology: agent.apology.clone(),
            resume_notice: agent.resume_notice.clone(),
            history_turns: agent.history_turns,
            history_tokens: agent.history_tokens,
            leave_grace: agent.leave_grace,
        }
    }
}

fn now(event: Event) -> (Instant, Event) {
    (Instant::now(), event)
}

/// The next event of the call under way. The model has to wait while the room is slow, except when the call is
/// cancelled and only its end is awaited.
async fn reply(call: &mut Option<Call>, voice: &Voice) -> CallEvent {
    match call {
        Some(call) => {
            if !call.is_cancelled() {
                voice.ready().await;
            }
            call.next().await
        }
        None => std::future::pending().await,
    }
}

/// Pending for ever without a deadline.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
