//! What an attack does to others: the worker's memory, and the turns of a person in another room.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use voiced::caller::Caller;

use crate::support::memory::kib;
use crate::support::world::{PATIENCE, Worker, World, say};

/// The most memory that an attack may take. KiB.
const MOST: u64 = 64 << 10;
/// The most memory that may stay afterwards. KiB.
const STAYS: u64 = 10 << 10;
/// The slowest turn of another room.
const SLOWEST: Duration = Duration::from_secs(1);
/// How long freed memory may take to reach the system.
const SETTLING: Duration = Duration::from_secs(15);
/// A sleep of a hundredth of a second that takes this long shows that the machine had no time for us.
const STALL: Duration = Duration::from_millis(50);
/// A machine that stands still for this long says nothing of turns: several of these stalls fall into one.
const USELESS: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(100);
const NAP: Duration = Duration::from_millis(10);

/// A person in another room who talks all the time, and a loop that shows how busy the machine is. Both have threads
/// of their own.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    /// The worker's memory before all attacks. KiB.
    idle: u64,
}

#[derive(Default)]
struct Seen {
    turns: usize,
    slowest: Duration,
    stall: Duration,
}

/// The figures of one attack. Memory in KiB.
pub(super) struct Figures {
    idle: u64,
    peak: u64,
    after: u64,
    turns: usize,
    slowest: Duration,
    stall: Duration,
}

// === impl Watch ===

impl Watch {
    pub(super) fn start(world: &Arc<World>) -> Self {
        let (seen, over) = (Arc::default(), Arc::default());
        let (other, until) = (Arc::clone(&seen), Arc::clone(&over));
        let napping = thread::spawn(move || nap(&other, &until));
        let (world, other, until) = (world.clone(), Arc::clone(&seen), Arc::clone(&over));
        let talking = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut caller = Box::pin(world.call("good")).await;
                talk(&mut caller, &other, &until).await;
                caller.leave().await;
            });
        });
        let watch = Self { seen, over, threads: vec![napping, talking], idle: 0 };
        watch.wait_for_turns(1);
        watch
    }

    /// Takes what the worker has now as its idle size.
    pub(super) fn is_idle(&mut self, worker: &Worker) {
        self.idle = kib(&worker.process.id().to_string(), "VmRSS");
    }

    /// Measures what happens meanwhile.
    pub(super) async fn during(&self, worker: &Worker, attack: impl Future<Output = ()>) -> Figures {
        let process = worker.process.id().to_string();
        // Resets the peak (proc(5)).
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
        *self.seen.lock().unwrap() = Seen::default();
        attack.await;
        let turns = self.turns();
        self.wait_for_turns(turns + 1);
        let Seen { turns, slowest, stall } = std::mem::take(&mut *self.seen.lock().unwrap());
        let peak = kib(&process, "VmHWM");
        let after = settled(&process, self.idle);
        Figures { idle: self.idle, peak, after, turns, slowest, stall }
    }

    fn turns(&self) -> usize {
        self.seen.lock().unwrap().turns
    }

    /// Since the last reset.
    fn wait_for_turns(&self, wanted: usize) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while self.turns() < wanted {
            let fell = self.threads.iter().any(thread::JoinHandle::is_finished);
            assert!(!fell && Instant::now() < deadline, "the person in the other room is not answered");
            thread::sleep(NAP);
        }
    }

    pub(super) fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

// === impl Seen ===

impl Seen {
    fn add(&mut self, turn: Duration) {
        self.turns += 1;
        self.slowest = self.slowest.max(turn);
    }
}

async fn talk(caller: &mut Caller, seen: &Mutex<Seen>, over: &AtomicBool) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        say(caller, &format!("good {number}")).await;
        number += 1;
        seen.lock().unwrap().add(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
}

fn nap(seen: &Mutex<Seen>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        thread::sleep(NAP);
        let mut seen = seen.lock().unwrap();
        seen.stall = seen.stall.max(began.elapsed());
    }
}

/// The memory, once no more than [`STAYS`] of it is left or the time for that is over.
fn settled(process: &str, idle: u64) -> u64 {
    let deadline = Instant::now() + SETTLING;
    loop {
        let now = kib(process, "VmRSS");
        if now <= idle + STAYS || Instant::now() > deadline {
            return now;
        }
        thread::sleep(PAUSE);
    }
}

// === impl Figures ===

impl Figures {
    /// Whether a bound of time was missed while the machine itself stood still.
    pub(super) fn are_in_doubt(&self) -> bool {
        self.slowest > SLOWEST && self.stall > STALL
    }

    /// What is wrong with them.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let slow = self.slowest > SLOWEST && self.stall < USELESS;
        self.memory_fault().or(slow.then_some("delays another room by more than 1 s"))
    }

    pub(super) fn memory_fault(&self) -> Option<&'static str> {
        let stays = (self.after > self.idle + STAYS).then_some("leaves more than 10 MiB");
        (self.peak > self.idle + MOST).then_some("takes more than 64 MiB").or(stays)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let [peak, after] = [self.peak, self.after].map(|kib| mib(kib) - mib(self.idle));
        write!(
            f,
            "idle {:5.1} MiB, peak {peak:+6.1}, afterwards {after:+5.1} | {:3} other turns, slowest {:4} ms | stall {:3} ms",
            mib(self.idle),
            self.turns,
            self.slowest.as_millis(),
            self.stall.as_millis()
        )
    }
}
