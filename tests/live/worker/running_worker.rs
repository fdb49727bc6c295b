//! A worker under test, whose jobs the test controls.

use std::sync::Arc;

use agent_worker::{Assignment, Health, JobControl, JobEnd, Outcome, RunJob, Settings, Terms};
use conversation::Secret;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;
use voiced::config::{Permission, WORKER_NAMES};
use voiced::metrics::Metrics;
use voiced::shutdown::Shutdown;

use crate::worker::PATIENCE;

pub const API_KEY: &str = "devkey";
pub const API_SECRET: &str = "a-secret-of-at-least-32-characters";

pub struct RunningWorker {
    pub shutdown: Shutdown,
    pub metrics: Metrics,
    health: watch::Receiver<Health>,
    jobs: mpsc::UnboundedReceiver<LiveJob>,
    task: JoinHandle<Outcome>,
}

/// A job that the worker started. Dropping it makes its task panic.
pub struct LiveJob {
    pub assignment: Assignment,
    pub control: JobControl,
    end: oneshot::Sender<JobEnd>,
}

struct HandedOut(mpsc::UnboundedSender<LiveJob>);

impl RunningWorker {
    pub fn start(settings: Settings) -> Self {
        let (started, jobs) = mpsc::unbounded_channel();
        // No session was left by another worker.
        let (_, resumed) = mpsc::channel(1);
        let (publish, health) = watch::channel(Health::default());
        let shutdown = Shutdown::default();
        let metrics = Metrics::default();
        let settings = Settings { observer: Arc::new(metrics.clone()), ..settings };
        let run =
            agent_worker::run(settings, Arc::new(HandedOut(started)), resumed, shutdown.clone(), publish);
        Self { shutdown, metrics, health, jobs, task: tokio::spawn(run) }
    }

    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Waits until the worker's health is as wanted.
    pub async fn until(&mut self, wanted: impl FnMut(&Health) -> bool) -> Health {
        let found = async { self.health.wait_for(wanted).await.map(|health| health.clone()) };
        match timeout(PATIENCE, found).await {
            Ok(health) => health.expect("the worker runs"),
            Err(_) => panic!("still {:?}", self.health()),
        }
    }

    pub async fn until_registered(&mut self) -> Health {
        self.until(|health| health.registered).await
    }

    /// The next job that the worker starts.
    pub async fn job(&mut self) -> LiveJob {
        timeout(PATIENCE, self.jobs.recv()).await.expect("a job starts").expect("the worker runs")
    }

    pub async fn outcome(self) -> Outcome {
        timeout(PATIENCE, self.task).await.expect("the worker ends").expect("without a panic")
    }
}

impl LiveJob {
    /// Ends the job's task.
    pub fn finish(self, end: JobEnd) {
        self.end.send(end).expect("the job's task waits for its end");
    }

    /// Waits until the worker asks the job to stop.
    pub async fn stopped(&self) {
        timeout(PATIENCE, self.control.stop.cancelled()).await.expect("the job is stopped");
    }

    /// Waits until the worker tells the job that the server has terminated it.
    pub async fn terminated(&self) {
        timeout(PATIENCE, self.control.terminated.cancelled()).await.expect("the job is terminated");
        assert!(!self.control.stop.is_cancelled(), "what that means is for the job to find out");
    }
}

impl RunJob for HandedOut {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        let (end, ended) = oneshot::channel();
        let handed_out = self.0.send(LiveJob { assignment, control, end });
        Box::pin(async move {
            handed_out.expect("the test runs");
            ended.await.expect("the test dropped this job")
        })
    }
}

/// Three slots, all permissions, and an agent name.
pub fn settings(url: &str) -> Settings {
    let url = Url::parse(url).expect("a URL");
    Settings {
        agent_name: "support".to_owned(),
        terms: terms(3).fixed(),
        permissions: vec![
            Permission::Subscribe,
            Permission::Publish,
            Permission::PublishData,
            Permission::UpdateMetadata,
        ],
        instance_id: "1f".repeat(16),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        names: WORKER_NAMES,
        ..Settings::new(url, API_KEY, Secret::new(API_SECRET))
    }
}

pub fn terms(max_sessions: u32) -> Terms {
    Terms { display_name: "Ada".to_owned(), max_sessions, drain_timeout: PATIENCE }
}
