//! What people say while the agent speaks, and what it does not understand.

use std::time::Duration;

use scripted_model::{Script, Step};

use super::{LONG, QUESTION, TONE, borrowed, impatient, settings, story, world};
use crate::support::voice::{Person, spoken};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_shows_that_they_listen_interrupts_nothing() {
    let (Some(question), Some(hm)) = (spoken(QUESTION), spoken("okay")) else { return };
    let script = Script::new([Step::reply(LONG)])
        .transcriptions([Step::reply("Tell me a story."), Step::reply("Okay.")]);
    let world = world(script).await;
    let _worker = world.worker(&borrowed(&impatient(&world)));
    let ada = story(&world, "okay", &question).await;
    ada.say(&hm).await;
    ada.wait_until("the agent listens again", |seen| {
        seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    assert_eq!((world.model.transcriptions().len(), world.model.requests().len()), (2, 1));
    ada.leave().await;
    let traces = world.traces(1);
    assert!(!traces[0].root.attributes.contains_key("lk.interrupted"), "{:?}", traces[0].root.attributes);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_interruption_is_off_a_turn_waits_for_the_end_of_the_reply() {
    let (Some(question), Some(interjection)) = (spoken(QUESTION), spoken("stop that please")) else { return };
    let script = Script::new([Step::reply(LONG), Step::reply("As you like.")])
        .transcriptions([Step::reply("Tell me a story."), Step::reply("Stop that, please.")]);
    let world = world(script).await;
    let mut settings = settings(&world);
    settings.push("interruption.enabled=false".to_owned());
    let _worker = world.worker(&borrowed(&settings));
    let ada = story(&world, "patience", &question).await;
    ada.say(&interjection).await;
    ada.wait_until("both are answered", |seen| {
        seen.texts.iter().any(|text| text.sender != "ada" && text.text == "As you like.")
    })
    .await;
    let sounds = ada.look(|seen| seen.sounds.clone());
    let whole = TONE * LONG.len() as u32;
    let heard: Duration = sounds.iter().map(|sound| sound.length()).sum();
    assert!(heard + Duration::from_millis(500) > whole, "{heard:?} of {whole:?} were heard");
    ada.leave().await;
    world.traces(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_not_understood_hears_so_and_is_understood_again() {
    let Some(question) = spoken(QUESTION) else { return };
    let script = Script::default()
        .transcriptions([Step::status(401), Step::reply("What will the weather be tomorrow?")]);
    let world = world(script.otherwise(Step::reply("It will rain."))).await;
    let mut settings = settings(&world);
    settings.push("stt.max_attempts=1".to_owned());
    let worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "mumble").await;
    ada.say(&question).await;
    ada.sounds(1).await;
    worker.wait_for_log("what a person said could not be transcribed");
    assert!(world.model.requests().is_empty(), "the model was asked");
    ada.say(&question).await;
    ada.sounds(2).await;
    let written: Vec<String> = ada.look(|seen| {
        seen.texts.iter().filter(|text| text.sender != "ada").map(|text| text.text.clone()).collect()
    });
    assert_eq!(written.len(), 2, "{written:?}");
    ada.leave().await;
    let traces = world.traces(2);
    let failed = traces.iter().find(|trace| trace.root.attributes.contains_key("error.type")).unwrap();
    assert_eq!(failed.root.attributes["error.type"], "401");
    let spans = world.collector.spans().unwrap();
    let request = |span: &&testbed::Span| span.name == "stt_request" && span.trace_id == failed.root.trace_id;
    assert_eq!(spans.iter().filter(request).count(), 1);
}
