//! Short answers over a telephone, in five rooms at the same time.

use futures::future::join_all;

use crate::hearing::{hears, turns};
use crate::support::sounds::{SECOND, VOICES, at_level, between, telephone, told, voice_of};
use crate::support::voice::Person;
use crate::support::world::World;

/// How long the silence before an answer is: windows of the detector begin at other places in it.
const BEFORE: [usize; 5] = [4_000, 4_103, 4_206, 4_309, 4_412];
const STRETCHES: [f32; 5] = [0.6, 0.75, 0.9, 1.1, 1.3];
const BEHIND: usize = SECOND;

#[tokio::test(flavor = "multi_thread")]
async fn yes_and_no_over_a_telephone_are_turns_99_times_in_100() {
    answers_are_turns(&[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: the test above with twice the answers"]
async fn yes_and_no_over_a_telephone_are_turns_198_times_in_200() {
    answers_are_turns(&[0, 1]).await;
}

/// Each voice says yes or no at each speed, behind each silence; where `first` is 1 the others of both.
async fn answers_are_turns(first: &[usize]) {
    let (world, _worker) = hears("Yes.", &["turn.min_delay=200ms"]).await;
    let mut calls = Vec::new();
    for first in first {
        for before in BEFORE {
            let Some(answers) = answers(*first, before) else { return };
            calls.push(call(&world, format!("answers-{first}-{before}"), answers));
        }
    }
    let most = calls.len() * VOICES.len() * STRETCHES.len();
    let heard: Vec<usize> = join_all(calls).await;
    told(&format!("answers over a telephone that were turns, by room: {heard:?}"));
    assert!((most - most / 100..=most).contains(&heard.iter().sum()), "of {most}: {heard:?}");
}

/// Yes and no by turns, of each voice at each speed.
fn answers(first: usize, before: usize) -> Option<Vec<Vec<i16>>> {
    let kinds = VOICES.iter().flat_map(|voice| STRETCHES.map(|stretch| (voice, stretch)));
    let answer = |(number, (voice, stretch)): (usize, (&&str, f32))| {
        let spoken = voice_of(voice, ["yes", "no"][(number + first) % 2], stretch)?;
        Some(telephone(&at_level(&between(before, &spoken, BEHIND), -24.0)))
    };
    kinds.enumerate().map(answer).collect()
}

/// How many of the answers became turns.
async fn call(world: &World, room: String, answers: Vec<Vec<i16>>) -> usize {
    let ada = Person::join(world, &room).await;
    for answer in &answers {
        ada.say(answer).await;
    }
    ada.say(&vec![0; SECOND]).await;
    let heard = ada.look(turns).len();
    ada.leave().await;
    heard
}
