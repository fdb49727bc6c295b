//! The questions of a `check` command.

use scripted_model::{Script, SpeechStep, Step};
use speech_services::check::{self, Verdict};
use speech_services::{hearing, speaking};

use crate::{nowhere, server};

#[tokio::test]
async fn parts_that_answer_are_good_with_their_latency() {
    let (server, service) = server(Script::default().transcriptions([Step::reply("Ready.")])).await;
    let hearing = check::hearing(&hearing::Settings::new(service.clone())).await;
    let speaking = check::speaking(&speaking::Settings::new(service, "ada")).await;
    for finding in [&hearing, &speaking] {
        assert_eq!(finding.verdict, Verdict::Good, "{finding:?}");
        assert!(
            finding.latency.is_some() && finding.message.contains("scripted at http://127.0.0.1"),
            "{finding:?}"
        );
    }
    let word = &server.transcriptions()[0].body;
    assert!(word["rate"] == 16_000 && word["peak"].as_i64().unwrap() > 5_000, "{word}");
    assert_eq!(server.speeches()[0].body["input"], "Ready");
}

#[tokio::test]
async fn a_part_that_fails_is_asked_once_and_told_with_the_remedy() {
    let script = Script::default().transcriptions([Step::status(503)]);
    let (server, service) = server(script.speeches([SpeechStep::answered(Step::status(401))])).await;
    let hearing = check::hearing(&hearing::Settings::new(service.clone())).await;
    assert_eq!((hearing.verdict, hearing.class.as_deref()), (Verdict::Failed, Some("503")));
    assert_eq!(server.transcriptions().len(), 1);
    let speaking = check::speaking(&speaking::Settings::new(service, "ada")).await;
    assert!(speaking.message.ends_with("set api_key"), "{speaking:?}");
    let nowhere = check::hearing(&hearing::Settings::new(nowhere())).await;
    assert_eq!((nowhere.verdict, nowhere.class.as_deref()), (Verdict::Failed, Some("connect")));
}

#[tokio::test]
async fn a_word_that_is_not_heard_and_one_of_another_rate_are_warned_of() {
    let script = Script::default().transcriptions([Step::reply("")]);
    // Samples of 8 kHz, taken for 24 kHz: three times as fast.
    let (_server, service) = server(script.speeches([SpeechStep::default().rate(8_000)])).await;
    let hearing = check::hearing(&hearing::Settings::new(service.clone())).await;
    assert!(hearing.verdict == Verdict::Warned && hearing.message.contains("heard nothing"), "{hearing:?}");
    let speaking = check::speaking(&speaking::Settings::new(service, "ada")).await;
    assert!(speaking.verdict == Verdict::Warned && speaking.message.contains("too fast"), "{speaking:?}");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_as_such() {
    let mut service = nowhere();
    service.base_url = "ftp://host/v1".parse().unwrap();
    let finding = check::speaking(&speaking::Settings::new(service, "ada")).await;
    assert_eq!(finding.verdict, Verdict::Misconfigured);
}
