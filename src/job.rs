//! One dispatched job: join its room, hold the session, report the end, leave.

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tracing::Instrument;

use crate::room::{JoinOptions, Room};
use crate::session::{self, Parts};
use crate::worker::{Assignment, JobControl, JobEnd, RunJob};

/// Runs each job as a session. Cheap to clone.
#[derive(Clone)]
pub struct SessionJobs {
    parts: watch::Receiver<Parts>,
}

// === impl SessionJobs ===

impl SessionJobs {
    /// A session is made of what `parts` holds when its job begins, and keeps that.
    pub fn new(parts: watch::Receiver<Parts>) -> Self {
        Self { parts }
    }
}

impl RunJob for SessionJobs {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        let parts = Parts { traceparent: traceparent(&assignment), ..self.parts.borrow().clone() };
        let span = tracing::info_span!(
            "session",
            room = assignment.room_name,
            job = assignment.job_id,
            session = tracing::field::Empty
        );
        serve(assignment, control, parts).instrument(span).boxed()
    }
}

async fn serve(assignment: Assignment, mut control: JobControl, parts: Parts) -> JobEnd {
    let options = JoinOptions {
        url: assignment.url,
        token: assignment.token,
        max_text_bytes: parts.agent.max_turn_bytes,
    };
    let stop = control.stop.clone();
    let mut room = match Room::join(options, &stop).await {
        Ok(room) => room,
        Err(error) => {
            tracing::error!(%error, "the room could not be joined");
            return JobEnd::Failed(error.to_string());
        }
    };
    session::run(&mut room, parts, stop).await;
    // The server calls a job failed whose agent leaves before it has reported success.
    control.report(JobEnd::Success).await;
    room.leave().await;
    JobEnd::Success
}

/// The dispatcher's `traceparent`: an attribute of the dispatch, or a key of its metadata where that is JSON.
fn traceparent(assignment: &Assignment) -> Option<String> {
    let attribute = assignment.attributes.get("traceparent").cloned();
    attribute.or_else(|| {
        let metadata: serde_json::Value = serde_json::from_str(&assignment.metadata).ok()?;
        Some(metadata.get("traceparent")?.as_str()?.to_owned())
    })
}
