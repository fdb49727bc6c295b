//! Performs the machine's actions: holds the socket, the jobs' tasks and the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use super::connection::{Connection, Endpoint, Incoming, Stuck};
use super::control::{Report, Reported};
use super::machine::{Action, Event, Machine, Rules, Unavailable};
use super::message::Registration;
use super::observer::Observer;
use super::running::RunningJobs;
use super::{Assignment, Health, Heartbeat, Jobs, Outcome, Settings, Shutdown, Terms};

/// The queue of reports; jobs wait for a place in it, and each reports once.
const REPORTS: usize = 64;
/// How long the last socket may take to close when the worker ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Shell {
    endpoint: Endpoint,
    machine: Machine,
    connection: Option<Connection>,
    /// The connection was given up; the machine is to hear of it.
    stuck: bool,
    /// The socket that was closed last, while it writes the queued messages.
    closing: Option<JoinHandle<()>>,
    running: RunningJobs,
    reports: mpsc::Receiver<Report>,
    resumed: mpsc::Receiver<Assignment>,
    /// Jobs that wait until their end is written, by job id.
    reporters: HashMap<String, oneshot::Sender<()>>,
    health: watch::Sender<Health>,
    terms: Changes,
    heartbeat: Option<Heartbeat>,
    outcome: Option<Outcome>,
    observer: Arc<dyn Observer>,
    /// The program's name for the limit of its jobs.
    max_sessions: &'static str,
}

/// The terms on which jobs are taken, as they change.
struct Changes(watch::Receiver<Terms>);

/// Each signal counts once.
#[derive(Default)]
struct Signals {
    drain_seen: bool,
    end_seen: bool,
}

impl Shell {
    pub(super) fn new(
        settings: Settings,
        jobs: Jobs,
        resumed: mpsc::Receiver<Assignment>,
        health: watch::Sender<Health>,
    ) -> Self {
        let endpoint = Endpoint::new(&settings);
        let (observer, max_sessions) = (settings.observer.clone(), settings.names.max_sessions);
        let (report, reports) = mpsc::channel(REPORTS);
        let (heartbeat, mut terms) = (settings.heartbeat.clone(), settings.terms.clone());
        let slots = terms.borrow_and_update().max_sessions;
        info!(url = %endpoint.url(), agent_name = %settings.agent_name, slots, "worker starts");
        Self {
            endpoint,
            machine: Machine::new(rules(settings), Instant::now(), fastrand::u64(..)),
            connection: None,
            stuck: false,
            closing: None,
            running: RunningJobs::new(jobs, report, observer.clone()),
            reports,
            resumed,
            reporters: HashMap::new(),
            health,
            terms: Changes(terms),
            heartbeat,
            outcome: None,
            observer,
            max_sessions,
        }
    }

    pub(super) async fn run(mut self, shutdown: Shutdown) -> Outcome {
        let mut signals = Signals::default();
        let mut event = Event::Tick;
        loop {
            for action in self.machine.step(Instant::now(), event) {
                self.perform(action);
            }
            self.publish_health();
            if let Some(outcome) = self.outcome {
                self.close().await;
                return outcome;
            }
            // A signal must get through however much the server sends.
            event = tokio::select! {
                biased;
                event = signals.next(&shutdown) => event,
                event = self.next_event() => event,
            };
        }
    }

    async fn next_event(&mut self) -> Event {
        if std::mem::take(&mut self.stuck) {
            return Event::Closed { reason: "LiveKit reads too slowly what the worker sends".to_owned() };
        }
        let deadline = self.machine.deadline();
        tokio::select! {
            incoming = next_incoming(&mut self.connection) => self.receive(incoming),
            Some(report) = self.reports.recv() => {
                let Report { job_id, what } = report;
                match what {
                    Reported::Stays => Event::JobStays { job_id },
                    Reported::Ended { end, written } => {
                        self.reporters.insert(job_id.clone(), written);
                        Event::JobReported { job_id, end }
                    }
                }
            }
            Some(assignment) = self.resumed.recv() => Event::Resumed(Box::new(assignment)),
            (job_id, end) = self.running.next() => Event::JobFinished { job_id, end },
            terms = self.terms.next() => Event::Terms(terms),
            () = wait_until(deadline) => Event::Tick,
        }
    }

