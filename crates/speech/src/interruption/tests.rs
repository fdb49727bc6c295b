use super::*;

/// An agent's voice beside a person, driven by milliseconds.
struct Scene {
    start: Instant,
    interruption: Interruption,
}

impl Scene {
    fn new(settings: Settings) -> Self {
        Self { start: Instant::now(), interruption: Interruption::new(settings) }
    }

    /// A voice that sounds since long ago.
    fn sounding() -> Self {
        let mut scene = Self::new(Settings::default());
        scene.on(0, Event::Voice(Voice::Sounding));
        scene
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn on(&mut self, ms: u64, event: Event<'_>) -> Option<Action> {
        self.interruption.step(self.at(ms), event)
    }

    fn started(&mut self, ms: u64) -> Option<Action> {
        self.on(ms + 50, Event::SpeechStarted { at: self.at(ms) })
    }

    fn ended(&mut self, ms: u64) -> Option<Action> {
        self.on(ms + 250, Event::SpeechEnded { at: self.at(ms) })
    }

    fn deadline(&self) -> Option<u64> {
        self.interruption.deadline().map(|at| (at - self.start).as_millis() as u64)
    }
}

#[test]
fn sound_pauses_the_voice_once_it_has_lasted_long_enough() {
    let mut scene = Scene::sounding();
    assert_eq!(scene.started(10_000), None);
    assert_eq!(scene.deadline(), Some(10_500));
    assert_eq!(scene.on(10_499, Event::Tick), None);
    assert_eq!(scene.on(10_500, Event::Tick), Some(Action::Pause));
}

#[test]
fn a_shorter_sound_does_not_pause_it() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    assert_eq!(scene.ended(10_300), None);
    assert_eq!((scene.deadline(), scene.interruption.is_paused()), (None, false));
}

#[test]
fn sound_without_words_lets_it_go_on_at_the_transcript() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    scene.on(10_500, Event::Tick);
    assert_eq!(scene.ended(10_800), None);
    assert_eq!(scene.on(11_100, Event::Nothing), Some(Action::Resume));
    assert_eq!(scene.deadline(), None);
}

#[test]
fn without_a_transcript_it_goes_on_after_a_silence() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    scene.on(10_500, Event::Tick);
    scene.ended(10_800);
    assert_eq!(scene.deadline(), Some(12_800));
    assert_eq!(scene.on(12_799, Event::Tick), None);
    assert_eq!(scene.on(12_800, Event::Tick), Some(Action::Resume));
}

#[test]
fn words_pause_it_at_once_and_keep_it_silent() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    scene.ended(10_300);
    assert_eq!(scene.on(10_450, Event::Words("stop")), Some(Action::Pause));
    assert_eq!(scene.on(13_000, Event::Tick), None);
    assert_eq!(scene.on(13_100, Event::Nothing), None, "other sound had no words");
    assert_eq!(scene.interruption.verdict("stop"), Verdict::Interrupts);
    assert_eq!(scene.on(13_200, Event::TurnEnded), Some(Action::Resume));
}

#[test]
fn words_whose_turn_never_ends_do_not_keep_it_silent_for_ever() {
    let mut scene = Scene::sounding();
    scene.on(10_000, Event::Words("stop"));
    assert_eq!(scene.on(30_000, Event::Tick), Some(Action::Resume));
    scene.started(40_000);
    scene.on(40_500, Event::Words("stop"));
    scene.ended(41_000);
    assert_eq!(scene.on(61_000, Event::Tick), Some(Action::Resume));
}

#[test]
fn sounds_of_listening_neither_keep_it_silent_nor_are_a_turn() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    scene.on(10_500, Event::Tick);
    scene.ended(10_600);
    assert_eq!(scene.on(10_900, Event::Words("Uh-huh.")), None);
    assert_eq!(scene.interruption.verdict("Uh-huh."), Verdict::Backchannel);
    assert_eq!(scene.on(11_100, Event::TurnEnded), Some(Action::Resume));
    scene.on(20_000, Event::Voice(Voice::Silent));
    assert_eq!(scene.interruption.verdict("Okay."), Verdict::Interrupts, "an answer to what was said");
}

#[test]
fn too_few_words_do_not_interrupt() {
    let mut scene = Scene::new(Settings { min_words: 3, ..Settings::default() });
    scene.on(0, Event::Voice(Voice::Sounding));
    assert_eq!(scene.on(10_000, Event::Words("wait a")), None);
    assert_eq!(scene.interruption.verdict("wait a"), Verdict::Backchannel);
    assert_eq!(scene.on(10_000, Event::Words("wait a moment")), Some(Action::Pause));
}

#[test]
fn a_voice_that_has_not_begun_waits_for_the_person() {
    let mut scene = Scene::new(Settings::default());
    scene.started(1_000);
    assert_eq!(scene.on(1_200, Event::Voice(Voice::Coming)), Some(Action::Pause));
    scene.ended(1_400);
    assert_eq!(scene.on(1_700, Event::Nothing), Some(Action::Resume));
    assert_eq!(scene.started(2_000), Some(Action::Pause));
}

#[test]
fn at_first_only_words_pause_it() {
    let mut scene = Scene::new(Settings::default());
    scene.on(0, Event::Voice(Voice::Sounding));
    scene.started(500);
    assert_eq!(scene.deadline(), Some(3_000));
    scene.ended(1_500);
    assert_eq!(scene.on(1_800, Event::Words("wait")), Some(Action::Pause));
    // A later reply is none of the voice's first seconds.
    scene.on(5_000, Event::Voice(Voice::Silent));
    scene.on(6_000, Event::Voice(Voice::Sounding));
    scene.started(6_500);
    assert_eq!(scene.deadline(), Some(7_000));
}

#[test]
fn an_echo_pauses_it_once_and_not_again() {
    let mut scene = Scene::sounding();
    scene.started(10_000);
    assert_eq!(scene.on(10_500, Event::Tick), Some(Action::Pause));
    assert_eq!(scene.on(10_900, Event::Nothing), Some(Action::Resume));
    assert_eq!(scene.deadline(), None, "the echo goes on");
    scene.ended(15_000);
    assert_eq!(scene.deadline(), None);
}

#[test]
fn a_voice_that_must_not_be_interrupted_lets_turns_wait() {
    let mut scene = Scene::new(Settings { enabled: false, ..Settings::default() });
    scene.on(0, Event::Voice(Voice::Sounding));
    scene.started(10_000);
    assert_eq!((scene.deadline(), scene.on(11_000, Event::Words("stop"))), (None, None));
    assert_eq!(scene.interruption.verdict("stop"), Verdict::Waits);
}

#[test]
fn a_cut_voice_is_not_paused_any_more() {
    let mut scene = Scene::sounding();
    scene.on(10_000, Event::Words("stop"));
    scene.on(10_500, Event::Voice(Voice::Silent));
    assert!(!scene.interruption.is_paused());
    assert_eq!(scene.on(60_000, Event::Tick), None);
}
