//! Sound that is no speech, in eight rooms at the same time.

use futures::future::join_all;

use crate::hearing::{hears, turns};
use crate::support::sounds::{SECOND, at_level, babble, between, unspoken, voice_of};
use crate::support::voice::Person;
use crate::support::world::World;

const LENGTH: usize = 20 * SECOND;
/// What a recogniser makes of noise, and of the person here.
const UNDERSTOOD: &str = "Thank you.";

#[tokio::test(flavor = "multi_thread")]
async fn twenty_seconds_of_noise_music_or_babble_are_no_turn() {
    let Some(question) = voice_of("rms", "what will the weather be tomorrow", 1.0) else { return };
    let Some(crowd) = babble(LENGTH, -50.0) else { return };
    let question = at_level(&between(SECOND, &question, SECOND), -20.0);
    let (world, worker) = hears(UNDERSTOOD, &[]).await;
    let sounds = unspoken(LENGTH, -24.0).map(|(name, sound)| (name, 1, [sound, question.clone()].concat()));
    // Babble is told from the person by the distance to their level.
    let babble = ("babble", 2, [question.clone(), crowd, question].concat());
    let calls = sounds.iter().chain([&babble]).map(|(name, expected, sound)| {
        let world = &world;
        async move { (*name, *expected, call(world, name, *expected, sound).await) }
    });
    let heard = join_all(calls).await;
    let expected: usize = heard.iter().map(|(_, expected, _)| expected).sum();
    for (name, expected, turns) in &heard {
        // Where the machine stalls within the question it is two utterances, and each is understood so.
        let is_question = |turn: &String| turn.split_inclusive(". ").all(|part| part.trim() == UNDERSTOOD);
        let is_right = turns.len() == *expected && turns.iter().all(is_question);
        assert!(is_right, "{name}: {heard:?}\n{}", worker.log());
    }
    assert_eq!(world.model.requests().len(), expected, "{heard:?}");
}

/// What became turns of the sound, with the person's question at its end.
async fn call(world: &World, room: &str, expected: usize, sound: &[i16]) -> Vec<String> {
    let ada = Person::join(world, room).await;
    ada.say(sound).await;
    ada.wait_until(&format!("{room} ends with a turn"), |seen| turns(seen).len() >= expected).await;
    let turns = ada.look(turns);
    ada.leave().await;
    turns
}
