//! The event log of one session, for the tasks that hear and talk.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redaction::Privacy;
use speech::interruption::{self, Interruption};
use speech::turn::{self, Turn, TurnEnded};

use super::line::{
    DialogueEvent, Entry, InterruptionAction, InterruptionEvent, Line, TurnEvent, TurnVerdict, since,
};
use super::said::{Content, Said};
use super::writer::Log;

/// The texts and names that are told apart.
const TOLD_APART: usize = 10_000;

/// Records events; cheap to clone. The default records nothing.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Option<Arc<Session>>);

struct Session {
    began: Instant,
    /// Texts are recorded with their words.
    keeps: bool,
    privacy: Privacy,
    known: Mutex<Known>,
    log: Log,
}

/// The texts that were seen, by their hashes.
#[derive(Default)]
struct Known {
    hasher: RandomState,
    ids: HashMap<u64, u32>,
}

// === impl Recorder ===

impl Recorder {
    pub(super) fn new(began: Instant, privacy: Privacy, log: Log) -> Self {
        let keeps = !privacy.redacts() && !privacy.is_silent();
        Self(Some(Arc::new(Session { began, keeps, privacy, known: Mutex::default(), log })))
    }

    /// Another microphone is heard.
    pub(crate) fn microphone(&self) {
        if let Some(session) = &self.0 {
            session.write(Instant::now(), Entry::Microphone);
        }
    }

    /// Takes an event into the machine, and records it. A tick without consequence is none.
    pub(crate) fn turn_step(
        &self,
        turn: &mut Turn,
        now: Instant,
        event: turn::Event<'_>,
    ) -> Option<turn::Verdict> {
        let Some(session) = &self.0 else { return turn.step(now, event) };
        let awaits = turn.completeness_with(&event);
        let verdict = turn.step(now, event);
        if event != turn::Event::Tick || verdict.is_some() {
            let event = session.turn_event(event, awaits);
            session.write(now, Entry::Turn { event, verdict: verdict.as_ref().map(TurnVerdict::from) });
        }
        verdict
    }

    /// Closes the machine's turn, and records that.
    pub(crate) fn turn_close(&self, turn: &mut Turn) -> Option<TurnEnded> {
        let ended = turn.close();
        if let Some(session) = &self.0 {
            let verdict = ended.clone().map(turn::Verdict::Ended);
            let verdict = verdict.as_ref().map(TurnVerdict::from);
            session.write(Instant::now(), Entry::Turn { event: TurnEvent::Close, verdict });
        }
        ended
    }

    /// Takes an event into the machine, and records it. A tick without consequence is none.
    pub(crate) fn interruption_step(
        &self,
        interruption: &mut Interruption,
        now: Instant,
        event: interruption::Event<'_>,
    ) -> Option<interruption::Action> {
        let action = interruption.step(now, event);
        if let Some(session) = &self.0
            && (event != interruption::Event::Tick || action.is_some())
        {
            let event = session.interruption_event(event);
            session.write(now, Entry::Interruption { event, action: action.map(InterruptionAction::from) });
        }
        action
    }

    /// Asks the machine for its verdict on a turn, and records that.
    pub(crate) fn verdict(&self, interruption: &Interruption, text: &str) -> interruption::Verdict {
        let verdict = interruption.verdict(text);
        if let Some(session) = &self.0 {
            let event = InterruptionEvent::Turn(Said::words(text, session.keeps));
            session.write(Instant::now(), Entry::Interruption { event, action: Some(verdict.into()) });
        }
        verdict
    }

    /// The form of an event of the conversation that can be recorded; None where nothing is.
    pub(crate) fn dialogue_event(&self, form: impl FnOnce(&Self) -> DialogueEvent) -> Option<DialogueEvent> {
        self.0.as_ref().map(|_| form(self))
    }

    /// Records an event of the conversation, and what followed.
    pub(crate) fn dialogue(
        &self,
        at: Instant,
        event: Option<DialogueEvent>,
        actions: impl FnOnce() -> Vec<String>,
    ) {
        if let (Some(session), Some(event)) = (&self.0, event) {
            session.write(at, Entry::Dialogue { event, actions: actions() });
        }
    }

