use super::*;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A machine with times in milliseconds.
struct Machine {
    turn: Turn,
    start: Instant,
}

impl Machine {
    fn new() -> Self {
        Self { turn: Turn::new(Settings::default()), start: Instant::now() }
    }

    /// With a provider whose transcripts are of all speech before them.
    fn streaming() -> Self {
        let settings = Settings { transcript_each: false, ..Settings::default() };
        Self { turn: Turn::new(settings), ..Self::new() }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + ms(milliseconds)
    }

    fn step(&mut self, now: u64, event: Event<'_>) -> Option<Verdict> {
        let now = self.at(now);
        self.turn.step(now, event)
    }

    /// Speech whose end is told 250 ms later.
    fn speech(&mut self, from: u64, to: u64) -> Option<Verdict> {
        let (started, ended) = (self.at(from), self.at(to));
        assert_eq!(self.step(from + 64, Event::SpeechStarted { at: started }), None);
        self.step(to + 250, Event::SpeechEnded { at: ended })
    }

    fn deadline(&self) -> Option<u64> {
        Some(self.turn.deadline()?.duration_since(self.start).as_millis() as u64)
    }

    fn ended(&self, text: &str, last_speech: Option<u64>, final_at: Option<u64>) -> Option<Verdict> {
        Some(Verdict::Ended(self.turn_of(text, last_speech, final_at)))
    }

    fn turn_of(&self, text: &str, last_speech: Option<u64>, final_at: Option<u64>) -> TurnEnded {
        let at = |time: Option<u64>| time.map(|time| self.at(time));
        TurnEnded { text: text.to_owned(), last_speech: at(last_speech), final_at: at(final_at) }
    }
}

#[test]
fn a_finished_sentence_ends_its_turn_500_ms_after_the_last_speech() {
    let mut machine = Machine::new();
    assert_eq!(machine.speech(0, 1000), None);
    assert_eq!(machine.step(1300, Event::Final("I want tea.")), None);
    assert_eq!(machine.deadline(), Some(1500));
    assert_eq!(machine.step(1499, Event::Tick), None);
    assert_eq!(machine.step(1500, Event::Tick), machine.ended("I want tea.", Some(1000), Some(1300)));
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_delay_that_has_passed_ends_the_turn_at_the_transcript() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    assert_eq!(
        machine.step(2200, Event::Final("I want tea.")),
        machine.ended("I want tea.", Some(1000), Some(2200))
    );
}

#[test]
fn an_unfinished_sentence_waits_for_three_seconds() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    assert_eq!(machine.step(1300, Event::Final("My number is")), None);
    assert_eq!(machine.deadline(), Some(4000));
    assert_eq!(machine.speech(2000, 3000), None);
    assert_eq!(machine.step(3300, Event::Final("five five five one two three four five six seven.")), None);
    assert_eq!(machine.deadline(), Some(3500));
}

#[test]
fn speech_without_a_transcript_is_no_turn() {
    let mut machine = Machine::new();
    assert_eq!(machine.speech(0, 1000), None);
    assert_eq!(machine.step(9000, Event::Final("  ")), None);
    assert_eq!(machine.step(9000, Event::EndOfTurn), None);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_transcript_during_speech_waits_for_its_end() {
    let mut machine = Machine::streaming();
    let (zero, last) = (machine.at(0), machine.at(2000));
    machine.step(64, Event::SpeechStarted { at: zero });
    assert_eq!(machine.step(1500, Event::Final("First sentence.")), None);
    assert_eq!(machine.deadline(), None);
    assert_eq!(machine.step(2250, Event::SpeechEnded { at: last }), None);
    assert_eq!(machine.deadline(), Some(2500));
}

#[test]
fn new_speech_takes_the_deadline_away_and_the_texts_are_one_turn() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(1300, Event::Final("I want tea."));
    assert_eq!(machine.speech(1400, 2000), None);
    assert_eq!(machine.step(2300, Event::Final("With milk.")), None);
    assert_eq!(
        machine.step(2500, Event::Tick),
        machine.ended("I want tea. With milk.", Some(2000), Some(2300))
    );
}

#[test]
fn a_final_after_the_turn_makes_it_longer() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(1300, Event::Final("I want tea."));
    assert!(machine.step(1500, Event::Tick).is_some());
    let grown = machine.step(1900, Event::Final("With milk."));
    let expected = machine.turn_of("I want tea. With milk.", Some(1000), Some(1900));
    assert_eq!(grown, Some(Verdict::Grown(expected)));
    assert_eq!(machine.deadline(), None, "it does not begin a turn besides");
}

#[test]
fn a_final_after_new_speech_or_after_5_s_is_a_turn_of_its_own() {
    for spoken in [true, false] {
        let mut machine = Machine::new();
        machine.speech(0, 1000);
        machine.step(1300, Event::Final("I want tea."));
        machine.step(1500, Event::Tick);
        if spoken {
            machine.speech(2000, 2500);
        }
        let at = if spoken { 3100 } else { 6600 };
        let verdict =
            machine.step(at, Event::Final("Please.")).or_else(|| machine.step(at + 500, Event::Tick));
        assert!(matches!(verdict, Some(Verdict::Ended(turn)) if turn.text == "Please."), "spoken: {spoken}");
    }
}

#[test]
fn a_transcript_without_speech_is_a_turn() {
    let mut machine = Machine::new();
    assert_eq!(machine.step(1000, Event::Final("Yes.")), None);
    assert_eq!(machine.step(1500, Event::Tick), machine.ended("Yes.", None, Some(1000)));
}

