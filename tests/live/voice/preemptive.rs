//! The model is asked before a spoken turn is known to have ended.

use std::time::Duration;

use scripted_model::{Script, Step};

use super::{QUESTION, REPLY, borrowed, settings, world};
use crate::support::voice::{Person, RATE, spoken};

/// A long wait for the end of a turn, so that what happens before it can be told from what happens after it.
const DELAY: Duration = Duration::from_secs(2);

fn silence(length: Duration) -> Vec<i16> {
    vec![0; (length.as_secs_f64() * f64::from(RATE)) as usize]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_asked_at_the_first_silence() {
    let Some(question) = spoken(QUESTION) else { return };
    let world =
        world(Script::default().transcriptions([Step::reply("What will the weather be tomorrow?")])).await;
    let mut settings = settings(&world);
    settings.push("turn.min_delay=2s".to_owned());
    let _worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "early").await;
    let said = ada.say(&question).await;
    let sounds = ada.sounds(1).await;
    let asked = world.model.requests();
    assert_eq!(asked.len(), 1, "the early call is the turn's");
    assert!(asked[0].came < said + DELAY / 2, "asked {:?} behind the speech", asked[0].came - said);
    assert!(sounds[0].began > said + DELAY / 2, "spoken before the turn had ended");
    ada.leave().await;
    let traces = world.traces(1);
    let root = &traces[0].root;
    assert_eq!(root.attributes["livekit.question"], "What will the weather be tomorrow?");
    assert_eq!(root.attributes["livekit.turn_index"], 0);
    assert!(!root.attributes.contains_key("livekit.discarded_input_tokens"), "{:?}", root.attributes);
    let spans = world.collector.spans().unwrap();
    let request = spans.iter().find(|span| span.name == "llm_request").unwrap();
    assert_eq!(request.trace_id, root.trace_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_goes_on_gets_one_answer_to_all_of_it() {
    let (Some(question), Some(rest)) = (spoken(QUESTION), spoken("and on sunday")) else { return };
    let script = Script::new([Step::reply("It is too early to say."), Step::reply(REPLY)])
        .transcriptions([Step::reply("What will the weather be tomorrow?"), Step::reply("And on Sunday?")]);
    let world = world(script).await;
    let mut settings = settings(&world);
    settings.push("turn.min_delay=2s".to_owned());
    let _worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "goes-on").await;
    ada.say(&question).await;
    ada.say(&silence(DELAY / 2)).await;
    ada.say(&rest).await;
    ada.sounds(1).await;
    let asked = world.model.requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let last =
        |index: usize| asked[index].body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    assert_eq!(last(0), "What will the weather be tomorrow?");
    assert_eq!(last(1), "What will the weather be tomorrow? And on Sunday?");
    let replies = ada.look(|seen| seen.texts.iter().filter(|text| text.sender != "ada").count());
    assert_eq!(replies, 1, "the early reply was written");
    ada.leave().await;
    let traces = world.traces(1);
    let root = &traces[0].root;
    assert!(root.attributes["livekit.discarded_input_tokens"].as_i64().unwrap() > 0, "{:?}", root.attributes);
    let spans = world.collector.spans().unwrap();
    let requests = spans.iter().filter(|span| span.name == "llm_request" && span.trace_id == root.trace_id);
    assert_eq!(requests.count(), 2, "both calls stand in the turn's trace");
}
