//! The ends of turns, and the agent's voice beside a person's, played again.

use std::time::{Duration, Instant};

use ::speech::interruption::{self, Interruption};
use ::speech::turn::rules::Completeness;
use ::speech::turn::{self, Turn};

use super::{Played, at, length};
use crate::event_log::line::{
    InterruptionAction, InterruptionEvent, InterruptionRules, TurnEvent, TurnRules, TurnVerdict,
};
use crate::event_log::said::Said;

/// Where the turns of a person end.
pub(super) struct TurnEnds {
    settings: turn::Settings,
    turn: Turn,
    /// When the speech under way began.
    speech: Option<Instant>,
    /// The provider said that the turn ends.
    is_told: bool,
    has_final: bool,
}

/// Whether the agent's voice gives way.
pub(super) struct Voice {
    settings: interruption::Settings,
    interruption: Interruption,
    /// Since when the person speaks.
    speech: Option<Instant>,
}

// === impl TurnEnds ===

impl TurnEnds {
    pub(super) fn new(rules: Option<&TurnRules>) -> Self {
        let settings: turn::Settings = rules.map(turn::Settings::from).unwrap_or_default();
        let turn = Turn::new(settings.clone());
        Self { settings, turn, speech: None, is_told: false, has_final: false }
    }

    pub(super) fn play(
        &mut self,
        base: Instant,
        now: Instant,
        event: &TurnEvent,
        recorded: Option<TurnVerdict>,
    ) -> Played {
        let mut notes = Vec::from_iter(self.heard(base, event));
        let verdict = self.step(base, now, event, &mut notes);
        Played::new(notes, &recorded, &verdict)
    }

    fn step(
        &mut self,
        base: Instant,
        now: Instant,
        event: &TurnEvent,
        notes: &mut Vec<String>,
    ) -> Option<TurnVerdict> {
        let text = match event {
            TurnEvent::Partial(said) | TurnEvent::Final(said) => said.for_turn(),
            _ => String::new(),
        };
        let event = match event {
            TurnEvent::SpeechStarted { speech_us } => turn::Event::SpeechStarted { at: at(base, *speech_us) },
            TurnEvent::SpeechPaused { speech_us } => turn::Event::SpeechPaused { at: at(base, *speech_us) },
            TurnEvent::SpeechResumed { speech_us } => turn::Event::SpeechResumed { at: at(base, *speech_us) },
            TurnEvent::SpeechEnded { speech_us } => turn::Event::SpeechEnded { at: at(base, *speech_us) },
            TurnEvent::Partial(_) => turn::Event::Partial(&text),
            TurnEvent::Final(_) => turn::Event::Final(&text),
            TurnEvent::Nothing => turn::Event::Nothing,
            TurnEvent::EndOfTurn => turn::Event::EndOfTurn,
            TurnEvent::Tick => turn::Event::Tick,
            TurnEvent::Close => return self.close(notes),
        };
        self.is_told |= event == turn::Event::EndOfTurn;
        self.has_final |= matches!(event, turn::Event::Final(_));
        let why = self.why(now, &event);
        let verdict = self.turn.step(now, event);
        match &verdict {
            Some(turn::Verdict::Ended(_)) => notes.push(format!("the turn ends: {why}")),
            Some(turn::Verdict::Grown(_)) => {
                notes.push("words came late, and belong to the turn before".into())
            }
            None => return None,
        }
        (self.is_told, self.has_final) = (false, false);
        verdict.as_ref().map(TurnVerdict::from)
    }

    fn close(&mut self, notes: &mut Vec<String>) -> Option<TurnVerdict> {
        let ended = self.turn.close().map(turn::Verdict::Ended);
        if ended.is_some() {
            notes.push("the turn ends: its microphone is gone, or words of it are lost".into());
        }
        ended.as_ref().map(TurnVerdict::from)
    }

    /// What an event tells people.
    fn heard(&mut self, base: Instant, event: &TurnEvent) -> Option<String> {
        Some(match event {
            TurnEvent::SpeechStarted { speech_us } => {
                self.speech = Some(at(base, *speech_us));
                "speech".into()
            }
            TurnEvent::SpeechEnded { speech_us } => {
                let lasted =
                    self.speech.take().map(|began| at(base, *speech_us).saturating_duration_since(began));
                format!("silence, behind {} of speech", length(lasted.unwrap_or_default()))
            }
            TurnEvent::Final(said) => format!("transcript: {}", words(said)),
            TurnEvent::Nothing => "the sound had no words".into(),
            TurnEvent::EndOfTurn => "the recogniser says that the turn ends".into(),
            _ => return None,
        })
    }