#[test]
fn the_providers_end_of_turn_is_the_verdict_before_or_behind_its_text() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    assert_eq!(machine.step(1260, Event::EndOfTurn), None);
    assert_eq!(
        machine.step(1270, Event::Final("my number is")),
        machine.ended("my number is", Some(1000), Some(1270))
    );
    machine.speech(5000, 6000);
    machine.step(6260, Event::Final("my name is"));
    assert_eq!(machine.step(6270, Event::EndOfTurn), machine.ended("my name is", Some(6000), Some(6260)));
}

#[test]
fn a_verdict_without_text_does_not_end_the_next_turn_early() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    assert_eq!(machine.step(1260, Event::EndOfTurn), None);
    let started = machine.at(5000);
    machine.step(5064, Event::SpeechStarted { at: started });
    assert_eq!(machine.step(5500, Event::Final("I want tea.")), None);
}

#[test]
fn partial_text_without_a_final_ends_two_seconds_later() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(900, Event::Partial("I want"));
    machine.step(1100, Event::Partial("I want tea."));
    assert_eq!(machine.deadline(), Some(3500));
    assert_eq!(machine.step(3500, Event::Tick), machine.ended("I want tea.", Some(1000), None));
    let grown = machine.step(3900, Event::Final("I want green tea."));
    let expected = machine.turn_of("I want green tea.", Some(1000), Some(3900));
    assert_eq!(grown, Some(Verdict::Grown(expected)), "the final takes the place of the partial text");
}

#[test]
fn a_partial_behind_a_final_waits_for_its_own() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(1200, Event::Final("I want tea."));
    machine.step(1250, Event::Partial("With"));
    assert_eq!(machine.step(1500, Event::Tick), None);
    assert_eq!(
        machine.step(1700, Event::Final("With milk.")),
        machine.ended("I want tea. With milk.", Some(1000), Some(1700))
    );
}

#[test]
fn text_without_an_end_waits_as_long_as_this_person_pauses() {
    let mut machine = Machine::new();
    assert_eq!(machine.turn.learned_delay(), ms(500));
    let mut now = 0;
    for _ in 0..20 {
        machine.speech(now, now + 1000);
        machine.step(now + 1300, Event::Final("and so on and"));
        now += 2000;
    }
    machine.speech(now, now + 1000);
    let learned = machine.turn.learned_delay();
    assert!((ms(1000)..ms(1400)).contains(&learned), "{learned:?}");
    machine.step(now + 1300, Event::Final("to the left"));
    assert_eq!(machine.deadline(), Some(now + 1000 + learned.as_millis() as u64));
}

#[test]
fn speech_right_behind_a_turn_is_a_pause_to_learn_from() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(1300, Event::Final("to the left"));
    assert!(machine.step(1500, Event::Tick).is_some());
    machine.speech(2500, 3000);
    assert!(machine.turn.learned_delay() > ms(600), "{:?}", machine.turn.learned_delay());
}

#[test]
fn the_text_of_a_turn_is_bounded() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    let zero = machine.at(1100);
    machine.step(1100, Event::SpeechStarted { at: zero });
    (0..2_000).for_each(|_| _ = machine.step(1200, Event::Final(&"word ".repeat(20))));
    assert!(machine.turn.text().len() <= LONGEST);
}

#[test]
fn a_monologue_that_a_recogniser_cuts_is_one_turn_with_its_last_words() {
    let mut machine = Machine::new();
    assert_eq!(machine.step(64, Event::SpeechStarted { at: machine.at(0) }), None);
    for minute in 1..=9 {
        assert_eq!(machine.step(minute * 60_000, Event::Final("and so it went on.")), None);
    }
    let last = 600_000;
    assert_eq!(machine.step(last + 250, Event::SpeechEnded { at: machine.at(last) }), None);
    assert_eq!(machine.step(last + 700, Event::Tick), None, "the last words are under way");
    let Some(Verdict::Ended(turn)) = machine.step(last + 900, Event::Final("That was all.")) else {
        panic!("no turn");
    };
    assert_eq!(turn.text, format!("{}That was all.", "and so it went on. ".repeat(9)));
}

#[test]
fn words_whose_transcript_is_under_way_hold_the_turn_up() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.step(1300, Event::Final("please call the doctor."));
    machine.speech(1400, 2000);
    assert_eq!(machine.step(2600, Event::Tick), None, "the rest is being transcribed");
    let ended = machine.step(3000, Event::Final("tomorrow morning."));
    let Some(Verdict::Ended(ended)) = ended else { panic!("{ended:?}") };
    assert_eq!(ended.text, "please call the doctor. tomorrow morning.");
}

#[test]
fn sound_without_words_and_words_that_never_come_end_their_turn() {
    for (event, ended) in [(Event::Nothing, 2600), (Event::Tick, 7500)] {
        let mut machine = Machine::new();
        machine.speech(0, 1000);
        machine.step(1300, Event::Final("please call the doctor."));
        machine.speech(1400, 2000);
        assert_eq!(machine.step(ended - 1, Event::Tick), None);
        assert!(machine.step(ended, event).is_some(), "{event:?}");
    }
}

#[test]
fn a_transcript_that_is_late_is_not_taken_for_that_of_later_words() {
    let mut machine = Machine::new();
    machine.speech(0, 1000);
    machine.speech(1300, 2000);
    machine.step(2300, Event::Final("play some music."));
    assert_eq!(machine.step(3000, Event::Tick), None, "the second half is being transcribed");
    let ended = machine.step(3100, Event::Final("from the seventies."));
    let Some(Verdict::Ended(ended)) = ended else { panic!("{ended:?}") };
    assert_eq!(ended.text, "play some music. from the seventies.");
}
