//! One conversation in one room: a thin async shell around the state machine.
//!
//! Everything a session does happens in one task, so its turns cannot overlap. Work that has to wait for the outside
//! world runs beside it behind bounded queues: the call to the model, and the writes to the room. So does work that
//! could hold a thread of the runtime, which other sessions need: the search for content that must not be recorded.

mod arrivals;
mod audience;
mod call;

mod chat_context;
mod history;
mod ledger;
mod listening;
pub(crate) mod machine;
mod preemption;
mod presence;
pub(crate) mod recorded;
mod seen_messages;
mod segments;
mod sinks;
mod spoken;
mod spoken_record;
mod turn_record;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use conversation::{AgentState, Usage};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::config;
use crate::event_log::line::{DialogueEvent, FORMAT, InterruptionRules, TurnRules};
use crate::event_log::{EventLogs, Header, Recorder};
use crate::llm::Answerer;
use crate::metrics::{Metrics, Refusal, Restored};
use crate::room::transcript::TranscriptWriter;
use crate::room::{Room, RoomEvent};
use crate::runtime::sleep_until;
use crate::telemetry::spans::Tracer;
use crate::voice::Voice;

use self::arrivals::{Arrivals, Arrived};
use self::call::Call;
pub use self::chat_context::{ChatContext, ContextTurn};
use self::ledger::Ledger;
pub use self::ledger::Totals;
pub use self::machine::EndReason;
use self::machine::{Action, Event};
pub(crate) use self::machine::{Machine, Rules};
use self::segments::Segments;
use self::sinks::StoreSink;
use self::spoken::Speech;
use self::turn_record::Unasked;

/// What all sessions share.
#[derive(Clone)]
pub struct Parts {
    pub answerer: Arc<dyn Answerer>,
    pub tracer: Tracer,
    pub metrics: Metrics,
    /// The local record.
    pub store: turn_store::Store,
    pub agent: config::Agent,
    /// What hears and speaks, where that is on.
    pub voice: Voice,
    pub event_logs: EventLogs,
}

/// What one session begins with.
#[derive(Default)]
pub struct Opening {
    /// W3C `traceparent` of the dispatcher; a message's own one wins over it.
    pub traceparent: Option<String>,
    /// The earlier conversation, when this session goes on after its process died.
    pub chat_context: Option<ChatContext>,
    /// The source of an earlier conversation that people who come or speak first may bring.
    pub claims: Option<Arc<dyn ClaimContext>>,
    /// The room of the job was deleted before we came; we are in a new one that only has its name.
    pub in_other_room: bool,
}

/// Conversations that lost their connection, and that a participant may bring along.
pub trait ClaimContext: Send + Sync {
    /// The conversation with this participant; once.
    fn claim(&self, identity: &str) -> Option<ChatContext>;
}

/// How a session went.
#[derive(Clone, Debug)]
pub struct Summary {
    pub reason: EndReason,
    pub totals: Totals,
    /// Its conversation.
    pub chat_context: ChatContext,
    /// The identities of all people who took part.
    pub people: Vec<String>,
}

/// A session while it runs.
struct Session<'a> {
    room: &'a mut Room,
    parts: Parts,
    claims: Option<Arc<dyn ClaimContext>>,
    machine: Machine,
    transcript: TranscriptWriter,
    arrivals: Arrivals,
    call: Option<Call>,
    /// Calls whose turns ended otherwise, on their way to their costs.
    discarded: FuturesUnordered<BoxFuture<'static, Usage>>,
    segments: Segments,
    speech: Speech,
    /// Events that are still to be fed to the machine.
    happened: VecDeque<(Instant, Event)>,
    ledger: Ledger,
    recorder: Recorder,
    /// We have rejoined before any person: the agent's words wait until a person can hear them.
    words_wait: bool,
}

