//! A worker in a room with a caller, between a model and a receiver of traces that can be made to fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};
use testbed::Span;
use voiced::caller::{CallError, Caller};

use crate::faults::account::{Ending, Loss, Taken, loss};
use crate::support::exposition::Exposition;
use crate::support::fault::{Measured, measured};
use crate::support::otlp_gate::Gate;
use crate::support::small_disk::SmallDisk;
use crate::support::world::{PATIENCE, Worker, World, wait_until};

pub(crate) const ROOM: &str = "faults";
const NOTICE: &str = "Sorry, I was gone for a moment. Could you say that again?";
const APOLOGY: &str = "Sorry, I could not answer that. Please try again.";
const POLL: Duration = Duration::from_millis(20);
/// The time between two readings of the collector's spans.
const COUNT_EVERY: Duration = Duration::from_millis(300);

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gate: Gate,
    pub(crate) worker: Worker,
    /// None after [`Stage::leave`].
    caller: Option<Caller>,
    /// The disk that holds the record, when only the worker sees it.
    pub(crate) disk: Option<SmallDisk>,
    settings: Vec<String>,
    taken: Vec<Taken>,
}

/// What the caller heard after a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Answer,
    Apology,
}

/// The world of most tests: its model repeats what it is asked.
pub(crate) async fn echo() -> World {
    World::start(Script::always(Step::echo())).await
}

/// A reply that says two words of three and then nothing more.
pub(crate) fn story() -> Step {
    Step::reply("once upon a").after(2).ending(scripted_model::Ending::Stall)
}

// === impl Stage ===

impl Stage {
    /// A worker with these settings, and a caller in its room who was answered once.
    pub(crate) async fn set(settings: &[&str]) -> Self {
        Self::on(echo().await, settings).await
    }

    pub(crate) async fn on(world: World, settings: &[&str]) -> Self {
        let command = world.voiced();
        let mut stage = Self::with(world, command, settings).await;
        stage.ask().await;
        stage
    }

    /// `command` starts the worker; no question was asked yet.
    pub(crate) async fn with(world: World, command: Command, settings: &[&str]) -> Self {
        let gate = Gate::start(world.collector.endpoint()).await;
        let settings = all(settings, &gate);
        let worker = world.worker_of(command, &borrowed(&settings));
        let caller = world.call(ROOM).await;
        Self { world, gate, worker, caller: Some(caller), disk: None, settings, taken: Vec::new() }
    }

    pub(crate) fn caller(&mut self) -> &mut Caller {
        self.caller.as_mut().expect("a caller who did not leave")
    }

