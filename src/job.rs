//! One dispatched job: join its room, hold the session, report the end, leave.

mod forgotten;
mod terminated;

use std::pin::pin;
use std::sync::Arc;

use agent_worker::{Assignment, JobControl, JobEnd, RunJob};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tracing::Instrument;

use self::terminated::{Inquiry, Meaning};
use crate::config::Credentials;
use crate::recovery::Recovery;
use crate::room::roster::Roster;
use crate::room::{JoinError, JoinOptions, Occupancy, Place, Room};
use crate::session::{self, EndReason, Opening, Parts};

/// Runs each job as a session. Cheap to clone.
#[derive(Clone)]
pub struct SessionJobs {
    parts: watch::Receiver<Parts>,
    recovery: Recovery,
    /// The server to ask about rooms that no person joins.
    roster: Option<Arc<Roster>>,
}

// === impl SessionJobs ===

impl SessionJobs {
    /// Each session is made of the value of `parts` at the beginning of its job, and keeps that.
    pub fn new(parts: watch::Receiver<Parts>, recovery: Recovery) -> Self {
        Self { parts, recovery, roster: None }
    }

    /// Asks this server about rooms that no person joins, and leaves those that it does not know.
    #[must_use]
    pub fn with_roster(self, credentials: &Credentials) -> Self {
        Self { roster: Some(Arc::new(Roster::new(credentials))), ..self }
    }
}

impl RunJob for SessionJobs {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        let parts = self.parts.borrow().clone();
        let jobs = self.clone();
        let span = tracing::info_span!(
            "session",
            room = assignment.room_name,
            job = assignment.job_id,
            session = tracing::field::Empty
        );
        serve(assignment, control, parts, jobs).instrument(span).boxed()
    }

    fn not_resumed(&self, job_id: &str) {
        self.recovery.not_joined(job_id);
    }
}

async fn serve(
    assignment: Assignment,
    mut control: JobControl,
    parts: Parts,
    SessionJobs { recovery, roster, .. }: SessionJobs,
) -> JobEnd {
    recovery.joining(&assignment.job_id);
    let stop = control.stop.child_token();
    let mut room = match join(&assignment, &control, parts.agent.max_turn_bytes).await {
        Ok(room) => room,
        Err(error) => {
            tracing::error!(%error, "the room could not be joined");
            recovery.not_joined(&assignment.job_id);
            return JobEnd::Failed(error.to_string());
        }
    };
    let sid = room.place().sid.clone();
    let mut tracked = recovery.track(&assignment, &sid, &room.people(), stop.clone()).await;
    let chat_context = tracked.chat_context();
    let opening = Opening {
        traceparent: traceparent(&assignment),
        claims: chat_context.is_none().then(|| recovery.claims(&assignment.room_name)),
        chat_context,
        // A server makes the room anew for a participant that joins it by its name, also for us, and keeps that one for
        // minutes.
        in_other_room: !assignment.room_sid.is_empty() && assignment.room_sid != sid,
    };
    let (place, occupancy) = (room.place().clone(), room.occupancy());
    let outside =
        Outside { assignment: &assignment, place: &place, occupancy: &occupancy, roster: roster.as_deref() };
    let end = async {
        let reason = outside.end(&control).await;
        if !matches!(reason, EndReason::ConnectionLost(_)) {
            stop.cancel();
        }
        reason
    };
    let summary = session::run(&mut room, parts, opening, end).await;
    let EndReason::ConnectionLost(why) = &summary.reason else {
        tracked.over();
        // The server marks a job as failed when its agent leaves before it has reported success.
        control.report(JobEnd::Success).await;
        room.leave().await;
        return JobEnd::Success;
    };
    let end = JobEnd::Failed(format!("the connection to the room was lost: {why}"));
    // This comes first, because from the report on the worker takes another job for this room, which goes on with the
    // conversation.
    let interruption = tracked.lost(summary);
    control.report(end.clone()).await;
    room.leave().await;
    interruption.look();
    end
}

/// A job that is terminated before it is in its room is not wanted.
async fn join(
    assignment: &Assignment,
    control: &JobControl,
    max_text_bytes: usize,
) -> Result<Room, JoinError> {
    let options =
        JoinOptions { url: assignment.url.clone(), token: assignment.token.clone(), max_text_bytes };
    let stop = control.stop.child_token();
    let mut joining = pin!(Room::join(options, &stop));
    tokio::select! {
        joined = &mut joining => return joined,
        () = control.terminated.cancelled() => stop.cancel(),
    }
    joining.await
}

/// The causes outside its room that end a session.
struct Outside<'a> {
    assignment: &'a Assignment,
    place: &'a Place,
    occupancy: &'a Occupancy,
    roster: Option<&'a Roster>,
}

// === impl Outside ===

impl Outside<'_> {
    /// Returns the reason once the session is to end.
    async fn end(&self, control: &JobControl) -> EndReason {
        tokio::select! {
            () = control.stop.cancelled() => EndReason::Stopped,
            () = self.forgotten() => EndReason::Stopped,
            reason = self.terminated(control) => reason,
        }
    }

    async fn forgotten(&self) {
        match self.roster {
            Some(roster) => forgotten::forgotten(roster, self.place, self.occupancy).await,
            None => std::future::pending().await,
        }
    }

    async fn terminated(&self, control: &JobControl) -> EndReason {
        control.terminated.cancelled().await;
        let Some(roster) = self.roster else { return EndReason::Stopped };
        let dispatch_id = &self.assignment.dispatch_id;
        let inquiry = Inquiry { roster, place: self.place, dispatch_id, occupancy: self.occupancy };
        match inquiry.meaning().await {
            Meaning::End(reason) => reason,
            Meaning::Stay => {
                tracing::info!("LiveKit terminated the job of a stay that is over; the session goes on");
                control.stay().await;
                std::future::pending().await
            }
        }
    }
}

/// The dispatcher's `traceparent`: an attribute of the dispatch, or a key of its metadata where that is JSON.
fn traceparent(assignment: &Assignment) -> Option<String> {
    let attribute = assignment.attributes.get("traceparent").cloned();
    attribute.or_else(|| {
        let metadata: serde_json::Value = serde_json::from_str(&assignment.metadata).ok()?;
        Some(metadata.get("traceparent")?.as_str()?.to_owned())
    })
}