/// Holds the conversation in `room` until it ends, at the latest when `end` resolves, for the reason that it gives. The
/// room is left joined, so that the end can be reported first.
pub async fn run(
    room: &mut Room,
    parts: Parts,
    opening: Opening,
    end: impl Future<Output = EndReason>,
) -> Summary {
    tracing::Span::current().record("session", &room.place().sid);
    let joined_ms = room.joined_in().as_millis();
    tracing::info!(people = room.people().len(), joined_ms, "session started");
    let transcript = room.transcript_writer(&parts.agent.name, parts.voice.language());
    let Parts { tracer, metrics, store, .. } = parts.clone();
    let Opening { traceparent, chat_context, claims, in_other_room } = opening;
    let sink = StoreSink::new(store, room.place(), &parts.agent.name);
    let ledger = Ledger::new(tracer, metrics, sink, &room.place().sid, traceparent);
    let rules = Rules::from(&parts.agent);
    let recorder = recorder(&parts, &rules, &room.place().sid);
    let mut machine = Machine::new(rules);
    if let Some(chat_context) = &chat_context {
        tracing::info!(
            turns = chat_context.turns.len(),
            "the session goes on where a worker that died left it"
        );
        resume(&mut machine, chat_context, &recorder);
        // People's SDKs may still learn that our earlier stay is over.
        transcript.back(true);
    }
    if in_other_room {
        tracing::info!("the room was deleted before we joined, and this is another one of its name");
        machine.in_other_room();
        recorder.told(DialogueEvent::InOtherRoom);
    }
    let speech = Speech::open(room, &parts.voice, &parts.metrics, &recorder);
    let (arrivals, call, words_wait) = (Arrivals::default(), None, false);
    let (segments, happened) = (Segments::default(), VecDeque::new());
    let session = Session {
        room,
        parts,
        claims,
        machine,
        transcript,
        arrivals,
        call,
        discarded: FuturesUnordered::new(),
        segments,
        speech,
        happened,
        ledger,
        recorder,
        words_wait,
    };
    let summary = session.converse(end).await;
    tracing::info!(reason = %summary.reason, totals = %summary.totals, "session ended");
    summary
}

// === impl Session ===

