//! Two and three workers of one agent name on one LiveKit server: which of them gets which room, and which takes over
//! from which.

use std::thread;
use std::time::{Duration, Instant};

use futures::future::join_all;
use scripted_model::{Script, Step};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use voiced::caller::Caller;

use crate::support::fault::{self, Measured};
use crate::support::fleet::{
    self, agents, drain, exit_code, host, lost, resumptions, rooms, serve, serve_until, served, served_now,
    shares, wait_until_served,
};
use crate::support::world::{PATIENCE, Worker, World, say, wait_until};

const SILENT_RETURN: &str = "agent.resume_notice=";
const NO_GRACE: &str = "agent.leave_grace=0s";
/// Once a second a worker looks for sessions that other workers left.
const SEVERAL_LOOKS: Duration = Duration::from_secs(4);

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_spread_over_workers_that_have_room() {
    let world = world().await;
    let workers = [(); 3].map(|()| world.worker(&["worker.max_sessions=20"]));
    let workers: Vec<_> = workers.iter().collect();
    let rooms = rooms("spread", 45);
    serve(&world.livekit, &workers, &rooms);
    assert_one_agent_in_each(&world, &rooms);
    // That one of three gets none of 45 happens once in thirty million runs.
    let shares = shares(&workers);
    println!("45 rooms over three workers of 20 slots: {shares:?}");
    assert!(shares.iter().all(|share| (1..=20).contains(share)), "{shares:?}");
    assert_eq!(shares.iter().sum::<u64>(), 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_is_full_the_others_take_everything() {
    let world = world().await;
    let full = world.worker(&["worker.max_sessions=5"]);
    serve(&world.livekit, &[&full], &rooms("full", 5));
    let others = [(); 2].map(|()| world.worker(&["worker.max_sessions=20"]));
    let rooms = rooms("rest", 26);
    serve(&world.livekit, &[&full, &others[0], &others[1]], &rooms);
    assert_one_agent_in_each(&world, &rooms);
    let [first, second] = others.each_ref().map(served);
    assert_eq!((served(&full), first + second), (5, 26));
    // That one of two gets none of 26 happens once in thirty million runs.
    assert!(first > 0 && second > 0, "{first} and {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_gets_none() {
    let world = world().await;
    let mut draining = world.worker(&[NO_GRACE]);
    let mut caller = world.call("before").await;
    let next = world.worker(&[NO_GRACE]);
    drain(&mut draining);
    let rooms = rooms("after", 24);
    serve(&world.livekit, &[&draining, &next], &rooms);
    assert_one_agent_in_each(&world, &rooms);
    assert_eq!((served(&draining), served(&next)), (1, 24));
    say(&mut caller, "and I?").await;
    caller.leave().await;
    assert_eq!(exit_code(&mut draining), Some(0), "{}", draining.log());
}

/// More than two workers of four slots can take.
const OFFERS: usize = 32;
const SLOTS: u64 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_come_all_at_once_never_exceed_the_slots() {
    let world = world().await;
    let slots = format!("worker.max_sessions={SLOTS}");
    let workers = [(); 2].map(|()| world.worker(&[&slots, NO_GRACE]));
    let over = CancellationToken::new();
    let most = thread::scope(|scope| {
        let watch = scope.spawn(|| most_in_use(&workers, &over));
        // The guard also ends the watch when a wave fails: the scope waits for it.
        let waves = over.clone().drop_guard();
        serve_in_waves(&world, &workers, rooms("offer", OFFERS));
        drop(waves);
        watch.join().unwrap()
    });
    assert_eq!(most, SLOTS, "all slots of a worker were in use, and never more");
}

/// Dispatches agents to all rooms at once, and again to the rooms that found no slot, once the sessions of the others
/// are over. A server does not repeat a dispatch by itself.
fn serve_in_waves(world: &World, workers: &[Worker], mut waiting: Vec<String>) {
    while !waiting.is_empty() {
        let slots = waiting.len().min(workers.len() * SLOTS as usize);
        // On a busy machine a server may have sent two agents into one room.
        let in_use = |agents: &[usize]| agents.iter().sum::<usize>() >= slots;
        let both = [&workers[0], &workers[1]];
        let now_served = serve_until(&world.livekit, &both, &waiting, in_use);
        let left: Vec<_> = waiting.into_iter().filter(|room| !now_served.contains(room)).collect();
        println!("{} of {} rooms found a slot", now_served.len(), now_served.len() + left.len());
        for room in &now_served {
            fleet::delete(&world.livekit, room);
        }
        workers.iter().for_each(|worker| wait_until_served(worker, 0));
        waiting = left;
    }
}

/// Watches the workers until `over`; returns the most slots that one of them ever had in use.
fn most_in_use(workers: &[Worker], over: &CancellationToken) -> u64 {
    let mut most = 0;
    while !over.is_cancelled() {
        for worker in workers {
            let slots = worker.metric("voiced_worker_slots_used").map(|slots| slots as u64);
            most = [slots, served_now(worker)].into_iter().flatten().fold(most, u64::max);
        }
        thread::sleep(LOOK_EVERY);
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rooms_of_a_killed_worker_are_shared_out_to_those_that_live() {
    let world = world().await;
    let mut killed = world.worker(&[SILENT_RETURN]);
    let mut callers = calls(&world, 6).await;
    wait_until_recorded(&world, 6);
    // Neither worker has slots for all rooms.
    let alive = [(); 2].map(|()| world.worker(&["worker.max_sessions=4", SILENT_RETURN, NO_GRACE]));

    killed.process.kill();
    let died = Instant::now();
    let explain = || alive.each_ref().map(Worker::log).join("\n\n");
    come_back(&mut callers, explain).await;
    let recovery = died.elapsed();
    assert_remembered(&world, callers.len());
    let [first, second] = alive.each_ref().map(served);
    assert_eq!(first + second, 6);
    assert!((2..=4).contains(&first), "{first} and {second}");
    assert_one_agent_in_each(&world, &rooms("call", 6));
    assert!(callers.iter().all(|caller| caller.agents() == 1));
    // One of them delivers what the killed one had in its spool.
    let (turns_lost, spans_lost) = lost(&world, 12);
    join_all(callers.into_iter().map(Caller::leave)).await;
    for worker in alive {
        assert_eq!(worker.drain(), Some(0));
    }
    fault::measured("fleet-kill", Measured { recovery, turns_lost, spans_lost });
}

#[tokio::test(flavor = "multi_thread")]
async fn on_hosts_that_share_no_directory_only_the_next_start_goes_back() {
    let world = world().await;
    let start = |name| world.worker_of(host(&world, name), &[SILENT_RETURN, NO_GRACE]);
    let mut killed = start("one");
    let mut callers = calls(&world, 3).await;
    let others = ["two", "three"].map(start);
    killed.process.kill();
    thread::sleep(SEVERAL_LOOKS);
    for other in &others {
        assert_eq!((served(other), resumptions(other, "resumed")), (0, 0.0), "{}", other.log());
    }
    // The workers serve other rooms meanwhile.
    say(&mut world.call("new").await, "hello").await;

    let next = start("one");
    come_back(&mut callers, || next.log()).await;
    assert_remembered(&world, callers.len());
    wait_until_served(&next, 3);
    assert_eq!(resumptions(&next, "resumed"), 3.0);
    assert_one_agent_in_each(&world, &rooms("call", 3));
}

/// Callers who have said their name.
async fn calls(world: &World, count: usize) -> Vec<Caller> {
    let rooms = rooms("call", count);
    let mut callers = join_all(rooms.iter().map(|room| world.call(room))).await;
    for (number, caller) in callers.iter_mut().enumerate() {
        say(caller, &format!("my name is Ada {number}")).await;
    }
    callers
}

/// Waits until each caller has an agent again, and asks it for the name.
async fn come_back(callers: &mut [Caller], explain: impl Fn() -> String) {
    let back = callers.iter_mut().enumerate().map(|(number, caller)| {
        let explain = &explain;
        async move {
            let returned = caller.wait_for_return(PATIENCE).await;
            returned.unwrap_or_else(|error| panic!("{error}\n{}", explain()));
            say(caller, &format!("what is my name, {number}?")).await;
        }
    });
    join_all(back).await;
}

/// Waits for the record, because a caller hears an answer before its turn is over.
fn wait_until_recorded(world: &World, turns: u64) {
    let answered = || world.json(&["sessions", "--json"])["totals"]["answered"].as_u64().unwrap();
    wait_until("the turns are recorded", || answered() == turns, || format!("{} are", answered()));
}

/// The model request for each name holds what that caller said before, and nothing of the other callers.
fn assert_remembered(world: &World, callers: usize) {
    let requests = world.model.requests();
    for number in 0..callers {
        let question = format!("what is my name, {number}?");
        let expected = [
            format!("my name is Ada {number}"),
            format!("You said: my name is Ada {number}"),
            question.clone(),
        ];
        let mut asked = requests.iter().map(|request| texts(&request.body));
        let asked = asked.find(|texts| texts.last() == Some(&question)).expect("it was asked");
        assert_eq!(asked, expected);
    }
}

/// The texts of a request's messages, without the instructions.
fn texts(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().unwrap().iter().skip(1);
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn assert_one_agent_in_each(world: &World, rooms: &[String]) {
    for room in rooms {
        let agents = agents(&world.livekit, room);
        assert_eq!(agents.len(), 1, "{room}: {agents:?}");
    }
}
