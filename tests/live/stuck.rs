//! Words that do not get out: the network is slow, or the connection has died and neither side knows it yet.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use scripted_model::{Script, Step};
use testbed::LivekitServer;
use voiced::caller::Caller;

use crate::support::livekit_door::Door;
use crate::support::private_network::{Cable, inside};
use crate::support::world::{PATIENCE, Worker, World, asked_last, say, wait_until};

const NOTICE: &str = "Sorry, I was gone for a moment. Could you say that again?";
const APOLOGY: &str = "Sorry, I could not answer that. Please try again.";
/// More than may be under way, so that its writer has to wait for the network.
const LONG: usize = 500_000;
/// In this time the SDK begins to restore a connection. LiveKit waits for 5 s.
const AT_ONCE: Duration = Duration::from_secs(3);

/// How a turn stands in the record.
#[derive(Debug)]
struct Turn {
    status: String,
    error_class: Option<String>,
    answer: Option<String>,
}

fn script() -> Script {
    // One word: each packet is as large as packets may be, and takes 15 s where a kilobyte leaves in a second.
    Script::always(Step::echo()).rule("long", Step::reply("x".repeat(LONG)))
}

/// Reads what the agent says, until it is this.
async fn hear(caller: &mut Caller, wanted: &str, worker: &Worker) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while caller.greeting(PATIENCE).await.is_none_or(|text| text.expose() != wanted) {
        assert!(Instant::now() < deadline, "{wanted:?} is not heard:\n{}", worker.log());
    }
}

fn turn(world: &World, question: &str) -> Option<Turn> {
    let record = Connection::open_with_flags(world.record(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let select = "SELECT status, error_class, answer FROM turns WHERE question = ?1 AND status <> 'open'";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Turn { status: row.get(0)?, error_class: row.get(1)?, answer: row.get(2)? })
    };
    record.query_row(select, [question], read).ok()
}

/// The worker on the other side of a cable, its server behind a door at an address of its own.
struct Beyond {
    world: World,
    door: Door,
    cable: Cable,
    worker: Worker,
}

impl Beyond {
    async fn set(settings: &[&str]) -> Self {
        let cable = Cable::lay();
        let livekit = LivekitServer::start_at(cable.our_address()).unwrap();
        let world = World::around(livekit, script()).await;
        // All but the media is reached at another address, so that the media can be cut alone.
        let signal = cable.second_address();
        let door = Door::at(signal, world.livekit.port()).await;
        let model: url::Url = world.model.base_url().parse().unwrap();
        for port in [model.port().unwrap(), world.collector.port()] {
            cable.forward_at(signal, port).await;
        }
        let worker = world.spawn(cable.beyond(&command(&world, signal, &door)), settings);
        worker.wait_for_log("available for jobs");
        Self { world, door, cable, worker }
    }
}

/// `voiced` with the addresses that its neighbours have on its side.
fn command(world: &World, address: IpAddr, door: &Door) -> Command {
    let ours = address.to_string();
    let mut command = world.voiced();
    let there: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_str()?.replace("127.0.0.1", &ours))))
        .collect();
    command.envs(there).env("LIVEKIT_URL", door.url());
    command
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_reply_that_the_write_limit_cuts_failed_with_what_went_out() {
    if inside("stuck::a_reply_that_the_write_limit_cuts_failed_with_what_went_out") {
        run(async {
            let scene = Beyond::set(&[]).await;
            let mut caller = scene.world.call("slow").await;
            say(&mut caller, "hello").await;
            scene.cable.slow_down(Some("8kbit"));
            caller.send("a long one").await.unwrap();
            scene.worker.wait_for_log("a reply could not be written");
            scene.cable.slow_down(None);
            hear(&mut caller, APOLOGY, &scene.worker).await;
            let recorded = || turn(&scene.world, "a long one").is_some();
            wait_until("the turn is recorded", recorded, || scene.worker.log());
            let turn = turn(&scene.world, "a long one").unwrap();
            assert_eq!((turn.status.as_str(), turn.error_class.as_deref()), ("failed", Some("room_write")));
            let out = turn.answer.unwrap_or_default().len();
            assert!(out < LONG / 2, "{out} bytes of {LONG} count as said");
            say(&mut caller, "and now?").await;
            let remembered: usize = asked_last(&scene.world).iter().map(String::len).sum();
            assert!(
                remembered < out + 500,
                "the model is told of {remembered} bytes, {out} of which went out"
            );
            // Its metrics are out of reach, and are counted with this line.
            assert_eq!(scene.worker.log().matches("turn failed: the reply could not be written").count(), 1);
            let traces = scene.world.traces(3);
            let root = traces.iter().find(|trace| trace.root.text("livekit.question") == Some("a long one"));
            assert_eq!(root.unwrap().root.text("error.type"), Some("room_write"));
            caller.leave().await;
            assert_eq!(scene.worker.drain(), Some(0));
        });
    }
}

