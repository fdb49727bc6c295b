//! A person whose loudspeaker is heard by their microphone, with a real recogniser and a real voice.

use std::time::Duration;

use scripted_model::{Script, Step};
use testbed::Speechd;

use crate::hearing::{replies, turns};
use crate::support::sounds::{SECOND, between, voice_of};
use crate::support::voice::{Person, borrowed, by_speechd};
use crate::support::world::World;

const ASKED: [&str; 2] = ["what time does the train leave", "is there another one"];
const ANSWERED: [&str; 2] = [
    "the train leaves at seven in the morning and the next one leaves at nine",
    "there is another train at noon but it stops in every village on the way",
];
/// Longer silence within a reply is a pause for an interruption.
const LONGEST_PAUSE: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_of_the_agent_is_no_turn_and_replies_are_heard_whole() {
    let questions = ASKED.map(|text| voice_of("rms", text, 1.0));
    let [Some(first), Some(second)] = questions else { return };
    let speechd =
        Speechd::for_sentences(&sentences()).unwrap().expect("flite is here, and so the server starts");
    let world = World::start(Script::new(ANSWERED.map(Step::reply))).await;
    let worker = world.worker(&borrowed(&by_speechd(&speechd, "slt")));
    let mut ada = Person::join(&world, "echo").await;
    ada.echo();
    for (number, question) in [first, second].into_iter().enumerate() {
        ada.say(&between(SECOND / 5, &question, SECOND / 5)).await;
        ada.sounds(number + 1).await;
        ada.wait_until("the reply is over", |seen| {
            replies(seen).len() > number && seen.states.last().is_some_and(|(_, state)| state == "listening")
        })
        .await;
    }
    // The answer to an echo would come now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let log = worker.log();
    assert_eq!(ada.look(turns), ASKED, "{log}");
    assert_eq!(ada.look(replies), ANSWERED, "{log}");
    assert_eq!(world.model.requests().len(), ASKED.len(), "{log}");
    let sounds = ada.look(|seen| seen.sounds.clone());
    assert_eq!(sounds.len(), ANSWERED.len(), "a reply came in parts: {log}");
    for sound in &sounds {
        println!("{:?} of speech, the longest pause {:?}", sound.length(), sound.gap());
        assert!(sound.gap() < LONGEST_PAUSE, "{:?}: {log}", sound.gap());
    }
    ada.leave().await;
}

/// What the recogniser knows: what is asked, and the parts of the answers as an echo brings them.
fn sentences() -> Vec<&'static str> {
    let halves = ANSWERED.iter().flat_map(|text| text.split(" and ").flat_map(|part| part.split(" but ")));
    ASKED.iter().chain(&ANSWERED).copied().chain(halves).collect()
}
