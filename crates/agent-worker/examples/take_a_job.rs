//! Registers with a LiveKit server and takes jobs. Each ends by itself after a while; nothing joins the rooms.
//!
//! ```sh
//! livekit-server --dev &
//! cargo run -p agent-worker --example take_a_job
//! lk room join --url ws://127.0.0.1:7880 --api-key devkey --api-secret secret --identity ada lobby
//! ```
//!
//! `LIVEKIT_URL`, `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET` name another server. One Ctrl-C drains, a second one ends
//! at once.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use agent_worker::{
    Answered, Assignment, Health, JobControl, JobEnd, JobResult, Observer, RunJob, Secret, Settings,
    Shutdown, Terms,
};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// How long a job takes.
const WORK: Duration = Duration::from_secs(5);

struct Waiter;

#[derive(Debug)]
struct Told;

impl RunJob for Waiter {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        Box::pin(wait(assignment, control))
    }
}

impl Observer for Told {
    fn offer_answered(&self, answer: Answered, took: Duration) {
        println!("an offer was {} after {took:?}", answer.as_str());
    }

    fn job_ended(&self, result: JobResult) {
        println!("a job ended: {}", result.as_str());
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut settings = Settings::new(
        variable("LIVEKIT_URL", "ws://127.0.0.1:7880").parse()?,
        variable("LIVEKIT_API_KEY", "devkey"),
        Secret::new(variable("LIVEKIT_API_SECRET", "secret")),
    );
    settings.version = env!("CARGO_PKG_VERSION").to_owned();
    settings.terms = Terms { display_name: "Waiter".to_owned(), max_sessions: 2, ..Terms::default() }.fixed();
    settings.observer = Arc::new(Told);
    // A wrong key is an error here; once it runs, the worker tries again for ever.
    agent_worker::knock(&settings).await?;
    let shutdown = Shutdown::default();
    tokio::spawn(follow(shutdown.clone()));
    let (health, _) = watch::channel(Health::default());
    // No jobs of an earlier process are to go on here.
    let (_, resumed) = mpsc::channel(1);
    let outcome = agent_worker::run(settings, Arc::new(Waiter), resumed, shutdown, health).await;
    println!("{outcome:?}");
    Ok(())
}

/// An agent would join the room at `url` with `token` here, and leave it after the report.
async fn wait(assignment: Assignment, mut control: JobControl) -> JobEnd {
    println!("{} is wanted in {} at {}", assignment.identity, assignment.room_name, assignment.url);
    tokio::select! {
        () = sleep(WORK) => {}
        () = control.stop.cancelled() => {}
        () = control.terminated.cancelled() => {}
    }
    control.report(JobEnd::Success).await;
    JobEnd::Success
}

async fn follow(shutdown: Shutdown) {
    for stage in [&shutdown.drain, &shutdown.end_now] {
        if tokio::signal::ctrl_c().await.is_ok() {
            stage.cancel();
        }
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
