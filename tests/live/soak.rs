//! Sessions one after the other and many at the same time, a third of them ended hard: the worker gives back the files,
//! sockets, tasks and threads that they took. `cargo xtask soak` is the long form, which also looks at memory.

use std::time::{Duration, Instant};

use futures::StreamExt;
use scripted_model::{Ending, Script, Step};
use testbed::Process;

use crate::support::world::{AGENT_NAME, PATIENCE, Worker, World, wait_until};

/// The number of sessions in sequence that run at the same time.
const LANES: usize = 6;
/// Resources that come and go by themselves reach their minimum within this time.
const QUIET: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Fragments and caches of a debug build do not grow its memory beyond this factor.
const MEMORY_FACTOR: f64 = 3.0;

const STORY: &str = "tell me a story";
const STORY_BEGINS: &str = "once upon a";

/// The resources that a session takes and has to give back. Each is at its minimum when nothing happens: the scrape
/// itself, and periodic work, only add to it.
#[derive(Clone, Copy, Debug)]
struct Held {
    files: f64,
    sockets: f64,
    tasks: f64,
    threads: f64,
}

/// Stories are cut in the middle. No connection is kept for a next request, so a connection that is open afterwards is
/// leaked.
fn script() -> Script {
    let story = Step::reply("once upon a time there was").ending(Ending::Stall).after(3);
    let close = |step: Step| step.header("connection", "close");
    Script::always(close(Step::echo())).rule("story", close(story))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_thirty_sessions_took_is_given_back() {
    give_back(18, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: the test above with more sessions"]
async fn what_eighty_sessions_took_is_given_back() {
    give_back(60, 20).await;
}

/// Holds so many sessions in sequence, then so many at once.
async fn give_back(sequence: usize, at_once: usize) {
    let world = World::start(script()).await;
    let worker = world.worker(&["worker.max_sessions=100", "agent.leave_grace=100ms"]);
    // The first sessions create what is created once and kept.
    hold_all(&world, "first", LANES, LANES).await;
    let before = settled(&worker);
    let memory = worker.metric("process_resident_memory_bytes").unwrap();

    hold_all(&world, "sequence", sequence, LANES).await;
    hold_all(&world, "at-once", at_once, at_once).await;

    let deadline = Instant::now() + PATIENCE;
    let mut least = Held::MOST;
    while !least.is_within(before) {
        assert!(
            Instant::now() < deadline,
            "never less than {least:?}, and {before:?} before:\n{}",
            worker.log()
        );
        tokio::time::sleep(LOOK_EVERY).await;
        least = Held::of(&worker).map_or(least, |now| now.least(least));
    }
    let grown = worker.metric("process_resident_memory_bytes").unwrap() / memory;
    println!("before {before:?}, after {least:?}, memory {grown:.2} times what it was");
    assert!(grown < MEMORY_FACTOR, "{grown}");
    assert_eq!(worker.drain(), Some(0));
}

/// Holds `count` sessions, `side_by_side` at a time, and waits until the worker is done with them.
async fn hold_all(world: &World, name: &str, count: usize, side_by_side: usize) {
    let sessions = futures::stream::iter(0..count);
    sessions
        .for_each_concurrent(side_by_side, |number| hold(world, format!("{name}-{number}"), number))
        .await;
}

/// Each third session ends hard, each time in another way.
async fn hold(world: &World, room: String, number: usize) {
    match number % 9 {
        0 => kill_the_caller_in_a_reply(world, &room).await,
        3 => delete_the_room_in_a_reply(world, &room).await,
        6 => cut_the_join(world, &room, number).await,
        _ => {
            let mut caller = world.call(&room).await;
            for text in ["hello", "good bye"] {
                caller.say(text, PATIENCE, |_| ()).await.unwrap();
            }
            caller.leave().await;
        }
    }
}

async fn kill_the_caller_in_a_reply(world: &World, room: &str) {
    let log = world.dir().join(format!("{room}.log"));
    let mut command = world.voiced();
    command.args(["call", "--room", room, "--timeout", "60s", "--say", STORY]);
    let mut caller = Process::spawn("voiced call", &mut command, &log).unwrap();
    let heard = || std::fs::read_to_string(&log).unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    while !heard().contains(STORY_BEGINS) && caller.exit_status().unwrap().is_none() {
        assert!(Instant::now() < deadline, "no story came: {}", heard());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    caller.kill();
}

async fn delete_the_room_in_a_reply(world: &World, room: &str) {
    let mut caller = world.call(room).await;
    caller.start_saying(STORY, PATIENCE).await.unwrap();
    world.livekit.delete_room(room).unwrap();
    caller.leave().await;
}

/// Only the agent is dispatched to the room, which is deleted before or soon after it joins.
async fn cut_the_join(world: &World, room: &str, number: usize) {
    world.livekit.create_room(room, AGENT_NAME).unwrap();
    tokio::time::sleep(Duration::from_millis(number as u64 * 37 % 400)).await;
    world.livekit.delete_room(room).unwrap();
}

/// The resources that the worker holds without any session: the minimum seen while nothing happens.
fn settled(worker: &Worker) -> Held {
    let idle = || worker.metric("voiced_worker_slots_used") == Some(0.0);
    wait_until("no session runs", idle, || worker.log());
    let over = Instant::now() + QUIET;
    let mut least = Held::of(worker).unwrap();
    while Instant::now() < over {
        std::thread::sleep(LOOK_EVERY);
        least = Held::of(worker).map_or(least, |now| now.least(least));
    }
    least
}

// === impl Held ===

impl Held {
    const MOST: Self = Self { files: f64::MAX, sockets: f64::MAX, tasks: f64::MAX, threads: f64::MAX };

    /// `None` when the machine is too busy to answer.
    fn of(worker: &Worker) -> Option<Self> {
        Some(Self {
            files: worker.metric("process_open_fds")?,
            sockets: worker.metric("process_open_sockets")?,
            tasks: worker.metric("voiced_tasks")?,
            threads: worker.metric("process_threads")?,
        })
    }

    /// Fewer sockets are as good: the collector closes a connection that was not used for a minute.
    fn is_within(self, before: Self) -> bool {
        self.files <= before.files
            && self.sockets <= before.sockets
            && self.tasks <= before.tasks
            && self.threads <= before.threads
    }

    fn least(self, other: Self) -> Self {
        Self {
            files: self.files.min(other.files),
            sockets: self.sockets.min(other.sockets),
            tasks: self.tasks.min(other.tasks),
            threads: self.threads.min(other.threads),
        }
    }
}
