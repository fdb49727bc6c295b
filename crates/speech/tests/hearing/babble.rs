//! Many voices behind the person, and the person's own low voice.

use speech::vad::Settings;

use crate::sound::{SECOND, at_level, mixed, pink, to_floats, to_integers, whispered};
use crate::steps::{Steps, segments};
use crate::voice::{self, SENTENCES, VOICES, between_silence, say};

/// Eight voices at a time, of which none is louder than the others.
fn babble(samples: usize, level: f32) -> Option<Vec<f32>> {
    let mut crowd = vec![0.0; samples];
    for (number, voice) in VOICES.iter().chain(&VOICES).enumerate() {
        let sentence = SENTENCES[(number * 3 + number / 4) % SENTENCES.len()];
        let other = SENTENCES[(number * 3 + number / 4 + 1) % SENTENCES.len()];
        let spoken = [say(voice, sentence)?, say(voice, other)?].concat();
        let spoken = at_level(to_floats(&spoken), -20.0);
        let turned = spoken.iter().cycle().skip(number * 7_919);
        crowd = mixed(crowd, &turned.take(samples).copied().collect::<Vec<_>>());
    }
    Some(at_level(crowd, level))
}

fn person(level: f32) -> Option<Vec<i16>> {
    let sentences = [say("slt", SENTENCES[0])?, vec![0; SECOND], say("slt", SENTENCES[1])?].concat();
    Some(voice::at_level(&between_silence(&sentences, SECOND, SECOND), level))
}

#[test]
fn babble_30_db_under_the_person_is_no_speech() {
    for level in [-12.0, -20.0, -28.0] {
        let (Some(person), Some(babble)) = (person(level), babble(20 * SECOND, level - 30.0)) else { return };
        let mut steps = Steps::new(Settings::default());
        assert_eq!(segments(&steps.hear(&person)).len(), 2);
        let told = steps.hear(&to_integers(&babble));
        assert!(told.is_empty(), "at {level} dB: {told:?}");
        assert_eq!(segments(&steps.hear(&person)).len(), 2, "and the person is heard again");
    }
}

#[test]
fn babble_at_42_db_below_full_scale_before_the_first_word_is_no_speech() {
    let (Some(person), Some(babble)) = (person(-20.0), babble(20 * SECOND, -42.0)) else { return };
    let mut steps = Steps::new(Settings::default());
    let told = steps.hear(&to_integers(&babble));
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(segments(&steps.hear(&person)).len(), 2);
}

#[test]
fn the_person_is_heard_through_babble_and_ends_in_it() {
    let (Some(person), Some(babble)) = (person(-20.0), babble(20 * SECOND, -50.0)) else { return };
    let mut steps = Steps::new(Settings::default());
    let sound = mixed(to_floats(&person), &babble);
    let told = steps.hear(&to_integers(&sound));
    assert_eq!(segments(&told).len(), 2, "{told:?}");
}

#[test]
fn a_yes_20_db_below_the_persons_voice_is_heard() {
    for voice in VOICES {
        let Some(spoken) = say(voice, SENTENCES[2]) else { return };
        let mut steps = Steps::new(Settings::default());
        let sentence = voice::at_level(&between_silence(&spoken, SECOND, SECOND), -20.0);
        assert_eq!(segments(&steps.hear(&sentence)).len(), 1);
        for word in ["yes", "no"] {
            let Some(yes) = say(voice, word) else { return };
            let told = steps.hear(&voice::at_level(&between_silence(&yes, SECOND, SECOND), -40.0));
            assert_eq!(segments(&told).len(), 1, "{word} of {voice}: {told:?}, {:?}", steps.vad.level());
        }
    }
}

#[test]
fn a_person_with_a_quiet_microphone_is_heard() {
    let Some(person) = person(-45.0) else { return };
    let mut steps = Steps::new(Settings::default());
    let told = steps.hear(&person);
    assert!(!segments(&told).is_empty(), "in two sentences: {:?}", steps.vad.level());
    assert_eq!(segments(&steps.hear(&person)).len(), 2, "and then at once");
}

#[test]
fn speech_10_db_above_noise_has_the_segments_of_clean_speech() {
    let Some(clean) = person(-20.0) else { return };
    let segments_of = |sound: &[i16]| segments(&Steps::new(Settings::default()).hear(sound));
    let expected = segments_of(&clean);
    let noise = at_level(pink(clean.len()), -30.0);
    let noisy = segments_of(&to_integers(&mixed(to_floats(&clean), &noise)));
    assert_eq!(noisy.len(), expected.len(), "{noisy:?}, clean {expected:?}");
    for ((from, to), (clean_from, clean_to)) in noisy.iter().zip(&expected) {
        assert!(from.abs_diff(*clean_from) < 200 && to.abs_diff(*clean_to) < 200, "{noisy:?}, {expected:?}");
    }
}

#[test]
fn a_whisper_20_db_below_the_persons_voice_is_heard() {
    let (mut heard, mut all) = (0, 0);
    for voice in VOICES {
        for sentence in SENTENCES {
            let Some(spoken) = say(voice, sentence) else { return };
            let mut steps = Steps::new(Settings::default());
            let loud = voice::at_level(&between_silence(&spoken, SECOND, SECOND), -20.0);
            assert!(!segments(&steps.hear(&loud)).is_empty());
            let whisper = at_level(whispered(&to_floats(&spoken)), -40.0);
            let told = steps.hear(&between_silence(&to_integers(&whisper), SECOND, SECOND));
            let spoken_for: u64 = segments(&told).iter().map(|(from, to)| to - from).sum();
            all += 1;
            heard += usize::from(spoken_for * 32 > spoken.len() as u64);
        }
    }
    println!("{heard} of {all} whispered sentences are heard for half their length or more");
    assert!(heard * 4 >= all * 3, "{heard} of {all}");
}
