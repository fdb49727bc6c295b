//! The disk is full: turns are answered and traced as before, the log reports the problem once and its end once, and
//! the record misses exactly the turns that it reports as lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use scripted_model::{Script, Step};
use serde_json::Value;
use testbed::spans::Status;
use tokio_util::sync::CancellationToken;

use crate::support::contract;
use crate::support::small_disk::{self, SmallDisk};
use crate::support::world::{PATIENCE, Worker, World, wait_until};

const ROOMS: usize = 8;

const SPOOL_FAILS: &str = "the trace spool cannot be written: ";
const SPOOL_WORKS: &str = "the trace spool is written again";
const RECORD_FAILS: &str = "the record of sessions: ";
const RECORD_WORKS: &str = "turns are recorded again; ";

/// A worker whose whole state is on a small disk.
struct Scene {
    world: World,
    disk: SmallDisk,
    worker: Worker,
    answered: AtomicUsize,
}

impl Scene {
    async fn set() -> Option<Self> {
        let world = World::start(Script::always(Step::echo())).await;
        let disk = SmallDisk::at(&world.state())?;
        let record = format!("store.path={}", world.state().join("record.sqlite").display());
        let worker = world.worker_of(disk.seeing(&world.voiced()), &[&record, "agent.leave_grace=100ms"]);
        Some(Self { world, disk, worker, answered: AtomicUsize::new(0) })
    }

    /// Lets people talk in each room until `enough` returns true, at least for one turn each.
    async fn talk(&self, act: &str, enough: impl Fn() -> bool) {
        let stop = CancellationToken::new();
        let rooms = (0..ROOMS).map(|room| self.talk_in(format!("{act}-{room}"), &stop));
        let watch = async {
            while !enough() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            stop.cancel();
        };
        let talking = futures::future::join(futures::future::join_all(rooms), watch);
        tokio::time::timeout(4 * PATIENCE, talking).await.unwrap_or_else(|_| panic!("{}", self.worker.log()));
    }

    async fn talk_in(&self, room: String, stop: &CancellationToken) {
        let mut caller = self.world.call(&room).await;
        loop {
            let question = format!("{room} {}", self.answered.load(Ordering::Relaxed));
            let reply = caller.say(&question, PATIENCE, |_| ()).await.unwrap();
            assert_eq!(reply.text.expose(), format!("You said: {question}"));
            self.answered.fetch_add(1, Ordering::Relaxed);
            if stop.is_cancelled() {
                break;
            }
        }
        caller.leave().await;
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    fn metric(&self, name: &str) -> f64 {
        self.worker.metric(name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The totals of all sessions, as `voiced sessions` reads them on the disk.
    fn recorded(&self) -> Value {
        let mut voiced = self.world.voiced();
        voiced
            .env("VOICED_STORE__PATH", self.world.state().join("record.sqlite"))
            .args(["sessions", "--json"]);
        let output = self.disk.beside(&self.worker, &voiced).output().unwrap();
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.worker.log()
        );
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["totals"].clone()
    }

    /// Waits until the log holds `text`, which may be there only once.
    fn assert_said_once(&self, text: &str) {
        self.worker.wait_for_log(text);
        let log = self.worker.log();
        assert_eq!(log.matches(text).count(), 1, "{text:?} is said more than once:\n{log}");
    }

    /// Every turn so far is in the collector, complete and without errors.
    fn assert_traced(&self) {
        for trace in self.world.traces(self.answered()) {
            assert_eq!((trace.root.status, trace.runs.len()), (Status::Ok, 1));
        }
        contract::assert_keys(&self.world.collector.spans().unwrap());
        assert_eq!(self.metric("voiced_export_spans_dropped_total"), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_no_turn_and_no_trace_and_is_survived() {
    let Some(scene) = Scene::set().await else { return };
    scene.talk("before", || true).await;
    let all = |recorded: &Value| recorded["answered"] == ROOMS;
    wait_until("the turns are recorded", || all(&scene.recorded()), || scene.recorded().to_string());

    scene.disk.fill(&scene.worker);
    scene.talk("full", || scene.metric("voiced_record_turns_dropped_total") > 0.0).await;
    scene.assert_traced();
    scene.assert_said_once(SPOOL_FAILS);
    scene.assert_said_once(RECORD_FAILS);
    assert_eq!(scene.metric("voiced_record_failing"), 1.0);
    assert!(scene.metric("voiced_record_turns_waiting") > 0.0);
    let recorded = scene.recorded();
    assert!(recorded["answered"].as_u64() >= Some(ROOMS as u64), "what was recorded is read: {recorded}");

    scene.disk.make_room(&scene.worker);
    scene.worker.wait_for_log(RECORD_WORKS);
    scene.talk("after", || true).await;
    scene.assert_traced();
    assert_recovered(&scene);
    assert_eq!(scene.worker.drain(), Some(0));
}

/// The reported loss equals the missing turns.
fn assert_recovered(scene: &Scene) {
    let waiting = || scene.metric("voiced_record_turns_waiting");
    wait_until("everything is written", || waiting() == 0.0, || scene.worker.log());
    assert_eq!(scene.metric("voiced_record_failing"), 0.0);
    let lost = scene.metric("voiced_record_turns_dropped_total");
    scene.assert_said_once(&format!("{RECORD_WORKS}{lost} were lost meanwhile"));
    for said in [SPOOL_FAILS, SPOOL_WORKS, RECORD_FAILS, RECORD_WORKS] {
        scene.assert_said_once(said);
    }
    let recorded = scene.recorded();
    let expected = scene.answered() as u64 - lost as u64;
    assert_eq!(
        (&recorded["answered"], &recorded["turns"]),
        (&expected.into(), &expected.into()),
        "{recorded}"
    );
}

/// The limit of `ulimit -f` and `LimitFSIZE=`: by default the kernel kills a process that writes past it.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_size_of_files_costs_the_record_and_not_the_worker() {
    let world = World::start(Script::always(Step::echo())).await;
    let mut limited = small_disk::through("prlimit", &["--fsize=300000"], &world.voiced());
    // The log goes to a file as well.
    limited.env("RUST_LOG", "voiced=warn");
    let worker = world.worker_of(limited, &["agent.leave_grace=100ms"]);
    let mut caller = world.call("limited").await;
    let mut turns = 0;
    while worker.metric("voiced_record_failing") != Some(1.0) {
        assert!(turns < 2000, "nothing ever reached the limit:\n{}", worker.log());
        let reply = caller.say("hello", PATIENCE, |_| ()).await;
        let reply = reply.unwrap_or_else(|error| panic!("{error}\n{}", worker.log()));
        assert_eq!(reply.text.expose(), "You said: hello");
        turns += 1;
    }
    caller.leave().await;
    world.traces(turns);
    assert_eq!(worker.drain(), Some(0));
}