    /// The caller leaves the room.
    pub(crate) async fn leave(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.leave().await;
        }
    }

    /// A new caller joins `room`.
    pub(crate) async fn call(&mut self, room: &str) {
        self.caller = Some(self.world.call(room).await);
    }

    /// Asks a new question; it is answered.
    pub(crate) async fn ask(&mut self) {
        assert_eq!(self.hear().await, Heard::Answer, "{}", self.worker.log());
    }

    /// Asks a new question; the agent apologises.
    pub(crate) async fn ask_in_vain(&mut self) {
        assert_eq!(self.hear().await, Heard::Apology, "{}", self.worker.log());
    }

    /// Asks until an answer comes; returns the time since `since`.
    pub(crate) async fn until_answered(&mut self, since: Instant) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        while self.hear().await != Heard::Answer {
            assert!(Instant::now() < deadline, "never answered again:\n{}", self.worker.log());
            tokio::time::sleep(POLL).await;
        }
        since.elapsed()
    }

    /// Asks for a reply that stops in its middle; `ending` is the expected end of the turn.
    pub(crate) async fn begin_story(&mut self, ending: Ending) {
        self.world.model.push([story()]);
        let question = self.question();
        let heard = self.caller().start_saying(&question, PATIENCE).await;
        let heard = heard.unwrap_or_else(|error| panic!("{error}\n{}", self.worker.log()));
        assert_eq!(heard.expose().trim(), "once upon");
        self.took(question, ending);
    }

    /// A new question.
    pub(crate) fn question(&self) -> String {
        format!("question {}", self.taken.len())
    }

    pub(crate) fn took(&mut self, question: String, ending: Ending) {
        self.taken.push(Taken { question, ending });
    }

    /// Waits until the worker has nothing left to send and its export works; returns the time since `since`.
    pub(crate) fn until_delivered(&self, since: Instant) -> Duration {
        let metrics = ["voiced_export_failing", "voiced_export_spans_waiting"];
        let left = || metrics.map(|name| self.worker.metric(name));
        wait_until(
            "everything is delivered",
            || left() == [Some(0.0); 2],
            || format!("{:?}\n{}", left(), self.worker.log()),
        );
        since.elapsed()
    }

    /// Waits until the export of a recorded turn has failed.
    pub(crate) fn wait_for_failed_export(&self) {
        let failed = || self.metric("voiced_export_batches_failed_total", &[]) > 0.0;
        wait_until("a batch fails", failed, || self.worker.log());
    }

    /// Waits until the record has every turn so far, as ended.
    pub(crate) fn wait_for_record(&self) {
        wait_until("the turns are recorded", || self.loss().turns == 0, || self.worker.log());
    }

    /// The sum over all series that have these labels.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = testbed::http::get(self.worker.http_port, "/metrics").unwrap().body;
        Exposition::parse(&text).unwrap().get(name, labels).unwrap_or_default()
    }

    /// Kills the worker.
    pub(crate) fn kill(&mut self) {
        self.worker.process.kill();
    }

    /// Starts the next worker, in the place of the dead one.
    pub(crate) fn start_again(&mut self) {
        self.worker = self.world.spawn_worker(&borrowed(&self.settings));
    }

    /// Starts one more worker with the same settings.
    pub(crate) fn second_worker(&self) -> Worker {
        self.world.worker(&borrowed(&self.settings))
    }

    /// Waits until the agent is back with the caller.
    pub(crate) async fn back(&mut self) {
        let Self { caller, worker, .. } = self;
        back(caller.as_mut().expect("a caller who did not leave"), worker).await;
    }

    /// Shuts everything down in order, counts, and reports the measurement of `row`.
    pub(crate) async fn finish(mut self, row: &str, recovery: Duration) {
        // A worker that has recovered answers more than one turn.
        self.ask().await;
        let counted = self.settle();
        let dropped = self.metric("voiced_export_spans_dropped_total", &[]) as usize;
        self.leave().await;
        let Self { world, worker, disk, taken, .. } = self;
        let log = worker.log_file();
        let code = worker.drain();
        assert_eq!(code, Some(0), "{}", std::fs::read_to_string(log).unwrap());
        // A disk of the worker's own disappears with it.
        let Loss { turns, spans } =
            if disk.is_some() { counted } else { count(&world, &world.record(), &taken).unwrap_or(counted) };
        measured(row, Measured { recovery, turns_lost: turns, spans_lost: spans + dropped });
    }

    /// Waits until nothing is missing; what is still missing after the time limit is lost.
    fn settle(&self) -> Loss {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let loss = self.loss();
            if loss == Loss::default() || Instant::now() > deadline {
                return loss;
            }
            std::thread::sleep(COUNT_EVERY);
        }
    }

    /// The current loss: everything, while the record cannot be read.
    fn loss(&self) -> Loss {
        let unknown = Loss { turns: self.taken.len(), spans: 0 };
        count(&self.world, &self.record(), &self.taken).unwrap_or(unknown)
    }

    fn record(&self) -> PathBuf {
        match &self.disk {
            None => self.world.record(),
            Some(disk) => disk.copy(&self.worker, "record.sqlite", self.world.dir()),
        }
    }

    async fn hear(&mut self) -> Heard {
        let question = self.question();
        let heard = self.try_hear(&question).await;
        let heard = heard.unwrap_or_else(|error| panic!("{error}\n{}", self.worker.log()));
        let ending = if heard == Heard::Answer { Ending::Answered } else { Ending::Failed };
        self.took(question, ending);
        heard
    }

    /// A reply that broke off is followed by the apology.
    async fn try_hear(&mut self, question: &str) -> Result<Heard, CallError> {
        let mut text = self.caller().say(question, PATIENCE, |_| ()).await?.text;
        if text.expose() == format!("You said: {question}") {
            return Ok(Heard::Answer);
        }
        if text.expose() != APOLOGY {
            text = self.caller().greeting(PATIENCE).await.unwrap_or_default();
        }
        assert_eq!(text.expose(), APOLOGY, "{}", self.worker.log());
        Ok(Heard::Apology)
    }
}

/// Waits until the agent is back with this caller and says so.
pub(crate) async fn back(caller: &mut Caller, worker: &Worker) {
    let back = caller.wait_for_return(PATIENCE).await;
    back.unwrap_or_else(|error| panic!("{error}\n{}", worker.log()));
    assert_eq!(caller.greeting(PATIENCE).await.unwrap().expose(), NOTICE);
}

/// The current loss; `None` while the record cannot be read.
fn count(world: &World, record: &Path, taken: &[Taken]) -> Option<Loss> {
    let collected: Vec<Span> = world.collector.spans().unwrap();
    loss(record, taken, &collected, &world.state())
}

/// These settings and those that keep tests short.
fn all(settings: &[&str], gate: &Gate) -> Vec<String> {
    let mut all: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let endpoint = format!("telemetry.otlp_endpoint={}", gate.url());
    for setting in [&endpoint, "telemetry.otlp_timeout=1s", "agent.leave_grace=100ms"] {
        let (key, _) = setting.split_once('=').unwrap();
        if !settings.iter().any(|given| given.split_once('=').is_some_and(|(given, _)| given == key)) {
            all.push(setting.to_owned());
        }
    }
    all
}

fn borrowed(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}
