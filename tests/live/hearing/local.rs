//! Thirty turns with a real recogniser and a real voice, in three rooms at the same time.

use futures::future::join_all;
use scripted_model::{Script, Step};
use testbed::Speechd;

use crate::hearing::{replies, turns};
use crate::support::sounds::{SECOND, between, voice_of};
use crate::support::voice::{Person, borrowed, by_speechd};
use crate::support::world::World;

/// What is said, in halves, between which a person may pause.
const PHRASES: [[&str; 2]; 10] = [
    ["please call the doctor", "tomorrow morning at seven"],
    ["the children are playing", "in the garden behind the house"],
    ["my brother bought", "a small house near the river"],
    ["we would like a table", "for four people tonight"],
    ["turn off the lights", "in the kitchen"],
    ["what time does the train", "leave for the city"],
    ["open the window", "and close the door"],
    ["tell me a story", "about a brave little dog"],
    ["how much money", "is in my account"],
    ["play some music", "from the seventies"],
];
const REPLY: &str = "all right";
/// In samples: 220 ms.
const PAUSE: usize = SECOND * 22 / 100;

#[tokio::test(flavor = "multi_thread")]
async fn each_of_thirty_phrases_is_answered_once_also_with_a_pause_in_it() {
    let Some(phrases) = phrases() else { return };
    let speechd =
        Speechd::for_sentences(&sentences()).unwrap().expect("flite is here, and so the server starts");
    let world = World::start(Script::default().otherwise(Step::reply(REPLY))).await;
    let worker = world.worker(&borrowed(&by_speechd(&speechd, "rms")));
    let rooms = ["one", "two", "three"].into_iter().enumerate();
    let calls = rooms.map(|(number, room)| call(&world, room, turned(&phrases, number * 3)));
    for (room, expected, turns, replies) in join_all(calls).await {
        assert_eq!(turns, expected, "{room}:\n{}", worker.log());
        assert_eq!(replies, [REPLY; PHRASES.len()], "{room}");
    }
}

/// The phrases and their halves.
fn sentences() -> Vec<String> {
    let whole = PHRASES.iter().map(|halves| halves.join(" "));
    let halves = PHRASES.iter().flatten().map(|half| (*half).to_owned());
    whole.chain(halves).collect()
}

/// Each phrase with its sound, every second one with a pause in it.
fn phrases() -> Option<Vec<(String, Vec<i16>)>> {
    let voice = |text: &str| voice_of("rms", text, 1.0);
    let phrase = |(number, halves): (usize, &[&str; 2])| {
        let text = halves.join(" ");
        let sound = if number % 2 == 0 {
            voice(&text)?
        } else {
            [voice(halves[0])?, vec![0; PAUSE], voice(halves[1])?].concat()
        };
        Some((text, between(SECOND / 5, &sound, SECOND / 5)))
    };
    PHRASES.iter().enumerate().map(phrase).collect()
}

/// The phrases from another one on.
fn turned(phrases: &[(String, Vec<i16>)], first: usize) -> Vec<(String, Vec<i16>)> {
    phrases.iter().cycle().skip(first).take(phrases.len()).cloned().collect()
}

/// Says each phrase once the answer to the one before was heard. The room, what was said, the turns, and the replies.
async fn call<'a>(
    world: &World,
    room: &'a str,
    phrases: Vec<(String, Vec<i16>)>,
) -> (&'a str, Vec<String>, Vec<String>, Vec<String>) {
    let ada = Person::join(world, room).await;
    for (number, (_, sound)) in phrases.iter().enumerate() {
        ada.say(sound).await;
        ada.wait_until("the phrase is answered", |seen| {
            let state = seen.states.last().is_some_and(|(_, state)| state == "listening");
            state && seen.sounds.len() > number && replies(seen).len() > number
        })
        .await;
    }
    // A second answer would come now.
    ada.say(&vec![0; SECOND]).await;
    let said = phrases.into_iter().map(|(text, _)| text).collect();
    let heard = (room, said, ada.look(turns), ada.look(replies));
    ada.leave().await;
    heard
}