    /// Records what the conversation's machine was told by a call.
    pub(crate) fn told(&self, event: DialogueEvent) {
        self.dialogue(Instant::now(), Some(event), Vec::new);
    }

    /// A text as it can be recorded.
    pub(crate) fn content(&self, text: &str) -> Content {
        self.0.as_ref().map_or_else(Content::default, |session| {
            Content::new(text, session.known().id(text), session.keeps)
        })
    }

    /// A part of a text, which is never compared.
    pub(crate) fn part(&self, text: &str) -> Content {
        Content::new(text, 0, self.0.as_ref().is_some_and(|session| session.keeps))
    }

    /// An identity as it can be recorded.
    pub(crate) fn person(&self, identity: &str) -> String {
        self.name("person", identity, Privacy::user)
    }

    /// The id of a message as it can be recorded: its sender chooses it.
    pub(crate) fn message(&self, id: &str) -> String {
        self.name("message", id, |_, id| id.to_owned())
    }

    fn name(&self, kind: &str, name: &str, plain: impl FnOnce(&Privacy, &str) -> String) -> String {
        match &self.0 {
            Some(session) if session.keeps => plain(&session.privacy, name),
            Some(session) => format!("{kind}-{}", session.known().id(name)),
            None => String::new(),
        }
    }
}

// === impl Session ===

impl Session {
    fn write(&self, at: Instant, entry: Entry) {
        self.log.write(&Line { at_us: since(self.began, at), entry });
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn_event(&self, event: turn::Event<'_>, whole: turn::rules::Completeness) -> TurnEvent {
        let speech_us = |at| since(self.began, at);
        match event {
            turn::Event::SpeechStarted { at } => TurnEvent::SpeechStarted { speech_us: speech_us(at) },
            turn::Event::SpeechPaused { at } => TurnEvent::SpeechPaused { speech_us: speech_us(at) },
            turn::Event::SpeechResumed { at } => TurnEvent::SpeechResumed { speech_us: speech_us(at) },
            turn::Event::SpeechEnded { at } => TurnEvent::SpeechEnded { speech_us: speech_us(at) },
            turn::Event::Partial(text) => TurnEvent::Partial(Said::new(text, whole, self.keeps)),
            turn::Event::Final(text) => TurnEvent::Final(Said::new(text, whole, self.keeps)),
            turn::Event::Nothing => TurnEvent::Nothing,
            turn::Event::EndOfTurn => TurnEvent::EndOfTurn,
            turn::Event::Tick => TurnEvent::Tick,
        }
    }

    fn interruption_event(&self, event: interruption::Event<'_>) -> InterruptionEvent {
        use interruption::{Event, Voice};
        let speech_us = |at| since(self.began, at);
        match event {
            Event::Voice(Voice::Silent) => InterruptionEvent::VoiceSilent,
            Event::Voice(Voice::Coming) => InterruptionEvent::VoiceComing,
            Event::Voice(Voice::Sounding) => InterruptionEvent::VoiceSounding,
            Event::SpeechStarted { at } => InterruptionEvent::SpeechStarted { speech_us: speech_us(at) },
            Event::SpeechEnded { at } => InterruptionEvent::SpeechEnded { speech_us: speech_us(at) },
            Event::Words(text) => InterruptionEvent::Words(Said::words(text, self.keeps)),
            Event::Nothing => InterruptionEvent::Nothing,
            Event::TurnEnded => InterruptionEvent::TurnEnded,
            Event::Tick => InterruptionEvent::Tick,
        }
    }
}

// === impl Known ===

impl Known {
    /// 0: more were seen than are told apart.
    fn id(&mut self, text: &str) -> u32 {
        let (hash, next) = (self.hasher.hash_one(text), self.ids.len());
        match self.ids.get(&hash) {
            Some(id) => *id,
            None if next >= TOLD_APART => 0,
            None => {
                let id = u32::try_from(next + 1).unwrap_or_default();
                self.ids.insert(hash, id);
                id
            }
        }
    }
}
