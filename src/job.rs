//! One dispatched job: join its room, hold the session, report the end, leave.

mod forgotten;

use std::convert::Infallible;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tracing::Instrument;

use crate::config::Credentials;
use crate::recovery::Recovery;
use crate::room::roster::Roster;
use crate::room::{JoinOptions, Room};
use crate::session::{self, EndReason, Parts};
use crate::worker::{Assignment, JobControl, JobEnd, RunJob};

/// Runs each job as a session. Cheap to clone.
#[derive(Clone)]
pub struct SessionJobs {
    parts: watch::Receiver<Parts>,
    recovery: Recovery,
    /// The server to ask about rooms to which nobody comes.
    roster: Option<Arc<Roster>>,
}

// === impl SessionJobs ===

impl SessionJobs {
    /// A session is made of what `parts` holds when its job begins, and keeps that.
    pub fn new(parts: watch::Receiver<Parts>, recovery: Recovery) -> Self {
        Self { parts, recovery, roster: None }
    }

    /// Asks this server about rooms to which nobody comes, and leaves those that it does not know.
    #[must_use]
    pub fn asking(self, credentials: &Credentials) -> Self {
        Self { roster: Some(Arc::new(Roster::new(credentials))), ..self }
    }
}

impl RunJob for SessionJobs {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        let parts = Parts { traceparent: traceparent(&assignment), ..self.parts.borrow().clone() };
        let jobs = self.clone();
        let span = tracing::info_span!(
            "session",
            room = assignment.room_name,
            job = assignment.job_id,
            session = tracing::field::Empty
        );
        serve(assignment, control, parts, jobs).instrument(span).boxed()
    }
}

async fn serve(
    assignment: Assignment,
    mut control: JobControl,
    mut parts: Parts,
    SessionJobs { recovery, roster, .. }: SessionJobs,
) -> JobEnd {
    recovery.joining(&assignment.job_id);
    let options = JoinOptions {
        url: assignment.url.clone(),
        token: assignment.token.clone(),
        max_text_bytes: parts.agent.max_turn_bytes,
    };
    let stop = control.stop.child_token();
    let mut room = match Room::join(options, &stop).await {
        Ok(room) => room,
        Err(error) => {
            tracing::error!(%error, "the room could not be joined");
            recovery.not_joined(&assignment.job_id);
            return JobEnd::Failed(error.to_string());
        }
    };
    let sid = room.place().sid.clone();
    // A server makes the room anew for whoever joins it by its name, also for us, and keeps that one for minutes.
    parts.in_other_room = !assignment.room_sid.is_empty() && assignment.room_sid != sid;
    let mut noted = recovery.note(&assignment, &sid, &room.people(), stop.clone()).await;
    parts.past = noted.past();
    let place = room.place().clone();
    let company = room.company();
    let forgotten = async {
        match &roster {
            Some(roster) => forgotten::forgotten(roster, &place, &company).await,
            None => std::future::pending().await,
        }
        stop.cancel();
        std::future::pending::<Infallible>().await
    };
    let summary = tokio::select! {
        summary = session::run(&mut room, parts, stop.clone()) => summary,
        never = forgotten => match never {},
    };
    let EndReason::ConnectionLost(why) = &summary.reason else {
        noted.over();
        // The server calls a job failed whose agent leaves before it has reported success.
        control.report(JobEnd::Success).await;
        room.leave().await;
        return JobEnd::Success;
    };
    let end = JobEnd::Failed(format!("the connection to the room was lost: {why}"));
    control.report(end.clone()).await;
    room.leave().await;
    noted.lost(summary);
    end
}

/// The dispatcher's `traceparent`: an attribute of the dispatch, or a key of its metadata where that is JSON.
fn traceparent(assignment: &Assignment) -> Option<String> {
    let attribute = assignment.attributes.get("traceparent").cloned();
    attribute.or_else(|| {
        let metadata: serde_json::Value = serde_json::from_str(&assignment.metadata).ok()?;
        Some(metadata.get("traceparent")?.as_str()?.to_owned())
    })
}