    /// Why the turn ends, if it does.
    fn why(&self, now: Instant, event: &turn::Event<'_>) -> String {
        if self.is_told {
            return "the recogniser said so".into();
        }
        let silence = self.turn.last_speech().map(|last| now.saturating_duration_since(last));
        let silence = silence
            .map_or_else(|| "no speech was detected".into(), |it| format!("{} of silence", length(it)));
        let behind = match self.turn.completeness_with(event) {
            Completeness::Finished => {
                format!("a finished sentence (turn.min_delay {})", length(self.settings.min_delay))
            }
            Completeness::Unfinished => {
                format!("an unfinished sentence (turn.max_delay {})", length(self.settings.max_delay))
            }
            Completeness::Unclear => {
                format!(
                    "words without a clear end ({}, as this person pauses)",
                    length(self.turn.learned_delay())
                )
            }
        };
        let missing = if self.has_final { "" } else { "; their last transcript did not come" };
        format!("{silence}, behind {behind}{missing}")
    }
}

// === impl Voice ===

impl Voice {
    pub(super) fn new(rules: &InterruptionRules) -> Self {
        let settings = interruption::Settings::from(rules);
        Self { interruption: Interruption::new(settings.clone()), settings, speech: None }
    }

    pub(super) fn play(
        &mut self,
        base: Instant,
        now: Instant,
        event: &InterruptionEvent,
        recorded: Option<InterruptionAction>,
    ) -> Played {
        if let InterruptionEvent::Turn(said) = event {
            return self.verdict(said, recorded);
        }
        let text = match event {
            InterruptionEvent::Words(said) => said.for_interruption(),
            _ => String::new(),
        };
        let (before, given) = (self.interruption.voice(), self.event(base, event, &text));
        let action = self.interruption.step(now, given).map(InterruptionAction::from);
        let note = action.map(|action| self.why(now, before, event, action));
        Played::new(Vec::from_iter(note), &recorded, &action)
    }

    fn event<'a>(
        &mut self,
        base: Instant,
        event: &InterruptionEvent,
        text: &'a str,
    ) -> interruption::Event<'a> {
        use interruption::{Event, Voice};
        match event {
            InterruptionEvent::VoiceSilent => Event::Voice(Voice::Silent),
            InterruptionEvent::VoiceComing => Event::Voice(Voice::Coming),
            InterruptionEvent::VoiceSounding => Event::Voice(Voice::Sounding),
            InterruptionEvent::SpeechStarted { speech_us } => {
                self.speech = Some(at(base, *speech_us));
                Event::SpeechStarted { at: at(base, *speech_us) }
            }
            InterruptionEvent::SpeechEnded { speech_us } => Event::SpeechEnded { at: at(base, *speech_us) },
            InterruptionEvent::Words(_) => Event::Words(text),
            InterruptionEvent::Nothing => Event::Nothing,
            InterruptionEvent::TurnEnded => Event::TurnEnded,
            InterruptionEvent::Tick | InterruptionEvent::Turn(_) => Event::Tick,
        }
    }

    fn verdict(&self, said: &Said, recorded: Option<InterruptionAction>) -> Played {
        let verdict = self.interruption.verdict(&said.for_interruption());
        let note = match verdict {
            interruption::Verdict::Interrupts if self.interruption.voice() == interruption::Voice::Silent => {
                None
            }
            interruption::Verdict::Interrupts => Some("the turn interrupts the reply"),
            interruption::Verdict::Waits => {
                Some("the turn waits for the end of the reply (interruption.enabled is false)")
            }
            interruption::Verdict::Backchannel => {
                Some("the turn only shows that the person listens (or has less than interruption.min_words)")
            }
        };
        Played::new(Vec::from_iter(note.map(str::to_owned)), &recorded, &Some(verdict.into()))
    }

    fn why(
        &self,
        now: Instant,
        before: interruption::Voice,
        event: &InterruptionEvent,
        action: InterruptionAction,
    ) -> String {
        let speech = self.speech.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let (is_pause, has_words) =
            (action == InterruptionAction::Pause, matches!(event, InterruptionEvent::Words(_)));
        match event {
            _ if is_pause && has_words => "the reply pauses: words were understood".into(),
            _ if is_pause && before != interruption::Voice::Sounding => {
                "the reply does not begin: a person speaks".into()
            }
            _ if is_pause => format!(
                "the reply pauses: {} of speech (interruption.min_duration {})",
                length(speech),
                length(self.settings.min_duration)
            ),
            InterruptionEvent::Nothing => "the reply goes on: the sound had no words".into(),
            InterruptionEvent::TurnEnded => "the reply goes on: the turn was no interruption".into(),
            _ => format!(
                "the reply goes on: no words came (interruption.resume_after {})",
                length(self.settings.resume_after)
            ),
        }
    }
}

fn words(said: &Said) -> String {
    match &said.text {
        Some(text) => format!("{text:?}"),
        None if said.words == 1 => "1 word".into(),
        None => format!("{} words", said.words),
    }
}
