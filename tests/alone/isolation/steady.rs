//! People in other rooms who talk all the time, and how long they wait for the first word: before a fault and during it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::watch;
use voiced::caller::Caller;

use crate::support::world::{PATIENCE, World};

const ROOMS: usize = 6;
/// Turns of each room before the fault, and at least during it.
const TURNS: usize = 20;
/// Between two turns of one room.
const PAUSE: Duration = Duration::from_millis(25);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Before,
    During,
    Over,
}

/// The turns of the people in the other rooms, and their waits before and during a fault.
pub(crate) struct Seen {
    pub(crate) turns: usize,
    before: Vec<Duration>,
    during: Vec<Duration>,
}

/// Lets people talk in other rooms while `trouble` runs, and fails unless each of them gets each answer, and only their
/// own. Returns the result of `trouble` with what they saw.
pub(crate) async fn beside<T>(world: &Arc<World>, trouble: impl Future<Output = T>) -> (T, Seen) {
    let (act, acts) = watch::channel(Act::Before);
    let during = Arc::new(AtomicUsize::new(0));
    let rooms = (0..ROOMS).map(|room| tokio::spawn(talk(world.clone(), room, acts.clone(), during.clone())));
    let rooms: Vec<_> = rooms.collect();
    let ready = (0..ROOMS).map(|_| TURNS).sum::<usize>();
    wait_for(&during, ready).await;
    act.send_replace(Act::During);
    during.store(0, Ordering::Relaxed);
    let came = trouble.await;
    wait_for(&during, ready).await;
    act.send_replace(Act::Over);
    let mut seen = Seen { turns: 0, before: Vec::new(), during: Vec::new() };
    for room in rooms {
        for (act, first_word) in room.await.unwrap() {
            seen.turns += 1;
            if act == Act::Before { seen.before.push(first_word) } else { seen.during.push(first_word) }
        }
    }
    (came, seen)
}

async fn wait_for(turns: &AtomicUsize, wanted: usize) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while turns.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "the other rooms came to {turns:?} of {wanted} turns");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn talk(
    world: Arc<World>,
    room: usize,
    acts: watch::Receiver<Act>,
    turns: Arc<AtomicUsize>,
) -> Vec<(Act, Duration)> {
    let mut caller = call(&world, &format!("steady-{room}")).await;
    let mut waits = Vec::new();
    while *acts.borrow() != Act::Over {
        let act = *acts.borrow();
        let question = format!("steady {room} turn {}", waits.len());
        let reply = caller.say(&question, PATIENCE, |_| ()).await;
        let reply = reply.unwrap_or_else(|error| panic!("{question:?} {act:?} the fault: {error}"));
        assert_eq!(reply.text.expose(), format!("You said: {question}"));
        waits.push((act, reply.first_word));
        turns.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    caller.leave().await;
    waits
}

fn call<'w>(world: &'w World, room: &'w str) -> BoxFuture<'w, Caller> {
    Box::pin(world.call(room))
}

// === impl Seen ===

impl Seen {
    /// Prints how much longer the other rooms waited. Nothing is asserted, because machines differ and are busy with
    /// other work.
    pub(crate) fn print(&self, fault: &str) {
        let [p50, p95] = [50, 95].map(|percent| {
            let [before, during] = [&self.before, &self.during].map(|waits| percentile(waits, percent));
            let ratio = during.as_secs_f64() / before.as_secs_f64();
            format!("p{percent} {before:.1?} before, {during:.1?} during: x {ratio:.2}")
        });
        let longest = self.during.iter().max().unwrap();
        println!(
            "{fault}: others' first word {p50}; {p95}; longest {longest:.1?}; {} turns, all answered",
            self.turns
        );
    }
}

/// The percentile by nearest rank.
fn percentile(waits: &[Duration], percent: usize) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort();
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}
