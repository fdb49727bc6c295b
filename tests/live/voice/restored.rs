//! A voice that goes on: after the worker was killed, while it drains, and when the connection to the room comes back.

use std::time::Duration;

use scripted_model::{Script, Step};

use super::{LONG, QUESTION, REPLY, TONE, borrowed, settings, story, world};
use crate::support::livekit_door::Door;
use crate::support::voice::{Seen, Sound, spoken};
use crate::support::world::{PATIENCE, World};

const NOTICE: &str = "I am back, please go on.";
/// What is lost or added where two networks and a jitter buffer change hands.
const BLURRED: Duration = Duration::from_millis(400);

/// A world in which a question is answered by a story, and the next one as usual.
async fn world_of_stories() -> World {
    let transcripts = [Step::reply("Tell me a story."), Step::reply("What will the weather be tomorrow?")];
    world(Script::new([Step::reply(LONG)]).transcriptions(transcripts)).await
}

/// All sound so far.
fn heard(seen: &Seen) -> Duration {
    seen.sounds.iter().map(Sound::length).sum()
}

fn is_written(seen: &Seen, text: &str) -> bool {
    seen.texts.iter().any(|written| written.sender != "ada" && written.text == text)
}

fn length(text: &str) -> Duration {
    TONE * text.len() as u32
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_killed_in_mid_reply_comes_back_and_speaks() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = world_of_stories().await;
    let notice = format!("agent.resume_notice={NOTICE}");
    let settings: Vec<String> = settings(&world).into_iter().chain([notice]).collect();
    let mut killed = world.worker(&borrowed(&settings));
    let ada = story(&world, "killed", &question).await;
    killed.process.kill();
    let before = ada.look(heard);
    assert!(before < length(LONG), "the story was over");
    let next = world.spawn_worker(&borrowed(&settings));
    ada.wait_until("the notice is heard", |seen| {
        is_written(seen, NOTICE) && heard(seen) + BLURRED > before + length(NOTICE)
    })
    .await;
    // The subscription to the microphone is on its way.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = ada.look(heard);
    ada.say(&question).await;
    ada.wait_until("the answer is heard", |seen| {
        is_written(seen, REPLY) && heard(seen) + BLURRED > before + length(REPLY)
    })
    .await;
    ada.leave().await;
    let outcomes: Vec<String> = world
        .traces(2)
        .iter()
        .map(|trace| format!("{:?}", trace.root.attributes.get("error.type")))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.contains("aborted")).count(), 1, "{outcomes:?}");
    assert_eq!(next.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_spoken_to_its_end_before_a_worker_that_is_told_to_end_does() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = world_of_stories().await;
    let mut worker = world.worker(&borrowed(&settings(&world)));
    let ada = story(&world, "drained", &question).await;
    worker.process.terminate().unwrap();
    ada.wait_until("the story is over", |seen| {
        is_written(seen, LONG) && seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    let heard = ada.look(heard);
    assert!(heard + BLURRED > length(LONG), "{heard:?} of {:?} were heard", length(LONG));
    ada.leave().await;
    let ended = worker.process.wait(PATIENCE).unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", worker.log());
    let traces = world.traces(1);
    assert!(!traces[0].root.attributes.contains_key("lk.interrupted"), "{:?}", traces[0].root.attributes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_on_where_it_was_when_the_connection_to_the_room_is_back() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = world_of_stories().await;
    let server: url::Url = world.livekit.url().parse().unwrap();
    let door = Door::to(server.port().unwrap()).await;
    let mut command = world.voiced();
    command.env("LIVEKIT_URL", door.url());
    let worker = world.worker_of(command, &borrowed(&settings(&world)));
    let ada = story(&world, "reconnected", &question).await;
    door.shut();
    worker.wait_for_log("the connection to the room is lost");
    tokio::time::sleep(Duration::from_secs(1)).await;
    door.open();
    worker.wait_for_log("the connection to the room is back");
    ada.wait_until("the story is over", |seen| {
        is_written(seen, LONG) && seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    let heard = ada.look(heard);
    let whole = length(LONG);
    assert!(heard + BLURRED > whole && heard < whole + BLURRED, "{heard:?} of {whole:?} were heard");
    let before = ada.look(|seen| seen.sounds.len());
    ada.say(&question).await;
    ada.wait_until("the next answer is heard", |seen| is_written(seen, REPLY) && seen.sounds.len() > before)
        .await;
    ada.leave().await;
    assert_eq!(world.traces(2).len(), 2);
    assert_eq!(worker.drain(), Some(0));
}
