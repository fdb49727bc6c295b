//! Microphones that are missing, fall silent or change, and what they bring besides words.

use std::time::{Duration, Instant};

use crate::faults::spoken::{Call, UNDERSTOOD, no_answer_comes};
use crate::support::sounds::{SECOND, at_level, between, unspoken, voice_of, whisper};
use crate::support::voice::Person;

/// The agent's subscription to a new track is on its way.
const SUBSCRIBED: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_microphone() {
    let Some(mut call) = Call::begun(&[]).await else { return };
    call.ada.wait_for_agent().await;
    let asked = Instant::now();
    call.ada.write(UNDERSTOOD).await;
    call.is_answered().await;
    // The microphone comes later.
    call.ada.publish(1).await;
    tokio::time::sleep(SUBSCRIBED).await;
    call.finish("no-microphone", asked).await;
}

/// A person who speaks for so long, with pauses that end no turn, and is answered once.
async fn monologue(length: Duration) {
    let Some(mut call) = Call::set(&["turn.preemptive=false"]).await else { return };
    let (transcribed, asked) = (call.world.model.transcriptions().len(), call.world.model.requests().len());
    let sentence = &call.question[SECOND / 5..call.question.len() - SECOND / 5];
    let sentence = between(0, sentence, SECOND * 35 / 100);
    let began = Instant::now();
    while began.elapsed() < length {
        call.ada.say(&sentence).await;
    }
    let ended = Instant::now();
    call.is_answered().await;
    assert_eq!(call.world.model.requests().len(), asked + 1, "the person was interrupted");
    let sentences = call.world.model.transcriptions().len() - transcribed;
    let last = call.world.model.requests().pop().unwrap().body;
    let text = last["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    let understood = text.matches(UNDERSTOOD).count();
    println!("{sentences} requests, {understood} sentences of a turn");
    assert!(understood as u64 >= length.as_secs() / 4, "{understood} sentences: {text}");
    call.finish("monologue", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monologue_of_a_minute() {
    monologue(Duration::from_secs(66)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: takes ten minutes; the minute above has the same rules"]
async fn a_monologue_of_ten_minutes() {
    monologue(Duration::from_secs(600)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_is_muted_in_mid_word() {
    let Some(mut call) = Call::set(&[]).await else { return };
    let half = call.question.len() * 2 / 3;
    call.ada.say(&call.question[..half]).await;
    let muted = Instant::now();
    call.ada.mute(true);
    call.is_answered().await;
    call.ada.mute(false);
    tokio::time::sleep(SUBSCRIBED).await;
    call.finish("muted-mid-word", muted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_who_speaks() {
    let Some(mut call) = Call::set(&[]).await else { return };
    let mut ben = Person::enter(&call.world, "spoken", "ben").await;
    ben.publish(1).await;
    tokio::time::sleep(SUBSCRIBED).await;
    let before = call.world.model.transcriptions().len();
    let spoken = Instant::now();
    ben.say(&call.question).await;
    no_answer_comes().await;
    assert_eq!(call.world.model.transcriptions().len(), before, "the second person was heard");
    call.ask().await;
    ben.leave().await;
    call.finish("two-people", spoken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whisper_behind_a_voice() {
    // The detector misses parts of a whisper, as long as half a second.
    let Some(mut call) = Call::set(&["turn.min_delay=1500ms"]).await else { return };
    let Some(voice) = voice_of("slt", "could you please tell me when the next train leaves", 1.0) else {
        return;
    };
    let whisper = between(SECOND / 5, &at_level(&whisper(&voice), -40.0), SECOND);
    let whispered = Instant::now();
    call.ada.say(&whisper).await;
    call.is_answered().await;
    call.finish("whisper", whispered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn music_in_stereo() {
    let Some(mut call) = Call::begun(&[]).await else { return };
    call.ada.publish(2).await;
    call.ada.wait_for_agent().await;
    tokio::time::sleep(SUBSCRIBED).await;
    let played = Instant::now();
    for (name, music) in unspoken(8 * SECOND, -20.0).iter().filter(|(name, _)| name.contains("strings")) {
        call.ada.say(music).await;
        no_answer_comes().await;
        assert_eq!(call.world.model.requests().len(), 0, "{name} was a turn");
    }
    call.finish("stereo-music", played).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_comes_back_as_another_track() {
    let Some(mut call) = Call::set(&[]).await else { return };
    let gone = Instant::now();
    call.ada.unpublish().await;
    call.ada.publish(1).await;
    tokio::time::sleep(SUBSCRIBED).await;
    call.finish("track-republished", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_leaves_in_mid_word() {
    let Some(mut call) = Call::set(&[]).await else { return };
    let half = call.question.len() * 2 / 3;
    call.ada.say(&call.question[..half]).await;
    let gone = Instant::now();
    call.call_anew("next").await;
    call.finish("gone-mid-word", gone).await;
}
