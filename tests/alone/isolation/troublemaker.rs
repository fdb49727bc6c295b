//! A worker within this process, on a runtime of its own as `voiced start` has one. Its answers fail in the ways that a
//! question asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent_worker::{Assignment, Health, JobControl, JobEnd, RunJob};
use conversation::{Text, TurnOutcome, Usage};
use futures::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use turn_store::Store;
use voiced::job::SessionJobs;
use voiced::llm::{Answer, Answerer, OpenAi, Question};
use voiced::metrics::Metrics;
use voiced::recovery::Recovery;
use voiced::session::Parts;
use voiced::shutdown::Shutdown;
use voiced::telemetry::spans::Tracer;

use crate::support::settings::Place;
use crate::support::world::{AGENT_NAME, PATIENCE, World};

/// The questions that cause a fault instead of an answer.
pub(crate) const PANIC: &str = "panic";
pub(crate) const PANIC_AT_ONCE: &str = "panic at once";
pub(crate) const STICK: &str = "stick";
pub(crate) const SPIN: &str = "spin";
/// Holds a thread until [`Inside::released`].
pub(crate) const HOLD: &str = "hold your thread";
pub(crate) const FLOOD: &str = "flood";

/// How long [`SPIN`] spins.
pub(crate) const SPINNING: Duration = Duration::from_secs(3);
/// The bytes that [`FLOOD`] writes.
pub(crate) const FLOODED: usize = 8 << 20;

/// The name of the room whose session panics on demand.
pub(crate) const FRAGILE: &str = "fragile";

/// The worker. It ends with its runtime, without a drain.
pub(crate) struct Inside {
    pub(crate) metrics: Metrics,
    /// Cancelling it makes the session in the room [`FRAGILE`] panic.
    pub(crate) broken: CancellationToken,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: watch::Receiver<Health>,
    /// Setting it ends [`HOLD`].
    pub(crate) released: Arc<AtomicBool>,
    /// Bytes that [`FLOOD`] has written.
    pub(crate) flooded: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

struct Troublemaker {
    real: OpenAi,
    released: Arc<AtomicBool>,
    flooded: Arc<AtomicUsize>,
}

struct Fragile {
    jobs: SessionJobs,
    broken: CancellationToken,
}

// === impl Inside ===

impl Inside {
    pub(crate) async fn start(world: &World) -> Self {
        let place = Place::new()
            .var("LIVEKIT_URL", world.livekit.url())
            .var("LIVEKIT_API_KEY", world.livekit.api_key())
            .var("LIVEKIT_API_SECRET", world.livekit.api_secret())
            .var("LIVEKIT_AGENT_NAME", AGENT_NAME)
            .var("OPENAI_BASE_URL", world.model.base_url())
            .var("OPENAI_API_KEY", "sk-test");
        let config = place.config();
        let metrics = Metrics::default();
        let real = OpenAi::counted(&config.llm, &metrics).unwrap();
        let (released, flooded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let answerer = Arc::new(Troublemaker { real, released: released.clone(), flooded: flooded.clone() });
        let parts = Parts {
            answerer,
            tracer: Tracer::default(),
            metrics: metrics.clone(),
            store: Store::off(),
            agent: config.agent.clone(),
            voice: Default::default(),
            event_logs: Default::default(),
        };
        let broken = CancellationToken::new();
        let jobs = SessionJobs::new(watch::channel(parts).1, Recovery::off());
        let jobs = Arc::new(Fragile { jobs, broken: broken.clone() });
        let mut settings = config.worker_settings().unwrap();
        settings.observer = Arc::new(metrics.clone());
        let (_, resumed) = mpsc::channel(1);
        let (publish, mut health) = watch::channel(Health::default());
        let runtime = voiced::runtime::start().unwrap();
        let shutdown = Shutdown::default();
        runtime.spawn(agent_worker::run(settings, jobs, resumed, shutdown.clone(), publish));
        let registered = health.wait_for(|health| health.registered);
        tokio::time::timeout(PATIENCE, registered).await.expect("the worker registers").unwrap();
        Self { metrics, broken, shutdown, health, released, flooded, runtime: Some(runtime) }
    }

    /// Whether this line stands in the metrics.
    pub(crate) fn counted(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|told| told == line)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.released.store(true, Ordering::Relaxed);
        // A runtime may not wait for another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Fragile ===

impl RunJob for Fragile {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd> {
        let fragile = assignment.room_name == FRAGILE;
        let (session, broken) = (self.jobs.run(assignment, control), self.broken.clone());
        Box::pin(async move {
            tokio::select! {
                end = session => end,
                () = broken.cancelled(), if fragile => panic!("a defect in a session"),
            }
        })
    }
}

// === impl Troublemaker ===

impl Answerer for Troublemaker {
    fn answer(&self, question: Question, deltas: mpsc::Sender<Text>) -> BoxFuture<'static, Answer> {
        match question.messages.last().unwrap().content().expose() {
            PANIC => Box::pin(async { panic!("a defect in an answer") }),
            PANIC_AT_ONCE => panic!("a defect before an answer"),
            STICK => Box::pin(stick(deltas)),
            SPIN => Box::pin(spin(deltas)),
            HOLD => Box::pin(hold(deltas, self.released.clone())),
            FLOOD => Box::pin(flood(question, deltas, self.flooded.clone())),
            _ => self.real.answer(question, deltas),
        }
    }
}

/// Neither writes anything nor ends, also when it is cancelled.
async fn stick(_deltas: mpsc::Sender<Text>) -> Answer {
    std::future::pending().await
}

/// Holds its thread, as a regular expression without end does.
async fn spin(deltas: mpsc::Sender<Text>) -> Answer {
    let until = Instant::now() + SPINNING;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    let _ = deltas.send("dizzy".into()).await;
    answered("dizzy".into())
}

async fn hold(_deltas: mpsc::Sender<Text>, released: Arc<AtomicBool>) -> Answer {
    while !released.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
    answered(String::new())
}

/// As fast as the room takes it.
async fn flood(question: Question, deltas: mpsc::Sender<Text>, flooded: Arc<AtomicUsize>) -> Answer {
    let piece = "x".repeat(1 << 10);
    let mut said = String::new();
    while said.len() < FLOODED && !question.cancel.is_cancelled() {
        if deltas.send(piece.as_str().into()).await.is_err() {
            break;
        }
        said.push_str(&piece);
        flooded.store(said.len(), Ordering::Relaxed);
    }
    answered(said)
}

fn answered(text: String) -> Answer {
    Answer {
        outcome: TurnOutcome::Answered,
        text: text.into(),
        usage: Usage::default(),
        time_to_first_token: None,
        model: None,
        attempts: Vec::new(),
        finish_reason: Some("stop".to_owned()),
        thought_bytes: 0,
        skipped: Default::default(),
    }
}
