//! LiveKit terminates a job. That is an order where an admin gave one, and nothing but the echo of a lost connection where
//! the server has lost sight of us: then the worker goes back to the people who wait.

use std::time::{Duration, Instant};

use conversation::Text;
use scripted_model::{Script, Step};
use voiced::caller::Caller;

use crate::support::livekit_door::Door;
use crate::support::world::{PATIENCE, Worker, World, asked_last, say, wait_until};

const NOTICE: &str = "Sorry, I was gone for a moment. Could you say that again?";
/// Within this time an order is followed. An agent that stays longer is removed by the server.
const PROMPTLY: Duration = Duration::from_secs(3);
/// In this time a worker that goes back to a room is there.
const LATER: Duration = Duration::from_secs(4);

/// A worker that reaches its server through a door, and callers who do not.
struct Scene {
    world: World,
    door: Door,
    worker: Worker,
}

// === impl Scene ===

impl Scene {
    async fn set() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[&str]) -> Self {
        let world = World::start(Script::always(Step::echo())).await;
        let door = Door::to(world.livekit.port()).await;
        let mut command = world.voiced();
        command.env("LIVEKIT_URL", door.url());
        let worker = world.worker_of(command, settings);
        Self { world, door, worker }
    }

    /// A caller whose agent knows a name.
    async fn acquainted(&self, room: &str) -> Caller {
        let mut caller = self.world.call(room).await;
        say(&mut caller, "my name is Ada").await;
        caller
    }

    /// Returns when the server has passed it on, which takes it some seconds.
    fn delete_dispatches(&self, room: &str) {
        self.world.delete_dispatches(room);
        self.worker.wait_for_log("LiveKit terminated a job");
    }

    fn terminate(&self, room: &str) {
        self.door.terminate(&job_id(&self.worker, room));
    }

    /// No participant can come into rooms, and the worker has noticed for the calls under way.
    fn cut_off(&self, calls: usize) {
        let before = self.said("the SDK is restoring it");
        self.door.shut();
        wait_until(
            "the worker notices",
            || self.said("the SDK is restoring it") >= before + calls,
            || self.worker.log(),
        );
    }

    fn said(&self, text: &str) -> usize {
        self.worker.log().matches(text).count()
    }

    fn wait_for_end(&self, reason: &str) {
        let ended = format!("session ended reason={reason}");
        wait_until(
            &format!("the log says {ended:?}"),
            || plain(&self.worker.log()).contains(&ended),
            || self.worker.log(),
        );
    }

    fn jobs(&self, result: &str) -> Option<f64> {
        self.worker.metric(&format!("voiced_worker_jobs_total{{result=\"{result}\"}}"))
    }

    /// The session ended by order: at once, well, and for good.
    async fn ended_by_order(&self, ordered: Instant, reason: &str) {
        self.wait_for_end(reason);
        assert!(ordered.elapsed() < PROMPTLY, "after {:?}:\n{}", ordered.elapsed(), self.worker.log());
        wait_until("the job ended well", || self.jobs("success") == Some(1.0), || self.worker.log());
        tokio::time::sleep(LATER).await;
        assert_eq!(
            (self.said("going back to a room"), self.said("session started")),
            (0, 1),
            "{}",
            self.worker.log()
        );
    }
}

/// Without the quotation marks around values of several words.
fn plain(log: &str) -> String {
    log.replace('"', "")
}

fn job_id(worker: &Worker, room: &str) -> String {
    let log = plain(&worker.log());
    let assigned = |line: &&str| line.contains("job assigned") && line.contains(&format!("room={room}"));
    let line = log.lines().rfind(assigned).unwrap_or_else(|| panic!("no job for {room}:\n{log}"));
    let id = line.split_whitespace().find_map(|word| word.strip_prefix("job_id="));
    id.unwrap_or_else(|| panic!("no id in {line:?}")).to_owned()
}

