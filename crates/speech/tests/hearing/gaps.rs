//! When events are told, and frames that do not come.

use std::time::Duration;

use speech::vad::{Event, Settings};

use crate::sound::SECOND;
use crate::steps::{FRAME, Steps, segments};
use crate::voice::{SENTENCES, between_silence, read, say};

/// "Yes, a table for two.", of which speech is from 230 to 1750 ms.
fn phrase() -> Vec<i16> {
    read(include_bytes!("../data/phrase.wav")).1
}

#[test]
fn a_phrase_is_one_segment_with_its_first_and_last_moments() {
    let told = Steps::new(Settings::default()).hear(&between_silence(&phrase(), 0, SECOND));
    let [(from, to)] = segments(&told)[..] else { panic!("{told:?}") };
    assert!((200..=290).contains(&from) && (1700..=1860).contains(&to), "{told:?}");
}

#[test]
fn the_start_is_told_after_50_ms_of_speech_and_the_end_after_250_of_silence() {
    let told = Steps::new(Settings::default()).hear(&between_silence(&phrase(), 0, SECOND));
    let start = told.iter().find(|told| told.what == "started").unwrap();
    assert!((64..=84).contains(&(start.told - start.at)), "{start:?}");
    let end = told.iter().find(|told| told.what == "ended").unwrap();
    assert!((256..=276).contains(&(end.told - end.at)), "{end:?}");
}

#[test]
fn a_pause_is_told_within_84_ms_and_carries_the_last_moment_of_speech() {
    let phrase = phrase();
    let sound = [&phrase[..], &vec![0; SECOND / 100], &phrase, &vec![0; SECOND]].concat();
    let told = Steps::new(Settings::default()).hear(&sound);
    let pauses: Vec<_> = told.iter().filter(|told| told.what == "paused").collect();
    assert!(!pauses.is_empty());
    assert!(pauses.iter().all(|told| (64..=84).contains(&(told.told - told.at))), "{told:?}");
    let end = told.iter().rfind(|told| told.what == "ended").unwrap();
    assert_eq!(end.at, pauses.last().unwrap().at);
}

#[test]
fn a_short_pause_resumes_the_speech_and_a_long_one_ends_it() {
    let word = phrase()[4_000..8_000].to_vec();
    let names = |silence: usize| {
        let sound = [&vec![0; SECOND], &word[..], &vec![0; silence], &word, &vec![0; SECOND]].concat();
        let told = Steps::new(Settings::default()).hear(&sound);
        told.iter().map(|told| told.what).collect::<Vec<_>>()
    };
    assert_eq!(names(SECOND / 10), ["started", "paused", "resumed", "paused", "ended"]);
    assert_eq!(names(SECOND / 2), ["started", "paused", "ended", "started", "paused", "ended"]);
}

#[test]
fn speech_ends_when_the_person_is_muted_in_a_word() {
    let mut steps = Steps::new(Settings::default());
    let told = steps.hear(&phrase()[..SECOND]);
    assert_eq!(segments(&told), []);
    assert!(steps.vad.is_speaking());
    let muted = steps.now;
    let deadline = steps.vad.deadline().unwrap();
    assert_eq!(deadline, muted + Duration::from_millis(400));
    assert_eq!(steps.vad.tick(deadline - Duration::from_millis(1)), None);
    let Some(Event::SpeechEnded { at }) = steps.vad.tick(deadline) else { panic!("it goes on") };
    assert!(muted - at < Duration::from_millis(70));
    assert!(steps.vad.deadline().is_none() && !steps.vad.is_speaking());
    assert_eq!(steps.vad.tick(deadline + Duration::from_secs(1)), None, "it ends once");
}

#[test]
fn a_frame_after_a_gap_ends_the_speech_before_it_and_begins_anew() {
    let mut steps = Steps::new(Settings::default());
    steps.hear(&phrase()[..SECOND]);
    let before = steps.now.duration_since(steps.start).as_millis() as u64;
    steps.now += Duration::from_secs(3);
    let told = steps.hear(&between_silence(&phrase(), 0, SECOND));
    assert_eq!(told[0].what, "ended");
    assert!(told[0].at <= before);
    assert_eq!(segments(&told[1..]).len(), 1, "{told:?}");
}

#[test]
fn frames_of_any_length_have_the_same_events() {
    let sound = between_silence(&phrase(), 0, SECOND);
    let events = |length: usize| {
        let mut steps = Steps::new(Settings::default());
        let mut told = Vec::new();
        for frame in sound.chunks(length) {
            steps.now += Duration::from_secs_f64(frame.len() as f64 / SECOND as f64);
            let events = steps.vad.step(steps.now, frame);
            told.extend(events.into_iter().map(|event| (steps.told(event).what, steps.told(event).at)));
        }
        told
    };
    // Times are rounded down to a millisecond.
    let near = |(a, b): (&(&str, u64), &(&str, u64))| a.0 == b.0 && a.1.abs_diff(b.1) <= 1;
    for length in [1, 160, 512, 960, 7_000] {
        let (got, expected) = (events(length), events(FRAME));
        assert!(
            got.len() == expected.len() && got.iter().zip(&expected).all(near),
            "{length}: {got:?} {expected:?}"
        );
    }
}

#[test]
fn the_prefix_begins_half_a_second_before_the_speech() {
    let sound = between_silence(&phrase(), SECOND, 0);
    let mut steps = Steps::new(Settings::default());
    for (number, frame) in sound.chunks(FRAME).enumerate() {
        steps.now += Duration::from_millis(20);
        let Some(Event::SpeechStarted { at }) = steps.vad.step(steps.now, frame).pop() else { continue };
        let began = (at.duration_since(steps.start).as_secs_f64() * SECOND as f64).round() as usize;
        let (first, second) = steps.vad.prefix();
        assert_eq!([first, second].concat(), sound[began - SECOND / 2..(number + 1) * FRAME]);
        return;
    }
    panic!("no speech");
}

#[test]
fn sentences_of_all_voices_are_segments_without_a_gap_of_a_second() {
    for (voice, sentence) in crate::voice::VOICES.iter().zip(SENTENCES) {
        let Some(spoken) = say(voice, sentence) else { return };
        let told = Steps::new(Settings::default()).hear(&between_silence(&spoken, SECOND, SECOND));
        let segments = segments(&told);
        let heard: u64 = segments.iter().map(|(from, to)| to - from).sum();
        assert!(heard * 16 > spoken.len() as u64 * 6 / 10, "{voice}: {segments:?} of {}", spoken.len() / 16);
    }
}

/// Also when the microphone is opened in the middle of its first sound.
#[test]
fn short_words_that_begin_hard_are_heard() {
    for (voice, word) in
        crate::voice::VOICES.iter().flat_map(|voice| ["oh", "eight", "bye", "done"].map(|word| (voice, word)))
    {
        let Some(spoken) = say(voice, word) else { return };
        let first = spoken.iter().position(|sample| sample.abs() > 600).unwrap();
        for cut in [0, first] {
            let told = Steps::new(Settings::default()).hear(&between_silence(&spoken[cut..], SECOND, SECOND));
            assert_eq!(segments(&told).len(), 1, "{word} of {voice} from sample {cut}");
        }
    }
}
