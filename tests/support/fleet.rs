//! Several workers of one agent name, and which of them serves which room according to LiveKit and the workers.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use testbed::LivekitServer;

use super::world::{AGENT_NAME, PATIENCE, Worker, World, wait_until};

/// The time after which an agent is dispatched once more: a server that finds no worker, or is too busy to assign a
/// job, forgets the dispatch.
const DISPATCH_AGAIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// The number of agents that a busy machine can let join rooms at once.
const AT_ONCE: usize = 8;
/// Spans of a turn that succeeded at the first attempt.
const SPANS: usize = 3;

pub(crate) fn rooms(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// `voiced` as on a host of its own: nothing on its disk is shared.
pub(crate) fn host(world: &World, name: &str) -> Command {
    let directory = world.dir().join(name);
    let mut command = world.voiced();
    command.env("STATE_DIRECTORY", &directory);
    command.env("VOICED_STORE__PATH", directory.join("record.sqlite"));
    command
}

/// How many rooms the worker serves.
pub(crate) fn served(worker: &Worker) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match served_now(worker) {
            Some(count) => return count,
            None => assert!(Instant::now() < deadline, "/worker does not answer:\n{}", worker.log()),
        }
    }
}

/// [`served`]; `None` when a busy machine does not answer in time.
pub(crate) fn served_now(worker: &Worker) -> Option<u64> {
    let answer = testbed::http::get(worker.http_port, "/worker").ok()?;
    serde_json::from_str::<Value>(&answer.body).ok()?["active_jobs"].as_u64()
}

/// How many rooms each serves.
pub(crate) fn shares(workers: &[&Worker]) -> Vec<u64> {
    workers.iter().map(|worker| served(worker)).collect()
}

pub(crate) fn wait_until_served(worker: &Worker, count: u64) {
    wait_until(&format!("the worker serves {count} rooms"), || served(worker) == count, || worker.log());
}

/// SIGTERM; returns when the worker says that it drains.
pub(crate) fn drain(worker: &mut Worker) {
    worker.process.terminate().unwrap();
    wait_until("the worker drains", || worker.readiness().1.contains("drain"), || worker.log());
}

/// The exit code of a worker that was told to end.
pub(crate) fn exit_code(worker: &mut Worker) -> Option<i32> {
    let ended = worker.process.wait(PATIENCE).unwrap();
    ended.unwrap_or_else(|| panic!("the worker did not end:\n{}", worker.log())).code()
}

pub(crate) fn resumptions(worker: &Worker, result: &str) -> f64 {
    worker.metric(&format!("voiced_worker_resumptions_total{{result=\"{result}\"}}")).unwrap()
}

/// Dispatches an agent to each room, all at once.
pub(crate) fn dispatch(livekit: &LivekitServer, rooms: &[String]) {
    thread::scope(|scope| {
        for room in rooms {
            scope.spawn(move || create_dispatch(livekit, room));
        }
    });
}

/// Dispatches an agent to each room, a few at a time, and again where none came, until there is one in each.
pub(crate) fn serve(livekit: &LivekitServer, workers: &[&Worker], rooms: &[String]) {
    for rooms in rooms.chunks(AT_ONCE) {
        serve_until(livekit, workers, rooms, |agents| agents.iter().all(|count| *count > 0));
    }
}

/// Dispatches an agent to each room, all at once, and again where none came, until `enough` accepts the number of
/// agents in each; returns the rooms that have one.
pub(crate) fn serve_until(
    livekit: &LivekitServer,
    workers: &[&Worker],
    rooms: &[String],
    enough: impl Fn(&[usize]) -> bool,
) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let assigned = assigned(workers);
        let lost: Vec<_> = rooms.iter().filter(|room| !assigned.contains(*room)).cloned().collect();
        dispatch(livekit, &lost);
        let again = Instant::now() + DISPATCH_AGAIN;
        while Instant::now() < again {
            let counts: Vec<_> = rooms.iter().map(|room| agents(livekit, room).len()).collect();
            if enough(&counts) {
                let served = rooms.iter().zip(counts).filter(|(_, count)| *count > 0);
                return served.map(|(room, _)| room.clone()).collect();
            }
            thread::sleep(POLL);
        }
        assert!(Instant::now() < deadline, "nobody came into some of {rooms:?}, such as {lost:?}");
    }
}

