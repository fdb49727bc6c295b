//! The record of sessions over HTTP: the questions, asked on threads that may block.
//!
//! | path | answer |
//! |---|---|
//! | `/sessions`, `/sessions/{id}` | pages for people, see [`pages`](super::pages) |
//! | `/api/sessions` | sessions and their totals: `since`, `until`, `room`, `status`, `limit`, `cursor` |
//! | `/api/sessions/{id}` | one session and its turns in order: `limit`, `cursor` |

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::Semaphore;
use turn_store::{Direction, FoundTurns, Place, ReadError, Reader, Session, Turns, When, json};

use super::query::{Query, QueryError};
use crate::config::{self, TraceUrl};

/// How many questions are answered at the same time, so that no number of browsers takes all the disk's time.
const READERS: usize = 4;
/// How long the search for one answer may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
const PAGE: usize = 50;
/// The most bytes of the texts of a page's turns; `next` leads to the others.
pub(super) const MAX_PAGE_BYTES: usize = 1 << 20;

/// The endpoints' view of the record. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    reader: Result<Reader, ReadError>,
    pub(super) trace_url: Option<Arc<TraceUrl>>,
    permits: Arc<Semaphore>,
}

/// The reason why a question has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The question makes no sense.
    Asked(QueryError),
    Record(ReadError),
    /// Too many clients ask at once, or the thread broke down.
    Busy,
}

// === impl Sessions ===

impl Sessions {
    pub fn new(store: &config::Store, http: &config::Http) -> Self {
        Self {
            reader: Reader::of(&store.settings()).map(|reader| reader.within(LONGEST)),
            trace_url: http.trace_url.clone().map(Arc::new),
            permits: Arc::new(Semaphore::new(READERS)),
        }
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let reader = self.reader.clone()?;
        let permit = tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(Trouble::Busy)?;
        let answer = tokio::task::spawn_blocking(move || {
            // The thread, which goes on when the client has gone, holds the permit.
            let _permit = permit;
            question(&reader)
        });
        Ok(answer.await.map_err(|_| Trouble::Busy)??)
    }

    /// A session and the turns of it that are wanted.
    pub(super) async fn session(&self, id: String, wanted: Turns) -> Result<(Session, FoundTurns), Trouble> {
        self.ask(move |record| {
            let session = record.session(&id)?;
            let turns = record.turns(&session.id, &wanted)?;
            Ok((session, turns))
        })
        .await
    }
}

pub(super) async fn list(
    State(sessions): State<Sessions>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let query = Query::parse(query.as_deref().unwrap_or_default(), When::now(), PAGE);
    let query = query.map_err(Trouble::Asked)?;
    let found =
        sessions.ask(move |record| record.sessions(&query.filter, query.cursor.as_ref(), query.limit));
    Ok(Json(json::found(&found.await?)).into_response())
}

pub(super) async fn show(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let query = Query::of_turns(query.as_deref().unwrap_or_default(), PAGE).map_err(Trouble::Asked)?;
    let direction = Direction::After(query.cursor);
    let wanted = Turns { direction, limit: query.limit, max_text: usize::MAX, max_bytes: MAX_PAGE_BYTES };
    let (session, found) = sessions.session(id, wanted).await?;
    let trace_url = sessions.trace_url.as_deref();
    let next = found.turns.last().filter(|_| found.more).map(|turn| Place::of(turn).token());
    let turns: Vec<_> = found.turns.iter().map(|turn| json::turn(turn, trace_url)).collect();
    Ok(Json(json!({ "session": json::session(&session), "turns": turns, "next": next })).into_response())
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Asked(_) => StatusCode::BAD_REQUEST,
            Self::Record(ReadError::UnknownSession { .. } | ReadError::Ambiguous(..) | ReadError::Off(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::Record(ReadError::Missing(..) | ReadError::TooSlow(_) | ReadError::Unusable(_))
            | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Asked(error) => error.to_string(),
            Self::Record(error) => error.to_string(),
            Self::Busy => "too many are reading the record at once; try again".to_owned(),
        }
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Record(error)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({ "error": self.message() }))).into_response()
    }
}
