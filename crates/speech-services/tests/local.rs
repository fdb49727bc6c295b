//! Real speech over real sockets: flite speaks, pocketsphinx listens, both behind `tools/speechd`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use conversation::Text;
use speech_services::hearing::{Batch, Hearing, Mark, Settings, Transcriber};
use speech_services::speaking::{self, OpenAi, Speaking, Voice};
use speech_services::{Service, check, hearing};
use testbed::Speechd;

const SENTENCES: [&str; 3] =
    ["good morning how are you today", "please open the window", "what is the time in london"];

fn speechd() -> Option<Speechd> {
    started(None)
}

fn started(grammar: Option<&Path>) -> Option<Speechd> {
    let speechd = Speechd::start(grammar).unwrap();
    if speechd.is_none() {
        let reason = "SKIPPED: flite is missing, which speaks (`cargo xtask setup`, or apt install flite)\n";
        std::io::stderr().write_all(reason.as_bytes()).unwrap();
    }
    speechd
}

fn service(speechd: &Speechd) -> Service {
    // A busy machine takes seconds for what takes a tenth of one.
    Service { timeout: Duration::from_secs(60), ..Service::new(speechd.base_url().parse().unwrap(), "flite") }
}

/// A sentence as samples, and their rate.
async fn said(mouth: &OpenAi, sentence: &str) -> (Vec<i16>, u32) {
    let mut utterance = mouth.speak(&Text::from(sentence), &Voice::default());
    let (mut samples, mut rate) = (Vec::new(), 0);
    loop {
        match utterance.next().await.unwrap() {
            speaking::Event::Audio(sound) => {
                samples.extend(sound.samples);
                rate = sound.rate;
            }
            speaking::Event::Done { .. } => return (samples, rate),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_spoken_is_understood() {
    let Some(speechd) = speechd() else { return };
    let mouth = OpenAi::new(&speaking::Settings::new(service(&speechd), "slt")).unwrap();
    let ear = Transcriber::new(&Settings::new(service(&speechd))).unwrap();
    for sentence in SENTENCES {
        let (samples, rate) = said(&mouth, sentence).await;
        assert_eq!(rate, 24_000);
        let heard = ear.transcribe(&samples, rate, None).await.unwrap();
        assert_eq!(heard.text.expose(), sentence);
    }
    let silence = ear.transcribe(&[0; 16_000], 16_000, None).await.unwrap();
    assert!(silence.is_nothing());
}

#[tokio::test]
async fn a_session_hears_sentences_in_a_stream() {
    let Some(speechd) = speechd() else { return };
    let mouth = OpenAi::new(&speaking::Settings::new(service(&speechd), "slt")).unwrap();
    let batch = Batch::new(Transcriber::new(&Settings::new(service(&speechd))).unwrap());
    let (mut sink, mut events) = batch.open(24_000, None).await.unwrap();
    let mut texts = Vec::new();
    for sentence in SENTENCES {
        let (samples, _) = said(&mouth, sentence).await;
        assert!(sink.mark(Mark::Began));
        assert!(samples.chunks(480).all(|frame| sink.audio(frame)));
        assert!(sink.mark(Mark::Paused) && sink.audio(&[0; 4800]) && sink.mark(Mark::Ended));
        loop {
            match events.next().await.unwrap() {
                hearing::Event::Final(said) => break texts.push(said.text.expose().to_owned()),
                hearing::Event::Failed(trouble) => panic!("{trouble:?}"),
                _ => {}
            }
        }
    }
    assert_eq!(texts, SENTENCES);
}

#[tokio::test]
async fn with_a_grammar_only_its_sentences_are_heard() {
    let directory = tempfile::tempdir().unwrap();
    let grammar = directory.path().join("sentences.gram");
    let sentences =
        "#JSGF V1.0;\ngrammar sentences;\npublic <sentence> = close the door | open the window;\n";
    std::fs::write(&grammar, sentences).unwrap();
    let Some(speechd) = started(Some(&grammar)) else { return };
    let mouth = OpenAi::new(&speaking::Settings::new(service(&speechd), "rms")).unwrap();
    let ear = Transcriber::new(&Settings::new(service(&speechd))).unwrap();
    for (sentence, possible) in [
        ("close the door", &["close the door"][..]),
        ("good morning how are you today", &["", "close the door", "open the window"]),
    ] {
        let (samples, rate) = said(&mouth, sentence).await;
        let heard = ear.transcribe(&samples, rate, None).await.unwrap();
        assert!(possible.contains(&heard.text.expose()), "{sentence}: {}", heard.text.expose());
    }
}

#[tokio::test]
async fn both_parts_pass_their_check() {
    let Some(speechd) = speechd() else { return };
    let hearing = check::hearing(&Settings::new(service(&speechd))).await;
    let speaking = check::speaking(&speaking::Settings::new(service(&speechd), "slt")).await;
    assert_eq!([hearing.verdict, speaking.verdict], [check::Verdict::Good; 2], "{hearing:?} {speaking:?}");
}