    fn receive(&mut self, incoming: Incoming) -> Event {
        match incoming {
            Incoming::Opened => Event::Opened,
            Incoming::Message(message) => Event::Message(*message),
            Incoming::Alive => Event::Alive,
            Incoming::EndWritten { job_id } => Event::EndWritten { job_id },
            Incoming::Closed { reason } => {
                self.connection = None;
                Event::Closed { reason }
            }
        }
    }

    /// Never waits: slow work happens in a task of its own.
    fn perform(&mut self, action: Action) {
        match action {
            Action::Connect => {
                self.observer.connecting();
                self.connection = Some(Connection::open(self.endpoint.clone(), self.observer.clone()));
            }
            Action::Disconnect => {
                self.closing = self.connection.take().map(Connection::close);
            }
            Action::Send(message) => self.write(|connection| connection.send(message)),
            Action::PingFrame => self.write(Connection::ping),
            Action::Start(assignment) => self.running.start(*assignment),
            Action::Stop { job_id } => self.running.stop(&job_id),
            Action::NotResumed { job_id } => self.running.not_resumed(&job_id),
            Action::Terminate { job_id } => self.running.terminate(&job_id),
            Action::Abort { job_id } => self.running.abort(&job_id),
            Action::Release { job_id } => {
                self.reporters.remove(&job_id);
            }
            Action::Announce(why) => self.announce(why),
            Action::Beat => self.beat(),
            Action::Finish(outcome) => self.outcome = Some(outcome),
        }
    }

    /// A message that does not fit into the queue would be missing in the conversation with the server, so the socket
    /// is given up.
    fn write(&mut self, write: impl FnOnce(&Connection) -> Result<(), Stuck>) {
        if let Some(Err(Stuck)) = self.connection.as_ref().map(write) {
            self.connection = None;
            self.stuck = true;
        }
    }

    fn announce(&self, why: Option<Unavailable>) {
        match why {
            None => info!("available for jobs"),
            Some(Unavailable::NotRegistered(trouble)) => warn!("not registered: {trouble}; trying again"),
            Some(Unavailable::GoingAway) => info!("taking no jobs until reconnected"),
            // The drain itself logs this, with the number of sessions that it waits for.
            Some(Unavailable::Draining) => {}
            Some(Unavailable::Full { slots }) => {
                info!("taking no jobs: all {slots} slots ({}) are in use", self.max_sessions);
            }
        }
    }

    fn beat(&self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.beats.send_replace(());
        }
    }

    fn publish_health(&self) {
        let now = self.machine.health();
        self.health.send_if_modified(|health| {
            let changed = *health != now;
            *health = now;
            changed
        });
    }

    async fn close(&mut self) {
        if let Some(closing) = self.closing.take() {
            let _ = timeout(CLOSE_TIMEOUT, closing).await;
        }
    }
}

// === impl Changes ===

impl Changes {
    /// The next terms. Waits for ever when the sender that could change them is gone.
    async fn next(&mut self) -> Terms {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }
}

// === impl Signals ===

impl Signals {
    async fn next(&mut self, shutdown: &Shutdown) -> Event {
        tokio::select! {
            biased;
            () = shutdown.end_now.cancelled(), if !self.end_seen => {
                self.end_seen = true;
                Event::EndNow
            }
            () = shutdown.drain.cancelled(), if !self.drain_seen => {
                self.drain_seen = true;
                Event::Drain
            }
            () = std::future::pending() => Event::Tick,
        }
    }
}

fn rules(settings: Settings) -> Rules {
    let terms = settings.terms.borrow().clone();
    let registration = Registration {
        agent_name: settings.agent_name,
        version: settings.version,
        instance_id: settings.instance_id,
        permissions: settings.permissions,
    };
    Rules {
        registration,
        url: settings.url,
        terms,
        beat_every: settings.heartbeat.map(|heartbeat| heartbeat.every),
    }
}

async fn next_incoming(connection: &mut Option<Connection>) -> Incoming {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
