//! One turn of a spoken call: when the agent has finished answering, and how long everything took. Pure: the caller passes
//! the time.

use std::time::{Duration, Instant};

/// An agent that listens, is silent and writes nothing for so long has finished.
const SETTLED: Duration = Duration::from_millis(500);

/// What happens in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A part of the person's sound was played.
    Speaking,
    /// The end of the person's speech was.
    SpeechEnded,
    /// All of the person's sound was played.
    Played,
    /// A final transcript of the person's words.
    Transcribed,
    /// A text has begun to come: a reply or a transcript.
    TextBegan,
    /// A word of a reply.
    Word,
    /// A text is whole, or was given up.
    TextEnded,
    /// 10 ms of the agent's sound.
    Sound { is_audible: bool },
    /// The agent announced its state.
    State { listens: bool },
}

/// How long everything took, from the end of the person's speech. None: it did not happen, or before that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub transcript: Option<Duration>,
    pub first_word: Option<Duration>,
    pub first_sound: Option<Duration>,
    /// To the last word or sound.
    pub whole: Option<Duration>,
}

pub(super) struct Exchange {
    /// None: the person says nothing, or has not ended.
    speech_ended: Option<Instant>,
    is_played: bool,
    listens: bool,
    /// The texts that are coming.
    open: usize,
    transcript: Option<Instant>,
    first_word: Option<Instant>,
    first_sound: Option<Instant>,
    /// The last word or sound of the agent.
    last: Option<Instant>,
    /// The last event that was no silence.
    changed: Instant,
}

// === impl Exchange ===

impl Exchange {
    /// A turn in which the person is about to speak. So many texts are coming already.
    pub(super) fn spoken(now: Instant, listens: bool, open: usize) -> Self {
        Self {
            speech_ended: None,
            is_played: false,
            listens,
            open,
            transcript: None,
            first_word: None,
            first_sound: None,
            last: None,
            changed: now,
        }
    }

    /// A turn in which only the agent speaks.
    pub(super) fn greeting(now: Instant, listens: bool, open: usize) -> Self {
        Self { is_played: true, ..Self::spoken(now, listens, open) }
    }

    pub(super) fn step(&mut self, now: Instant, event: Event) {
        match event {
            Event::Speaking => {}
            Event::SpeechEnded => self.begin(now),
            Event::Played => self.is_played = true,
            Event::Transcribed => self.transcript = Some(now),
            Event::TextBegan => self.open += 1,
            Event::Word => {
                self.first_word.get_or_insert(now);
                self.last = Some(now);
            }
            Event::TextEnded => self.open = self.open.saturating_sub(1),
            Event::Sound { is_audible: false } => return,
            Event::Sound { is_audible: true } => {
                self.first_sound.get_or_insert(now);
                self.last = Some(now);
            }
            Event::State { listens } => self.listens = listens,
        }
        self.changed = now;
    }

    /// What the agent wrote or said before belongs to an earlier turn.
    fn begin(&mut self, now: Instant) {
        self.speech_ended = Some(now);
        (self.transcript, self.first_word, self.first_sound, self.last) = (None, None, None, None);
    }

    /// Whether the agent has answered, and has no more to say.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_quiet = self.is_played && self.listens && self.open == 0 && self.last.is_some();
        is_quiet && now >= self.settled()
    }

    /// When the turn may be over, if nothing else happens.
    pub(super) fn settled(&self) -> Instant {
        self.changed + SETTLED
    }

    /// Since when nothing has happened.
    pub(super) fn changed(&self) -> Instant {
        self.changed
    }

    pub(super) fn times(&self) -> Times {
        let Some(ended) = self.speech_ended else { return Times::default() };
        let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(ended));
        Times {
            transcript: since(self.transcript),
            first_word: since(self.first_word),
            first_sound: since(self.first_sound),
            whole: since(self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SOUND: Event = Event::Sound { is_audible: true };
    const SILENCE: Event = Event::Sound { is_audible: false };
    const LISTENS: Event = Event::State { listens: true };
    const SPEAKS: Event = Event::State { listens: false };

    /// A turn with these events, each at its milliseconds.
    fn after(events: &[(u32, Event)]) -> (Exchange, Instant) {
        let start = Instant::now();
        let mut exchange = Exchange::spoken(start, true, 0);
        events.iter().for_each(|(at, event)| exchange.step(start + MS * *at, *event));
        (exchange, start)
    }

    const ANSWERED: [(u32, Event); 9] = [
        (1000, Event::SpeechEnded),
        (1200, Event::Played),
        (1400, Event::Transcribed),
        (1450, SPEAKS),
        (1600, Event::TextBegan),
        (1610, Event::Word),
        (1900, SOUND),
        (2000, Event::TextEnded),
        (3000, LISTENS),
    ];

    #[test]
    fn times_count_from_the_end_of_speech() {
        let (exchange, _) = after(&ANSWERED);
        let times = exchange.times();
        assert_eq!(times.transcript, Some(400 * MS));
        assert_eq!((times.first_word, times.first_sound), (Some(610 * MS), Some(900 * MS)));
        assert_eq!(times.whole, Some(900 * MS));
    }

    #[test]
    fn an_agent_that_listens_and_is_silent_has_finished() {
        let (mut exchange, start) = after(&ANSWERED);
        assert!(!exchange.is_over(start + 3499 * MS) && exchange.is_over(start + 3500 * MS));
        exchange.step(start + 3400 * MS, SOUND);
        exchange.step(start + 3500 * MS, SILENCE);
        assert!(!exchange.is_over(start + 3899 * MS) && exchange.is_over(start + 3900 * MS));
    }

    #[test]
    fn an_agent_that_has_said_nothing_has_not_finished() {
        let (exchange, start) =
            after(&[(0, Event::SpeechEnded), (9, Event::Played), (300, Event::Transcribed)]);
        assert!(!exchange.is_over(start + 60_000 * MS));
        assert_eq!((exchange.times().first_word, exchange.times().whole), (None, None));
    }

    #[test]
    fn a_reply_that_is_written_or_thought_of_is_awaited() {
        for (upto, more) in [(8, None), (9, Some(Event::TextBegan)), (9, Some(SPEAKS))] {
            let (mut exchange, start) = after(&ANSWERED[..upto]);
            more.into_iter().for_each(|event| exchange.step(start + 3100 * MS, event));
            assert!(!exchange.is_over(start + 60_000 * MS), "{upto} {more:?}");
        }
    }

    #[test]
    fn what_was_said_while_the_person_spoke_is_no_answer() {
        let early = [(200, Event::Word), (300, SOUND), (1000, Event::SpeechEnded), (1200, Event::Played)];
        let (exchange, start) = after(&early);
        assert!(!exchange.is_over(start + 60_000 * MS));
        assert_eq!(exchange.times(), Times::default());
    }

    #[test]
    fn a_greeting_is_over_when_it_was_said() {
        let start = Instant::now();
        let mut greeting = Exchange::greeting(start, true, 0);
        assert!(!greeting.is_over(start + 5000 * MS));
        for event in [Event::TextBegan, Event::Word, Event::TextEnded] {
            greeting.step(start + 100 * MS, event);
        }
        assert!(greeting.is_over(start + 600 * MS));
    }
}