/// The SDK restores the connection although a write into the old one waits: nothing that it needs is held meanwhile.
#[test]
fn a_write_that_is_stuck_does_not_keep_the_connection_from_being_restored() {
    if inside("stuck::a_write_that_is_stuck_does_not_keep_the_connection_from_being_restored") {
        run(async {
            let scene = Beyond::set(&["agent.leave_grace=60s", "agent.history_tokens=1000000"]).await;
            let mut caller = scene.world.call("stuck").await;
            say(&mut caller, "my name is Ada").await;
            scene.world.model.push([Step::bytes(LONG).delay_ms(1500)]);
            caller.send("tell me a long one").await.unwrap();
            wait_until("the model is asked", || scene.world.model.in_flight() == 1, || scene.worker.log());
            // Of the worker alone: LiveKit forgets data for a caller whose connection breaks, too.
            scene.cable.divert();
            // The words fill what may be under way, and the next write waits.
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert!(!scene.worker.log().contains("the SDK is restoring it"), "{}", scene.worker.log());
            let cut = Instant::now();
            scene.door.shut();
            scene.worker.wait_for_log("the SDK is restoring it");
            assert!(cut.elapsed() < AT_ONCE, "after {:?}:\n{}", cut.elapsed(), scene.worker.log());
            scene.cable.undivert();
            scene.door.open();
            hear_to_the_end(&mut caller, &scene.worker).await;
            say(&mut caller, "what is my name?").await;
            assert!(asked_last(&scene.world).contains(&"user: my name is Ada".to_owned()));
            let log = scene.worker.log();
            assert_eq!(log.matches("session started").count(), 1, "{log}");
            caller.leave().await;
            assert_eq!(scene.worker.drain(), Some(0));
        });
    }
}

/// The long reply is heard as a whole, at the latest when it is written once more.
async fn hear_to_the_end(caller: &mut Caller, worker: &Worker) {
    let (deadline, mut heard) = (Instant::now() + 2 * PATIENCE, Vec::new());
    loop {
        let mut bytes = 0;
        let text = caller.listen(PATIENCE, |words| bytes += words.len()).await;
        if text.as_ref().is_some_and(|text| text.len() == LONG) {
            return;
        }
        heard.push(format!("{bytes} bytes, whole: {}", text.is_some()));
        assert!(Instant::now() < deadline, "of {LONG} bytes came {heard:?}:\n{}", worker.log());
    }
}

/// What the server does by itself when a connection dies in the middle of a long reply and no resume reaches it: it removes
/// us after 5 s and terminates the job.
#[test]
fn the_servers_own_echo_of_a_connection_that_died_brings_the_agent_back() {
    if inside("stuck::the_servers_own_echo_of_a_connection_that_died_brings_the_agent_back") {
        run(async {
            let scene = Beyond::set(&["agent.leave_grace=1s", "agent.history_tokens=1000000"]).await;
            let mut caller = scene.world.call("died").await;
            say(&mut caller, "my name is Ada").await;
            scene.world.model.push([Step::bytes(LONG).delay_ms(1000)]);
            caller.send("tell me a long one").await.unwrap();
            wait_until("the model is asked", || scene.world.model.in_flight() == 1, || scene.worker.log());
            scene.cable.divert();
            scene.door.withhold();
            scene.worker.wait_for_log("LiveKit terminated a job");
            let log = scene.worker.log();
            let [restoring, terminated] =
                ["the SDK is restoring it", "LiveKit terminated a job"].map(|text| log.find(text));
            assert!(restoring.is_some_and(|at| Some(at) < terminated), "the SDK tried nothing:\n{log}");
            scene.worker.wait_for_log("was torn out of its room");
            scene.cable.undivert();
            scene.door.open();
            caller
                .wait_for_return(PATIENCE)
                .await
                .unwrap_or_else(|error| panic!("{error}\n{}", scene.worker.log()));
            hear(&mut caller, NOTICE, &scene.worker).await;
            say(&mut caller, "what is my name?").await;
            assert!(asked_last(&scene.world).contains(&"user: my name is Ada".to_owned()));
            assert!(!scene.worker.log().contains("reason=stopped"), "{}", scene.worker.log());
            caller.leave().await;
            assert_eq!(scene.worker.drain(), Some(0));
        });
    }
}
