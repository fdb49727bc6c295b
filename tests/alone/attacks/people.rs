//! What hostile participants do to the agent in their room.

use std::time::{Duration, Instant};

use livekit_protocol::UserPacket;
use livekit_protocol::data_packet::Value;
use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::data_stream::{Header, TextHeader};

use crate::support::hostile::Mallory;
use crate::support::world::World;

#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Opens streams and never ends them.
    Opens,
    Chats,
    /// Sends chunks that grow a thousandfold.
    Bombs,
    /// Transcribes thousands of segments.
    Segments,
    /// Opens streams under the same ids again and again, with lengths that are not theirs.
    SameIds,
    /// Sends large packets on topics that are not for the agent.
    OtherTopics,
    JoinsAndLeaves,
}

impl Deed {
    /// Does it until then.
    pub(super) async fn until(self, world: &World, room: &str, end: Instant) {
        if matches!(self, Self::JoinsAndLeaves) {
            while Instant::now() < end {
                Mallory::join(world, room).await.leave().await;
            }
            return;
        }
        let mallory = match self {
            Self::Segments => Mallory::join_as_agent(world, room).await,
            _ => Mallory::join(world, room).await,
        };
        let mut number = 0;
        while Instant::now() < end {
            self.once(&mallory, number).await;
            number += 1;
        }
        mallory.leave().await;
    }

    async fn once(self, mallory: &Mallory, number: usize) {
        match self {
            Self::Opens => mallory.open(&format!("open {number}")).await,
            Self::Chats => mallory.chat(&format!("{number} {}", "x".repeat(2_000))).await,
            Self::Bombs => mallory.bomb(&format!("bomb {number}"), 15_000).await,
            Self::Segments => {
                mallory.transcribe("caller", 3_000).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Self::SameIds => same_ids(mallory, number as u64).await,
            Self::OtherTopics => mallory.send(other_topic()).await,
            Self::JoinsAndLeaves => {}
        }
    }
}

async fn same_ids(mallory: &Mallory, number: u64) {
    let total_length = [None, Some(1), Some(u64::MAX)][number as usize % 3];
    let content_header = Some(ContentHeader::TextHeader(TextHeader::default()));
    let (stream_id, topic) = ("one id".to_owned(), "lk.chat".to_owned());
    let header = Header { stream_id, topic, total_length, content_header, ..Default::default() };
    mallory.send(Value::StreamHeader(header)).await;
    mallory.chunk("one id", number % 5, &"x".repeat(1_000)).await;
    mallory.end("one id").await;
}

fn other_topic() -> Value {
    let (payload, topic) = (vec![b'x'; 14_900], Some("elsewhere".to_owned()));
    Value::User(UserPacket { payload, topic, ..Default::default() })
}
