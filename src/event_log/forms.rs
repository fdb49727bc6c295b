//! The forms that the types of other layers have in an event log.

use std::time::Duration;

use conversation::{Failure, TurnOutcome};
use speech::{interruption, turn};

use super::line::{Fate, InterruptionAction, InterruptionRules, Outcome, TurnRules, TurnVerdict, Way, us};

// === impl TurnRules ===

impl From<&turn::Settings> for TurnRules {
    fn from(settings: &turn::Settings) -> Self {
        Self {
            min_delay_us: us(settings.min_delay),
            max_delay_us: us(settings.max_delay),
            learns: settings.learns,
            late_us: us(settings.late),
            without_final_us: us(settings.without_final),
            transcript_each: settings.transcript_each,
        }
    }
}

impl From<&TurnRules> for turn::Settings {
    fn from(rules: &TurnRules) -> Self {
        Self {
            min_delay: Duration::from_micros(rules.min_delay_us),
            max_delay: Duration::from_micros(rules.max_delay_us),
            learns: rules.learns,
            late: Duration::from_micros(rules.late_us),
            without_final: Duration::from_micros(rules.without_final_us),
            transcript_each: rules.transcript_each,
        }
    }
}

// === impl InterruptionRules ===

impl From<&interruption::Settings> for InterruptionRules {
    fn from(settings: &interruption::Settings) -> Self {
        Self {
            enabled: settings.enabled,
            min_duration_us: us(settings.min_duration),
            min_words: settings.min_words,
            resume_after_us: us(settings.resume_after),
            warm_up_us: us(settings.warm_up),
        }
    }
}

impl From<&InterruptionRules> for interruption::Settings {
    fn from(rules: &InterruptionRules) -> Self {
        Self {
            enabled: rules.enabled,
            min_duration: Duration::from_micros(rules.min_duration_us),
            min_words: rules.min_words,
            resume_after: Duration::from_micros(rules.resume_after_us),
            warm_up: Duration::from_micros(rules.warm_up_us),
        }
    }
}

// === impl TurnVerdict ===

impl From<&turn::Verdict> for TurnVerdict {
    fn from(verdict: &turn::Verdict) -> Self {
        let words = |ended: &turn::TurnEnded| ended.text.split_whitespace().count();
        match verdict {
            turn::Verdict::Ended(ended) => Self::Ended { words: words(ended) },
            turn::Verdict::Grown(ended) => Self::Grown { words: words(ended) },
        }
    }
}

// === impl InterruptionAction ===

impl From<interruption::Action> for InterruptionAction {
    fn from(action: interruption::Action) -> Self {
        match action {
            interruption::Action::Pause => Self::Pause,
            interruption::Action::Resume => Self::Resume,
        }
    }
}

impl From<interruption::Verdict> for InterruptionAction {
    fn from(verdict: interruption::Verdict) -> Self {
        match verdict {
            interruption::Verdict::Interrupts => Self::Interrupts,
            interruption::Verdict::Waits => Self::Waits,
            interruption::Verdict::Backchannel => Self::Backchannel,
        }
    }
}

// === impl Way ===

impl From<conversation::Way> for Way {
    fn from(way: conversation::Way) -> Self {
        match way {
            conversation::Way::Transcription => Self::Transcription,
            conversation::Way::Stream => Self::Stream,
            conversation::Way::Packet => Self::Packet,
        }
    }
}

impl From<Way> for conversation::Way {
    fn from(way: Way) -> Self {
        match way {
            Way::Transcription => Self::Transcription,
            Way::Stream => Self::Stream,
            Way::Packet => Self::Packet,
        }
    }
}

// === impl Outcome ===

impl From<&TurnOutcome> for Outcome {
    fn from(outcome: &TurnOutcome) -> Self {
        match outcome {
            TurnOutcome::Answered => Self::Answered,
            TurnOutcome::Interrupted => Self::Interrupted,
            TurnOutcome::Failed(failure) => Self::Failed(failure.class.clone()),
            TurnOutcome::Aborted(failure) => Self::Aborted(failure.class.clone()),
        }
    }
}

impl From<&Outcome> for TurnOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered => Self::Answered,
            Outcome::Interrupted => Self::Interrupted,
            Outcome::Failed(class) => Self::Failed(Failure::new(class, "")),
            Outcome::Aborted(class) => Self::Aborted(Failure::new(class, "")),
        }
    }
}

// === impl Fate ===

impl From<&conversation::Fate> for Fate {
    fn from(fate: &conversation::Fate) -> Self {
        match fate {
            conversation::Fate::Whole => Self::Whole,
            conversation::Fate::Cut => Self::Cut,
            conversation::Fate::Failed(_) => Self::Failed,
        }
    }
}

impl From<Fate> for conversation::Fate {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Whole => Self::Whole,
            Fate::Cut => Self::Cut,
            Fate::Failed => Self::Failed(String::new()),
        }
    }
}
