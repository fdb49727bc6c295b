//! The segments that were opened, and their fates.

use std::collections::VecDeque;

use conversation::SegmentEnd;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use tokio::sync::oneshot;

use crate::room::transcript::{Opened, Progress, TranscriptWriter};
use crate::voice::SoundEnd;

/// How many of the latest segments can be cut, and corrected when the connection is lost. The room keeps no more
/// either.
const KEPT: usize = 4;

#[derive(Default)]
pub(super) struct Segments {
    latest: VecDeque<(u64, Progress)>,
    ends: FuturesUnordered<BoxFuture<'static, (u64, SegmentEnd)>>,
}

// === impl Segments ===

impl Segments {
    /// `sound` is told when the segment was spoken, which it is over only then.
    pub(super) fn opened(
        &mut self,
        segment: u64,
        opened: Opened,
        sound: Option<oneshot::Receiver<SoundEnd>>,
    ) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back((segment, opened.progress.clone()));
        self.ends.push(Box::pin(async move {
            let end = opened.ended().await;
            if let Some(sound) = sound {
                // A mouth that broke down leaves the text.
                let _ = sound.await;
            }
            (segment, end)
        }));
    }

    /// Stops a segment, of which so many bytes were heard if it was spoken, and returns its fate.
    pub(super) fn cut(
        &self,
        segment: u64,
        heard: Option<usize>,
        transcript: &TranscriptWriter,
    ) -> Option<SegmentEnd> {
        let (_, progress) = self.latest.iter().find(|(opened, _)| *opened == segment)?;
        Some(transcript.cut(progress, heard))
    }

    /// The next segment whose fate is known. None while none is under way.
    pub(super) async fn next(&mut self) -> Option<(u64, SegmentEnd)> {
        self.ends.next().await
    }

    /// The bytes of the latest segments that have surely left.
    pub(super) fn delivered(&self) -> Vec<(u64, usize)> {
        self.latest.iter().map(|(segment, progress)| (*segment, progress.delivered())).collect()
    }
}