/// The rooms of all jobs that these workers ever had, without those that failed. Before an agent is in its room only
/// its worker knows of it.
pub(crate) fn assigned(workers: &[&Worker]) -> BTreeSet<String> {
    let logs = workers.iter().map(|worker| worker.log()).collect::<String>();
    let (assigned, failed) = (rooms_in(&logs, "job assigned"), rooms_in(&logs, "job failed"));
    let times = |rooms: &[String], room: &String| rooms.iter().filter(|it| *it == room).count();
    assigned.iter().filter(|room| times(&assigned, room) > times(&failed, room)).cloned().collect()
}

/// The rooms of the log lines that contain `what`.
fn rooms_in(log: &str, what: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(what));
    let words = lines.filter_map(|line| line.split("room=").nth(1)?.split_whitespace().next());
    words.map(|room| room.trim_matches('"').to_owned()).collect()
}

/// The identities of the agents in a room; one that is still joining is not counted.
pub(crate) fn agents(livekit: &LivekitServer, room: &str) -> Vec<String> {
    let answer = insist(livekit, "RoomService/ListParticipants", room);
    let none = Vec::new();
    let people = answer["participants"].as_array().unwrap_or(&none);
    let agents = people.iter().filter(|person| person["kind"] == "AGENT" && person["state"] == "ACTIVE");
    agents.map(|agent| agent["identity"].as_str().unwrap().to_owned()).collect()
}

/// Deletes a room, which removes its participants.
pub(crate) fn delete(livekit: &LivekitServer, room: &str) {
    insist(livekit, "RoomService/DeleteRoom", room);
}

/// The number of turns that the record does not have as answered, and of their spans that did not reach the collector.
/// Waits for both, so a worker must be alive that delivers what the others left.
pub(crate) fn lost(world: &World, turns: usize) -> (usize, usize) {
    let spans = world.collector.wait_for_spans(PATIENCE, |spans| spans.len() >= SPANS * turns);
    let spans = spans.unwrap_or_else(|_| world.collector.spans().unwrap()).len();
    let recorded = || world.json(&["sessions", "--json"])["totals"]["answered"].as_u64().unwrap() as usize;
    let deadline = Instant::now() + PATIENCE;
    while recorded() < turns && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    (turns.saturating_sub(recorded()), (SPANS * turns).saturating_sub(spans))
}

/// A missing answer leaves open whether there is a dispatch.
fn create_dispatch(livekit: &LivekitServer, room: &str) {
    let body = json!({ "agent_name": AGENT_NAME, "room": room });
    if let Ok(dispatch) = ask(livekit, "AgentDispatchService/CreateDispatch", room, &body) {
        assert!(dispatch["id"].is_string(), "no dispatch was made for {room}: {dispatch}");
    }
}

/// Asks about a room until there is an answer, which may be late on a busy machine.
fn insist(livekit: &LivekitServer, method: &str, room: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask(livekit, method, room, &json!({ "room": room })) {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{method} of {room}: {error}"),
        }
    }
}

/// The answer of LiveKit's API, whatever its status.
fn ask(livekit: &LivekitServer, method: &str, room: &str, body: &Value) -> anyhow::Result<Value> {
    let grants =
        VideoGrants { room_admin: true, room_create: true, room: room.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(livekit.api_key(), livekit.api_secret()).with_grants(grants);
    let authorization = format!("Authorization: Bearer {}\r\n", token.to_jwt()?);
    let path = format!("/twirp/livekit.{method}");
    let answer = testbed::http::post_json(livekit.port(), &path, &authorization, &body.to_string())?;
    Ok(serde_json::from_str(&answer.body)?)
}
