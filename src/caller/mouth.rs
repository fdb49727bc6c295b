//! The caller's microphone: recordings in, sound in the room out.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::room::audio::{Loudspeaker, SPOKEN_RATE};

/// Samples of 10 ms.
const FRAME: usize = SPOKEN_RATE as usize / 100;
/// Recordings that wait to be played.
const WAITING: usize = 4;
/// Frames that were played and not looked at: a second.
const NEWS: usize = 100;

/// Plays one recording after the other, at the pace of their sound. It ends when this is dropped.
pub(super) struct Mouth {
    waiting: mpsc::Sender<Arc<[i16]>>,
    news: mpsc::Receiver<News>,
    playing: JoinHandle<()>,
}

/// What became of the microphone and the recordings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The agent has subscribed to the microphone.
    Heard,
    /// It has not yet. Told every few seconds.
    Unheard,
    /// These samples sound from now on.
    Frame(Vec<i16>),
    /// A recording has been played.
    Played,
    /// The room takes no sound, for this reason.
    Failed(String),
}

// === impl Mouth ===

impl Mouth {
    /// Publishes the microphone, and waits for its listener.
    pub(super) fn open(loudspeaker: Loudspeaker) -> Self {
        let (waiting, recordings) = mpsc::channel(WAITING);
        let (told, news) = mpsc::channel(NEWS);
        let playing = tokio::spawn(async move {
            if let Err(why) = play(loudspeaker, recordings, &told).await {
                let _ = told.send(News::Failed(why)).await;
            }
        });
        Self { waiting, news, playing }
    }

    /// Plays a recording behind those that wait.
    pub(super) async fn say(&self, samples: Arc<[i16]>) {
        // A mouth that has ended has told why.
        let _ = self.waiting.send(samples).await;
    }

    /// Safe to drop and call again. Pending for ever once the mouth has ended.
    pub(super) async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

async fn play(
    loudspeaker: Loudspeaker,
    mut recordings: mpsc::Receiver<Arc<[i16]>>,
    told: &mpsc::Sender<News>,
) -> Result<(), String> {
    loudspeaker.publish().await.map_err(|error| error.to_string())?;
    while !loudspeaker.is_heard().await {
        let _ = told.send(News::Unheard).await;
    }
    let _ = told.send(News::Heard).await;
    while let Some(samples) = recordings.recv().await {
        for frame in samples.chunks(FRAME) {
            let mut frame = frame.to_vec();
            frame.resize(FRAME, 0);
            let _ = told.send(News::Frame(frame.clone())).await;
            loudspeaker.play(&frame).await.map_err(|error| error.to_string())?;
        }
        let _ = told.send(News::Played).await;
    }
    Ok(())
}
