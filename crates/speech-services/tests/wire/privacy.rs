//! Neither keys nor what people say stand in what is printed.

use conversation::{Secret, Text};
use scripted_model::{Script, SpeechStep, Step};
use speech_services::hearing::{self, Transcriber};
use speech_services::speaking::{self, Event, OpenAi, Speaking, Voice};
use speech_services::{Quoting, Trouble};

use crate::{loud, server};

const TEXT: &str = "My name is Ada Lovelace.";

async fn refused_speech(words: &str, quoting: Quoting) -> (Trouble, String) {
    let step = SpeechStep::answered(Step::status(400).error("x", words));
    let (_server, mut service) = server(Script::default().speeches([step])).await;
    service.api_key = Some(Secret::new("sk-very-hidden"));
    service.quoting = quoting;
    let provider = OpenAi::new(&speaking::Settings::new(service, "ada")).unwrap();
    let mut utterance = provider.speak(&Text::from(TEXT), &Voice::default());
    let event = utterance.next().await.unwrap();
    let printed = format!("{provider:?} {utterance:?} {event:?} {:?}", utterance.report());
    match event {
        Event::Failed { trouble, .. } => (trouble, printed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_text_or_the_key_is_not_quoted() {
    for words in [
        "cannot speak 'My name is Ada Lovelace.'",
        "bad input: my NAME is ada love...",
        "key sk-very-hidden is unknown",
    ] {
        let (trouble, printed) = refused_speech(words, Quoting::default()).await;
        assert!(!trouble.failure.message.contains('('), "{trouble:?}");
        assert!(!printed.contains("hidden") && !printed.to_lowercase().contains("lovelace"), "{printed}");
    }
}

#[tokio::test]
async fn the_words_of_a_server_go_through_the_programs_rules() {
    let rules = Quoting::new(|line| Some(line.replace("555 0100", "[phone]")));
    let (trouble, _) = refused_speech("call 555 0100", rules).await;
    assert!(trouble.failure.message.contains("(call [phone])"), "{trouble:?}");
    let (trouble, _) = refused_speech("call 555 0100", Quoting::new(|_| None)).await;
    assert!(!trouble.failure.message.contains("call"), "{trouble:?}");
}

#[tokio::test]
async fn a_transcript_is_not_printed() {
    let (_server, mut service) = server(Script::default().transcriptions([Step::reply(TEXT)])).await;
    service.api_key = Some(Secret::new("sk-very-hidden"));
    let transcriber = Transcriber::new(&hearing::Settings::new(service)).unwrap();
    let transcript = transcriber.transcribe(&loud(300), 16_000, None).await.unwrap();
    let printed = format!("{transcriber:?} {transcript:?}");
    assert!(!printed.contains("hidden") && !printed.contains("Ada"), "{printed}");
}
