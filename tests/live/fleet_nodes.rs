//! Two LiveKit nodes that Redis makes one cluster: workers on either serve the rooms of both, and sessions survive the
//! death of one node where they can.

use std::fmt::Display;
use std::time::{Duration, Instant};

use conversation::Secret;
use futures::future::join_all;
use scripted_model::{Script, Step};
use testbed::{LivekitServer, Redis};
use tokio_util::sync::CancellationToken;
use url::Url;
use voiced::caller::Caller;
use voiced::config::Credentials;
use voiced::room::{JoinOptions, Room, RoomEvent, token};

use crate::support::fault::{self, Measured};
use crate::support::fleet::{self, agents, drain, exit_code, lost, rooms, serve, served, wait_until_served};
use crate::support::skipped;
use crate::support::world::{AGENT_NAME, PATIENCE, Worker, World, say, wait_until};

const NO_GRACE: &str = "agent.leave_grace=0s";

/// A cluster of two nodes. The world's own `livekit` is the first.
struct Cluster {
    world: World,
    second: LivekitServer,
    _redis: Redis,
}

/// How long to wait for a call to a node before it is tried again: for some seconds after a node's death the other
/// nodes still place new rooms on it.
const TRY_AGAIN: Duration = Duration::from_secs(10);

impl Cluster {
    /// None, with a line about it, where there is no Redis.
    async fn start() -> Option<Self> {
        let Some(redis) = Redis::start().expect("redis-server starts") else {
            skipped("redis-server is not installed, so there are no two LiveKit nodes");
            return None;
        };
        let [first, second] = LivekitServer::nodes(&redis).expect("two nodes start");
        let world = World::around(first, Script::always(Step::echo())).await;
        Some(Self { world, second, _redis: redis })
    }

    fn first(&self) -> &LivekitServer {
        &self.world.livekit
    }

    /// A worker that is registered on this node.
    fn worker_on(&self, node: &LivekitServer, settings: &[&str]) -> Worker {
        let mut command = self.world.voiced();
        command.envs(node.environment());
        self.world.worker_of(command, settings)
    }

    /// Joins a new room through this node, with an agent in its token. A room in which no agent appears is given up for
    /// another.
    async fn call(&self, node: &LivekitServer, prefix: impl Display) -> (Caller, String) {
        let deadline = Instant::now() + PATIENCE;
        for attempt in 0.. {
            let room = format!("{prefix}-{attempt}");
            match Caller::join(options(node, &room, Some(AGENT_NAME)), TRY_AGAIN).await {
                Ok(caller) => return (caller, room),
                Err(error) => assert!(Instant::now() < deadline, "no call through {}: {error}", node.url()),
            }
        }
        unreachable!("the deadline comes first")
    }

    /// Joins new rooms through the second node until `node` hosts one.
    async fn call_hosted_by(&self, node: &LivekitServer) -> (Caller, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let prefix = format!("hosted-{}", testbed::unique_hex());
            let (caller, room) = self.call(&self.second, prefix).await;
            if hosts(node, &room) {
                return (caller, room);
            }
            caller.leave().await;
            assert!(Instant::now() < deadline, "{} hosts no room", node.url());
        }
    }
}

fn options(node: &LivekitServer, room: &str, dispatch: Option<&str>) -> JoinOptions {
    let url: Url = node.url().parse().unwrap();
    let (key, secret) = (node.api_key().to_owned(), Secret::new(node.api_secret()));
    let credentials = Credentials { url: url.clone(), key, secret };
    let token = token::caller(&credentials, room, "caller", dispatch).unwrap();
    JoinOptions { url, token, max_text_bytes: 1 << 20 }
}

/// Whether this node hosts the room: Redis and the servers choose the node.
fn hosts(node: &LivekitServer, room: &str) -> bool {
    let log = std::fs::read_to_string(node.log()).unwrap();
    let named = format!("\"room\":{room:?}");
    log.lines().any(|line| line.contains("starting RTC session") && line.contains(&named))
}

