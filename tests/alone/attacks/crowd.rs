//! Thousands of participants in the room of one agent, by signalling alone.

use futures::StreamExt;
use futures::stream;
use tokio::task::JoinSet;
use voiced::room::token;

use crate::support::world::World;

/// How many join at the same time.
const AT_ONCE: usize = 32;

/// Participants without media, who stay while this value lives.
pub(super) struct Crowd(#[allow(dead_code, reason = "holds the tasks that read")] JoinSet<()>);

impl Crowd {
    pub(super) async fn join(world: &World, room: &str, size: usize) -> Self {
        let urls: Vec<String> = (0..size).map(|number| url(world, room, number)).collect();
        let joining = urls.into_iter().map(|url| async move {
            let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
            // The server's first message is the answer to the join.
            socket.next().await.unwrap().unwrap();
            socket
        });
        let mut joined = stream::iter(joining).buffer_unordered(AT_ONCE);
        let mut readers = JoinSet::new();
        while let Some(mut socket) = joined.next().await {
            readers.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        }
        Self(readers)
    }

    /// How many the server still has.
    pub(super) fn size(&mut self) -> usize {
        while self.0.try_join_next().is_some() {}
        self.0.len()
    }
}

fn url(world: &World, room: &str, number: usize) -> String {
    let credentials = world.credentials();
    let identity = format!("participant {number}");
    let token = token::caller(&credentials, room, &identity, None).unwrap();
    let server = world.livekit.url().trim_end_matches('/');
    format!("{server}/rtc?access_token={}&protocol=15&auto_subscribe=0&sdk=js&version=2.0.0", token.expose())
}
