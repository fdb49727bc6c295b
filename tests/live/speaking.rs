//! How replies are spoken, and their texts with them.

use std::time::Duration;

use scripted_model::{Script, Step};

use crate::support::voice::{Person, Seen, Written, spoken};
use crate::support::world::World;
use crate::voice::{LONG, QUESTION, TONE, borrowed, settings, world};

/// How much later or earlier a word may be read than heard: words of a tone have no syllables.
const STEP: Duration = Duration::from_millis(700);

/// A world in which ada asks for a story.
async fn story() -> World {
    let story = Script::new([Step::reply(LONG)]);
    world(story.transcriptions([Step::reply("Tell me a story.")])).await
}

fn replies(seen: &Seen) -> Vec<Written> {
    seen.texts.iter().filter(|text| text.sender != "ada").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_written_as_it_is_heard() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = story().await;
    let _worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "story").await;
    ada.say(&question).await;
    let sounds = ada.sounds(1).await;
    ada.wait_until("the story is written", |seen| !replies(seen).is_empty()).await;
    let [reply] = ada.look(replies).try_into().unwrap();
    assert_eq!((reply.text.as_str(), reply.is_final), (LONG, true));
    assert!(reply.track.starts_with("TR_"), "{reply:?}");
    assert!(reply.progress.len() >= LONG.split_whitespace().count() * 2 / 3, "{:?}", reply.progress);
    for (at, bytes) in &reply.progress {
        let read = at.saturating_duration_since(sounds[0].began);
        let heard = TONE * *bytes as u32;
        assert!(read <= heard + STEP && read + STEP >= heard, "{bytes} bytes were read after {read:?}");
    }
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_talk_come_as_transcription_packets_too() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = story().await;
    let _worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "packets").await;
    ada.say(&question).await;
    ada.wait_until("the story is told", |seen| {
        seen.packets.iter().any(|packet| packet.speaker != "ada" && packet.is_final)
    })
    .await;
    let (packets, texts) = ada.look(|seen| (seen.packets.clone(), seen.texts.clone()));
    let (hers, ours): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| packet.speaker == "ada");
    for (packets, sender_is_ada, whole) in [(&hers, true, "Tell me a story."), (&ours, false, LONG)] {
        let text = texts.iter().find(|text| (text.sender == "ada") == sender_is_ada).unwrap();
        for packet in packets {
            assert_eq!(
                (&packet.segment, &packet.track),
                (&text.segment, &text.track),
                "as the stream has it"
            );
            assert!(
                whole.starts_with(&packet.text) && packet.is_final == (packet == packets.last().unwrap())
            );
        }
        assert_eq!(packets.last().unwrap().text, whole);
    }
    assert!(ours.len() > 10 && ours.windows(2).all(|two| two[0].text.len() <= two[1].text.len()), "{ours:?}");
    assert_eq!(world.model.requests().len(), 1, "the agent answered its own packets");
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_was_written_as_far_as_it_was_heard() {
    let (Some(question), Some(stop)) = (spoken(QUESTION), spoken("stop that please and be quiet")) else {
        return;
    };
    let script = Script::new([Step::reply(LONG), Step::reply("As you like.")])
        .transcriptions([Step::reply("Tell me a story."), Step::reply("Stop that, please.")]);
    let world = world(script).await;
    let _worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "cut").await;
    ada.say(&question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ada.say(&stop).await;
    ada.wait_until("both are answered", |seen| replies(seen).len() == 2).await;
    let story = ada.look(replies).swap_remove(0);
    assert!(
        story.is_final && LONG.starts_with(&story.text) && story.text.len() < LONG.len() / 2,
        "{story:?}"
    );
    let asked = world.model.requests().pop().unwrap().body;
    let said = asked["messages"].as_array().unwrap().iter().rfind(|message| message["role"] == "assistant");
    let said = said.unwrap()["content"].as_str().unwrap();
    let (said, _) = said.split_once(" … [").expect("a mark of the interruption");
    assert_eq!(said.trim_end(), story.text.trim_end(), "the history and the transcript differ");
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_no_participant_hears_are_written_at_once_and_not_spoken() {
    let world = world(Script::default().otherwise(Step::reply(LONG))).await;
    let worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::read(&world, "reader").await;
    let ask = async |count: usize, within: Duration| {
        ada.write("Tell me a story.").await;
        let read = ada.wait_until("the story is written", |seen| replies(seen).len() == count);
        assert!(tokio::time::timeout(within, read).await.is_ok(), "not within {within:?}:\n{}", worker.log());
    };
    // The first reply waits for a participant who subscribes.
    ask(1, Duration::from_secs(8)).await;
    worker.wait_for_log("no participant has subscribed to the agent's voice");
    let speeches = world.model.speeches().len();
    ask(2, Duration::from_secs(3)).await;
    assert_eq!(world.model.speeches().len(), speeches, "speech was asked for that no participant hears");
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_sentence_is_asked_for_while_the_last_one_sounds() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = story().await;
    let _worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "ahead").await;
    ada.say(&question).await;
    let sounds = ada.sounds(1).await;
    let speeches = world.model.speeches();
    assert!(speeches.len() >= 3, "{speeches:?}");
    let mut until = sounds[0].began;
    for pair in speeches.windows(2) {
        until += TONE * pair[0].body["input"].as_str().unwrap().len() as u32;
        assert!(pair[1].came + Duration::from_millis(500) < until, "asked for when the last one was over");
    }
    let gap = sounds[0].gap();
    assert!(gap <= Duration::from_millis(10), "a gap of {gap:?} between sentences");
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greeting_is_spoken() {
    const GREETING: &str = "Good morning, how can I help?";
    let world = world(Script::default()).await;
    let mut settings = settings(&world);
    settings.push(format!("agent.greeting={GREETING}"));
    let _worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "greeting").await;
    let sounds = ada.sounds(1).await;
    let (length, whole) = (sounds[0].length(), TONE * GREETING.len() as u32);
    assert!(length + Duration::from_millis(300) > whole, "{length:?} of {whole:?} were heard");
    assert_eq!(ada.look(replies)[0].text, GREETING);
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_mid_reply_leaves_the_agent_with_a_voice() {
    let Some(question) = spoken(QUESTION) else { return };
    let long = LONG.repeat(3);
    let script = Script::new([Step::reply(&long)]).transcriptions([Step::reply("Tell me a story.")]);
    let world = world(script).await;
    let worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "rejoin").await;
    ada.say(&question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.livekit.stop();
    world.livekit.restart().unwrap();
    ada.wait_until("the story is whole", |seen| replies(seen).iter().any(|text| text.text == long)).await;
    ada.wait_until("the agent listens again", |seen| {
        seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    // The last of the sound is on its way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard: Duration = ada.look(|seen| seen.sounds.iter().map(|sound| sound.length()).sum());
    let whole = TONE * long.len() as u32;
    assert!(heard + Duration::from_secs(1) > whole, "{heard:?} of {whole:?} were heard:\n{}", worker.log());
    ada.leave().await;
}