/// Number of calls through one node at a time, until both nodes have hosted a room.
const BATCH: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_one_node_serves_the_rooms_that_people_reach_through_the_other() {
    let Some(cluster) = Cluster::start().await else { return };
    let worker = cluster.worker_on(cluster.first(), &[NO_GRACE]);
    let deadline = Instant::now() + PATIENCE;
    let mut hosted = [0, 0];
    while hosted.contains(&0) {
        assert!(Instant::now() < deadline, "one node hosts everything: {hosted:?}");
        let batch = hosted.iter().sum::<usize>();
        let calls = (0..BATCH).map(|call| cluster.call(&cluster.second, format!("room-{}", batch + call)));
        for (mut caller, room) in join_all(calls).await {
            say(&mut caller, "hello").await;
            hosted[usize::from(hosts(&cluster.second, &room))] += 1;
            assert_eq!(agents(&cluster.second, &room).len(), 1);
            caller.leave().await;
        }
    }
    println!("rooms hosted by the worker's node and by the other: {hosted:?}");
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_spread_over_workers_on_both_nodes() {
    let Some(cluster) = Cluster::start().await else { return };
    let slots = ["worker.max_sessions=20", NO_GRACE];
    let workers = [cluster.first(), &cluster.second].map(|node| cluster.worker_on(node, &slots));
    // One after the other: a node's load counts from the next offer on.
    for room in rooms("spread", 20) {
        serve(&cluster.second, &[&workers[0], &workers[1]], &[room]);
    }
    let [first, second] = workers.each_ref().map(served);
    println!("20 rooms over two nodes with a worker of 20 slots each: {first} and {second}");
    assert_eq!(first + second, 20);
    assert!(first > 0 && second > 0, "{first} and {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_dies_the_workers_of_the_others_take_what_comes() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut living = cluster.worker_on(&cluster.second, &[NO_GRACE]);
    let (mut ongoing, _) = cluster.call_hosted_by(&cluster.second).await;
    wait_until_served(&living, 1);
    let waiting = cluster.worker_on(cluster.first(), &[NO_GRACE]);
    say(&mut ongoing, "before").await;

    cluster.first().stop();
    let died = Instant::now();
    wait_until("the dead node is noticed", || waiting.readiness().0 == 503, || waiting.log());
    say(&mut ongoing, "meanwhile").await;
    let (mut new, _) = cluster.call(&cluster.second, "meanwhile").await;
    say(&mut new, "hello").await;
    let recovery = died.elapsed();
    wait_until_served(&living, 2);

    cluster.first().restart().expect("the node comes back");
    waiting.wait_until_ready();
    // From here on only the worker that waited takes jobs.
    drain(&mut living);
    let (mut last, _) = cluster.call(cluster.first(), "afterwards").await;
    say(&mut last, "hello").await;
    assert_eq!(served(&waiting), 1);
    for caller in [ongoing, new, last] {
        caller.leave().await;
    }
    assert_eq!(exit_code(&mut living), Some(0), "{}", living.log());
    assert_eq!(waiting.drain(), Some(0));
    let (turns_lost, spans_lost) = lost(&cluster.world, 4);
    fault::measured("node-kill", Measured { recovery, turns_lost, spans_lost });
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_a_dead_node_move_to_the_other_and_the_conversation_goes_on() {
    let Some(cluster) = Cluster::start().await else { return };
    let worker = cluster.worker_on(&cluster.second, &[]);
    let (mut caller, room) = cluster.call_hosted_by(cluster.first()).await;
    say(&mut caller, "my name is Ada").await;
    cluster.first().stop();
    // The SDKs on both sides notice after some seconds, and reconnect through the node that lives.
    answered_again(&cluster, &mut caller, &worker).await;
    // LiveKit dispatches again for the room that it created again; the worker that serves it answers that no agent is
    // needed.
    assert_eq!(caller.agents(), 1);
    assert_eq!(worker.log().matches("session started").count(), sessions(&worker), "{}", worker.log());
    assert!(hosts(&cluster.second, &room));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_worker_lost_its_node_for_a_moment_goes_on() {
    let Some(cluster) = Cluster::start().await else { return };
    let worker = cluster.worker_on(cluster.first(), &[]);
    let (mut caller, _) = cluster.call_hosted_by(&cluster.second).await;
    say(&mut caller, "my name is Ada").await;
    cluster.first().restart().expect("the node comes back");
    answered_again(&cluster, &mut caller, &worker).await;
    assert_eq!(caller.agents(), 1);
    worker.wait_until_ready();
}

/// Asks for the name until there is an answer, which must follow from what was said before.
async fn answered_again(cluster: &Cluster, caller: &mut Caller, worker: &Worker) {
    let asked_first = Instant::now();
    while caller.say("what is my name?", AGAIN, |_| ()).await.is_err() {
        assert!(asked_first.elapsed() < PATIENCE, "nobody answers any more:\n{}", worker.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("answered again {:.1?} after the death of the node", asked_first.elapsed());
    let asked = cluster.world.model.requests().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("my name is Ada"), "{asked}");
}

/// How long to wait for a reply that may never come.
const AGAIN: Duration = Duration::from_secs(2);

/// The number of different rooms in which the worker had a session.
fn sessions(worker: &Worker) -> usize {
    fleet::assigned(&[worker]).len()
}

/// The least number of dispatches that are timed.
const TIMED: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_listens_after_a_dispatch_through_one_node_and_through_two() {
    let world = World::start(Script::always(Step::echo())).await;
    let worker = world.worker(&[NO_GRACE]);
    let mut alone = Vec::new();
    for room in rooms("alone", TIMED) {
        alone.push(from_dispatch_to_listening(&world.livekit, &room).await);
    }
    report("one node", alone);
    assert_eq!(worker.drain(), Some(0));

    let Some(cluster) = Cluster::start().await else { return };
    let worker = cluster.worker_on(cluster.first(), &[NO_GRACE]);
    let mut took = [Vec::new(), Vec::new()];
    for room in rooms("two", 2 * TIMED) {
        let took_here = from_dispatch_to_listening(&cluster.second, &room).await;
        took[usize::from(hosts(&cluster.second, &room))].push(took_here);
    }
    let [workers, others] = took;
    report("two nodes, the room on the worker's", workers);
    report("two nodes, the room on the other", others);
    assert_eq!(worker.drain(), Some(0));
}

/// The person is in the room before the dispatch, and sees the agent join.
async fn from_dispatch_to_listening(node: &LivekitServer, room: &str) -> Duration {
    let join = options(node, room, None);
    let mut person = Room::join(join, &CancellationToken::new()).await.unwrap();
    let sent = Instant::now();
    fleet::dispatch(node, &[room.to_owned()]);
    let listens = async {
        while !matches!(person.next().await, RoomEvent::Agent { state, .. } if state == "listening") {}
    };
    tokio::time::timeout(PATIENCE, listens).await.unwrap_or_else(|_| panic!("no agent listens in {room}"));
    let took = sent.elapsed();
    person.leave().await;
    took
}

fn report(how: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let (Some(median), Some(longest)) = (took.get(took.len() / 2), took.last()) else { return };
    println!(
        "from dispatch to listening, {how}: median {median:.0?}, longest {longest:.0?} of {}",
        took.len()
    );
}
