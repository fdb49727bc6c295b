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
