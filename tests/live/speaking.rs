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