impl Session<'_> {
    async fn converse(mut self, end: impl Future<Output = EndReason>) -> Summary {
        self.transcript.announce(AgentState::Initializing);
        let (people, mut coming) = (self.room.listeners(), self.room.people());
        coming.retain(|person| !people.contains(person));
        people.iter().chain(&coming).for_each(|person| self.claim(person));
        let mut next = (Instant::now(), Event::Joined { people, coming });
        let (mut end, mut ending) = (pin!(end), false);
        loop {
            if let Some(reason) = self.step(next).await {
                self.count_discarded().await;
                // What it was still to say is written.
                drop(self.speech);
                self.transcript.finish().await;
                let (totals, chat_context, people) =
                    (self.ledger.totals(), self.machine.chat_context(), self.machine.met());
                return Summary { reason, totals, chat_context, people };
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
        if let Event::UserTurn(said) = &event {
            self.claim(&said.utterance.speaker);
        }
        let is_turn = matches!(event, Event::UserTurn(_));
        let recorded = self.recorder.event(&event);
        let actions = self.machine.step(at, event);
        self.recorder.dialogue(at, recorded, || actions.iter().map(recorded::word).collect());
        for action in actions {
            match action {
                Action::SetState(state) => self.set_state(state),
                Action::Ask { turn, said, messages } => {
                    let span = self.begin_turn(turn, said).await;
                    self.call = Some(Call::start(&self.parts, turn, messages, span));
                }
                Action::AskPreemptively { turn, said, messages } => {
                    self.ask_preemptively(turn, &said, messages)
                }
                Action::Adopt { turn, said } => self.adopt(turn, said).await,
                Action::Discard => self.discard(),
                Action::Unheard { turn, said, failure } => self.unheard(turn, said, &failure),
                Action::Cancel { turn } => {
                    self.call.iter_mut().filter(|call| call.turn() == turn).for_each(Call::cancel)
                }
                Action::OpenSegment { segment, only, is_spoken } => {
                    // What few may read is not spoken to all.
                    let is_spoken = is_spoken && only.is_empty();
                    let spoken = self.speech.open_segment(segment, is_spoken, &self.transcript).await;
                    let (sound, allowance) = spoken.unzip();
                    let opened = self.transcript.open_segment(only, allowance).await;
                    self.segments.opened(segment, opened, sound);
                }
                Action::Say(text) => {
                    self.speech.say(&text).await;
                    self.transcript.say(text).await;
                }
                Action::CloseSegment { chat } => {
                    self.speech.close_segment().await;
                    self.transcript.close_segment(chat).await;
                }
                Action::CutSegment { segment, chat } => self.cut(segment, chat).await,
                Action::Corrected { speaker, known } => self.ledger.corrected(&speaker, known),
                Action::Finish { turn, result } => {
                    let answer = self.parts.tracer.privacy().record(&result.answer.text).await;
                    let spoken = self.speech.end_turn(turn);
                    self.ledger.finish(turn, result, answer, spoken);
                }
                Action::Overtaken { turn, said } => self.unasked(turn, said, Unasked::Overtaken),
                Action::Deleted { turn, said } => self.unasked(turn, said, Unasked::Deleted),
                Action::End(reason) => return Some(reason),
            }
        }
        if is_turn {
            self.speech.turn_ended();
        }
        self.show_state();
        None
    }

    /// Goes on with what was said before with a person who was not there yet when we came.
    fn claim(&mut self, person: &str) {
        let claims = self.claims.as_ref().filter(|_| self.machine.is_new());
        if let Some(chat_context) = claims.and_then(|claims| claims.claim(person)) {
            tracing::info!(
                turns = chat_context.turns.len(),
                "the session goes on where its connection was lost"
            );
            resume(&mut self.machine, &chat_context, &self.recorder);
        }
    }

    async fn cut(&mut self, segment: u64, chat: Vec<String>) {
        if !self.silence().await.contains(&segment) {
            self.cut_text(segment, None);
        }
        self.transcript.close_segment(chat).await;
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
                    Arrived::Received(at, event) => return (at, event),
                },
                Some((segment, end)) = self.segments.next() => return now(Event::SegmentEnded { segment, end }),
                event = reply(&mut self.call, &self.transcript) => return now(self.reply_event(event)),
                news = self.speech.next() => self.told(news).await,
                Some(usage) = self.discarded.next() => self.ledger.discarded(usage),
                _ = sleep_until(deadline) => return now(Event::Tick),
            }
        }
    }

    fn room_event(&mut self, event: RoomEvent) -> Option<Event> {
        match event {
            RoomEvent::PersonComing(person) => Some(Event::PersonComing(person)),
            RoomEvent::PersonJoined(person) => {
                self.claim(&person);
                if std::mem::take(&mut self.words_wait) {
                    self.transcript.back(true);
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
            RoomEvent::Microphone(microphone) => {
                self.speech.listen(*microphone);
                None
            }
            RoomEvent::Reconnecting => {
                tracing::warn!("the connection to the room is lost; the SDK is restoring it");
                self.transcript.away();
                self.speech.away();
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
        self.transcript.away();
        for (segment, delivered) in self.segments.delivered() {
            self.machine.truncate_segment(segment, delivered);
        }
    }

    /// In a new stay the agent shows itself, and speaks as soon as a person can hear it.
    fn back(&mut self, rejoined: bool) {
        tracing::info!(rejoined, "the connection to the room is back");
        let restored = if rejoined { Restored::Rejoined } else { Restored::Resumed };
        self.parts.metrics.instruments.room_losses.add(restored);
        self.speech.back(rejoined);
        if rejoined {
            self.transcript.show();
        }
        self.words_wait = rejoined && self.room.listeners().is_empty();
        if !self.words_wait {
            self.transcript.back(rejoined);
        }
    }

    /// A call is over with its answer.
    fn reply_event(&mut self, event: Event) -> Event {
        if let Event::Answered { .. } = event {
            self.call = None;
        }
        event
    }
}

impl From<&config::Agent> for Rules {
    fn from(agent: &config::Agent) -> Self {
        Self {
            instructions: agent.instructions.clone(),
            greeting: agent.greeting.clone(),
            apology: agent.apology.clone(),
            resume_notice: agent.resume_notice.clone(),
            text_notice: agent.text_notice.clone(),
            history_turns: agent.history_turns,
            history_tokens: agent.history_tokens,
            leave_grace: agent.leave_grace,
        }
    }
}

/// The event log of a session that begins now.
fn recorder(parts: &Parts, rules: &Rules, session: &str) -> Recorder {
    parts.event_logs.open(Instant::now(), || Header {
        format: FORMAT,
        voiced: env!("CARGO_PKG_VERSION").into(),
        session: session.to_owned(),
        began_us: turn_store::micros(SystemTime::now()),
        agent: rules.recorded(),
        turn: parts.voice.hearing.as_ref().map(|hearing| TurnRules::from(&hearing.turn)),
        interruption: InterruptionRules::from(&parts.voice.interruption),
    })
}

/// Goes on with an earlier conversation.
fn resume(machine: &mut Machine, context: &ChatContext, recorder: &Recorder) {
    machine.resume(context);
    recorder.told(DialogueEvent::Resumed { next_turn: context.next_turn });
}

fn now(event: Event) -> (Instant, Event) {
    (Instant::now(), event)
}

/// The next event of the call under way. The model has to wait while the room is slow, except when the call is
/// cancelled and only its end is awaited.
async fn reply(call: &mut Option<Call>, transcript: &TranscriptWriter) -> Event {
    match call {
        Some(call) if call.is_held() => std::future::pending().await,
        Some(call) => {
            if !call.is_cancelled() {
                transcript.ready().await;
            }
            call.next().await
        }
        None => std::future::pending().await,
    }
}
