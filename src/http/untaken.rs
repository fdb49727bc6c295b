//! Answers that their clients have not taken: how many bytes of these the process holds.
//!
//! Without a bound, as many clients as there are connections could ask for the largest page there is and read none of
//! it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::seldom::Seldom;
use crate::metrics::Metrics;

/// The limit for all connections together.
const MAX_BYTES: usize = 16 << 20;
/// An answer goes out in pieces of this size, each a copy, so that the rest of it in a connection is no more than
/// this. An answer that is no longer needs no place.
const PIECE: usize = 16 << 10;

/// Cheap to clone; clones share the bound.
#[derive(Clone)]
struct Untaken {
    /// A permit for each piece.
    room: Arc<Semaphore>,
    refused: Arc<Mutex<Seldom>>,
    metrics: Metrics,
}

/// The router, with its long answers within the bound, or refused.
pub(super) fn bounded(router: Router, metrics: Metrics) -> Router {
    let room = Arc::new(Semaphore::new(MAX_BYTES / PIECE));
    let untaken = Untaken { room, refused: Arc::default(), metrics };
    router.layer(middleware::from_fn_with_state(untaken, held))
}

async fn held(State(untaken): State<Untaken>, request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    // The body is in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if bytes.len() <= PIECE {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let Some(permit) = untaken.take(bytes.len()) else { return untaken.refuse() };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Response::from_parts(parts, Body::from_stream(pieces(bytes, permit)))
}

/// The places are free again when the client has taken all but the last piece, or has gone.
fn pieces(bytes: Bytes, permit: OwnedSemaphorePermit) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((bytes, permit), |(mut bytes, permit)| async move {
        let piece = bytes.split_to(PIECE.min(bytes.len()));
        (!piece.is_empty()).then(|| (Ok(Bytes::copy_from_slice(&piece)), (bytes, permit)))
    })
}

// === impl Untaken ===

impl Untaken {
    /// An answer that is larger than the whole bound may go alone.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let pieces = bytes.min(MAX_BYTES).div_ceil(PIECE);
        self.room.clone().try_acquire_many_owned(u32::try_from(pieces).ok()?).ok()
    }

    fn refuse(&self) -> Response {
        self.metrics.instruments.http_refused.add(());
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).happened(Instant::now());
        if let Some(refused) = refused {
            warn!(
                refused,
                "answers of {} MiB wait for clients of the HTTP endpoints to read them: long ones were refused",
                MAX_BYTES >> 20
            );
        }
        let why = "too many long answers wait to be read; try again, or ask for less with limit\n";
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    fn untaken() -> Untaken {
        let room = Arc::new(Semaphore::new(MAX_BYTES / PIECE));
        Untaken { room, refused: Arc::default(), metrics: Metrics::default() }
    }

    #[test]
    fn what_is_held_is_bounded_and_free_again_when_it_is_dropped() {
        let untaken = untaken();
        let held: Vec<_> = (0..100).map_while(|_| untaken.take(2 << 20)).collect();
        assert_eq!(held.len(), 8);
        assert!(untaken.take(PIECE + 1).is_none());
        assert_eq!(untaken.refuse().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(untaken.metrics.text().contains("voiced_http_answers_refused_total 1\n"));
        drop(held);
        assert!(untaken.take(100 << 20).is_some(), "one that is larger than the bound may go alone");
    }

    #[tokio::test]
    async fn the_pieces_are_the_whole_answer_and_the_last_frees_its_places() {
        let untaken = untaken();
        let whole: Vec<u8> = (0..3 * PIECE + 7).map(|number| number as u8).collect();
        let permit = untaken.take(whole.len()).unwrap();
        let mut stream = Box::pin(pieces(whole.clone().into(), permit));
        let mut read = Vec::new();
        while let Some(Ok(piece)) = stream.next().await {
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, whole);
        assert_eq!(untaken.room.available_permits(), MAX_BYTES / PIECE);
    }
}