/// The agent is back where the caller waited, knows them, and its first job has failed.
async fn is_back(scene: &Scene, caller: &mut Caller) {
    caller.wait_for_return(PATIENCE).await.unwrap_or_else(|error| panic!("{error}\n{}", scene.worker.log()));
    let notice = caller.greeting(PATIENCE).await;
    assert_eq!(notice.as_ref().map(Text::expose), Some(NOTICE), "{}", scene.worker.log());
    say(caller, "what is my name?").await;
    assert!(
        asked_last(&scene.world).contains(&"user: my name is Ada".to_owned()),
        "{:?}",
        asked_last(&scene.world)
    );
    assert_eq!(caller.agents(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_of_a_broken_connection_brings_the_agent_back() {
    let scene = Scene::set().await;
    let mut caller = scene.acquainted("echo").await;
    scene.cut_off(1);
    scene.terminate("echo");
    scene.wait_for_end("the connection to the room was lost");
    scene.door.open();
    is_back(&scene, &mut caller).await;
    assert_eq!((scene.jobs("failed"), scene.jobs("success")), (Some(1.0), Some(0.0)));
    assert_eq!(scene.said("reason=stopped"), 0);
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_that_is_heard_before_the_break_brings_the_agent_back() {
    let scene = Scene::set().await;
    let mut caller = scene.acquainted("early").await;
    scene.terminate("early");
    scene.cut_off(1);
    scene.wait_for_end("the connection to the room was lost");
    scene.door.open();
    is_back(&scene, &mut caller).await;
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

/// Of a server whose echo gets lost, the room's own end is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_of_a_session_that_is_in_its_room_ends_nothing() {
    let scene = Scene::set().await;
    let mut caller = scene.acquainted("live").await;
    scene.terminate("live");
    scene.worker.wait_for_log("the session goes on");
    say(&mut caller, "what is my name?").await;
    assert!(asked_last(&scene.world).contains(&"user: my name is Ada".to_owned()));
    assert_eq!((scene.said("session started"), scene.said("session ended")), (1, 0));
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_an_admin_removes_stays_away() {
    let scene = Scene::set().await;
    let caller = scene.acquainted("removed").await;
    let removed = Instant::now();
    scene.world.remove("removed", caller.agent());
    scene.ended_by_order(removed, "the room closed: participant_removed").await;
    assert_eq!(caller.agents(), 0);
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_dispatch_is_deleted_leaves_at_once() {
    let scene = Scene::set().await;
    let caller = scene.acquainted("undone").await;
    scene.delete_dispatches("undone");
    scene.ended_by_order(Instant::now(), "stopped").await;
    assert_eq!(caller.agents(), 0);
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_that_is_deleted_while_the_connection_is_away_ends_the_session() {
    let scene = Scene::set().await;
    let caller = scene.acquainted("undone").await;
    scene.cut_off(1);
    scene.delete_dispatches("undone");
    scene.ended_by_order(Instant::now(), "stopped").await;
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_deleted_while_the_connection_is_away_is_not_gone_back_to() {
    let scene = Scene::set().await;
    let caller = scene.acquainted("deleted").await;
    scene.cut_off(1);
    let deleted = Instant::now();
    scene.world.delete_room("deleted");
    scene.terminate("deleted");
    scene.wait_for_end("");
    assert!(deleted.elapsed() < 2 * PROMPTLY, "{}", scene.worker.log());
    tokio::time::sleep(LATER).await;
    assert_eq!(
        (scene.said("going back to a room"), scene.jobs("success")),
        (0, Some(1.0)),
        "{}",
        scene.worker.log()
    );
    caller.leave().await;
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_in_an_empty_room_ends_the_session() {
    let scene = Scene::set().await;
    let caller = scene.acquainted("empty").await;
    scene.cut_off(1);
    caller.leave().await;
    scene.terminate("empty");
    scene.wait_for_end("everybody left");
    wait_until("the job ended well", || scene.jobs("success") == Some(1.0), || scene.worker.log());
    assert_eq!(scene.worker.drain(), Some(0));
}

/// Rooms that are torn at the same time, `rounds` times.
async fn torn(rooms: usize, rounds: usize) {
    let scene = Scene::with(&["agent.leave_grace=1s"]).await;
    for round in 0..rounds {
        let names: Vec<_> = (0..rooms).map(|number| format!("torn-{round}-{number}")).collect();
        let calls = names.iter().map(|name| scene.acquainted(name));
        let mut callers = futures::future::join_all(calls).await;
        scene.cut_off(rooms);
        names.iter().for_each(|name| scene.terminate(name));
        let lost = (round + 1) * rooms;
        wait_until("all are lost", || scene.said("was torn out of its room") == lost, || scene.worker.log());
        scene.door.open();
        for caller in &mut callers {
            is_back(&scene, caller).await;
        }
        futures::future::join_all(callers.into_iter().map(Caller::leave)).await;
        wait_until("all are over", || scene.said("session ended") == 2 * lost, || scene.worker.log());
        assert_eq!(scene.said("reason=stopped"), 0);
    }
    assert_eq!(scene.worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_five_rooms_whose_connection_broke_at_once_has_its_agent_back() {
    torn(5, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: the test above, ten times"]
async fn each_of_fifty_connections_that_broke_has_its_agent_back() {
    torn(5, 10).await;
}
