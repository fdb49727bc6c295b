//! A token expires while its room is joined.

use std::time::{Duration, Instant};

use conversation::Secret;
use livekit_api::access_token::{AccessToken, VideoGrants};
use scripted_model::{Script, Step};
use voiced::room::{JoinOptions, Room, RoomEvent};

use crate::support::world::{PATIENCE, World};

/// A server accepts an expired token for this long, because clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// The server sends a fresh token with each join and every few minutes; the SDK has to reconnect with that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_its_token_has_expired_comes_back_with_the_servers_newer_one() {
    let world = World::start(Script::always(Step::echo())).await;
    let grants = VideoGrants { room_join: true, room: "expired".to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(world.livekit.api_key(), world.livekit.api_secret())
        .with_ttl(Duration::from_secs(1))
        .with_identity("ada")
        .with_grants(grants)
        .to_jwt()
        .unwrap();
    let url = world.credentials().url;
    let options = JoinOptions { url, token: Secret::new(token), max_text_bytes: 1 << 20 };
    let mut room = Room::join(options.clone(), &Default::default()).await.unwrap();
    tokio::time::sleep(LEEWAY + Duration::from_secs(5)).await;
    let refused = Room::join(options, &Default::default()).await.err().expect("the first token has expired");
    assert!(refused.to_string().contains("token"), "{refused}");

    world.livekit.restart().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event =
            tokio::time::timeout(deadline - Instant::now(), room.next()).await.expect("it comes back");
        match event {
            RoomEvent::Reconnected { rejoined } => break assert!(rejoined, "the server knows nobody"),
            RoomEvent::Lost(why) | RoomEvent::Closed(why) => panic!("{why}"),
            _ => {}
        }
    }
    room.leave().await;
}
