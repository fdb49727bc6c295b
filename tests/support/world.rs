//! Everything around the worker: a real LiveKit server, a real OpenTelemetry Collector, a scripted model, and the
//! `voiced` binary itself as its own process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use conversation::Secret;
use livekit_api::access_token::{AccessToken, VideoGrants};
use scripted_model::{Script, ScriptedModel};
use serde_json::json;
use testbed::{LivekitServer, OtelCollector, Process, Span};
use url::Url;
use voiced::caller::Caller;
use voiced::config::Credentials;
use voiced::room::{JoinOptions, Room, token};

/// Long enough for a busy machine; only a hang takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The time after which an agent is dispatched once more: a server that is too busy to assign a job forgets the
/// dispatch.
const DISPATCH_AGAIN: Duration = Duration::from_secs(15);

pub(crate) const AGENT_NAME: &str = "tester";

pub(crate) struct World {
    pub(crate) livekit: LivekitServer,
    pub(crate) collector: OtelCollector,
    pub(crate) model: ScriptedModel,
    dir: PathBuf,
}

/// A running `voiced start`.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) http_port: u16,
    log: PathBuf,
}

/// The spans of one turn.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) root: Span,
    pub(crate) request: Option<Span>,
    pub(crate) runs: Vec<Span>,
}

// === impl World ===

impl World {
    pub(crate) async fn start(script: Script) -> Self {
        Self::around(LivekitServer::start().expect("livekit-server starts"), script).await
    }

    /// [`World::start`] with a server that the test made.
    pub(crate) async fn around(livekit: LivekitServer, script: Script) -> Self {
        outbound::install_crypto_provider();
        let dir = std::env::temp_dir().join(format!("voiced-world-{}", testbed::unique_hex()));
        std::fs::create_dir_all(&dir).unwrap();
        let collector = OtelCollector::start().expect("the collector starts");
        let model = ScriptedModel::start(script).await.expect("the scripted model starts");
        Self { livekit, collector, model, dir }
    }

    /// `voiced` with everything it needs in its environment, and nothing of this process's.
    pub(crate) fn voiced(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
        command.current_dir(&self.dir).env_clear().envs(self.livekit.environment());
        command.envs(self.collector.environment());
        command.env("STATE_DIRECTORY", self.state());
        command.env("OPENAI_BASE_URL", self.model.base_url()).env("OPENAI_API_KEY", "sk-test");
        command.env("VOICED_STORE__PATH", self.record());
        command.env("LIVEKIT_AGENT_NAME", AGENT_NAME).env("RUST_LOG", "voiced=debug,info");
        command
    }

    /// `voiced` with these arguments, run to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.voiced().args(arguments).output().unwrap()
    }

    /// The decoded output of [`World::run`], which must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The local record of this world's workers.
    pub(crate) fn record(&self) -> PathBuf {
        self.dir.join("record.sqlite")
    }

    /// The directory in which the worker keeps its spool.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Starts a worker with `--set` for each setting, and waits until it is registered.
    pub(crate) fn worker(&self, settings: &[&str]) -> Worker {
        let worker = self.spawn_worker(settings);
        worker.wait_until_ready();
        worker
    }

    pub(crate) fn spawn_worker(&self, settings: &[&str]) -> Worker {
        self.spawn(self.voiced(), settings)
    }

    /// [`World::worker`] with a command that the test made.
    pub(crate) fn worker_of(&self, command: Command, settings: &[&str]) -> Worker {
        let worker = self.spawn(command, settings);
        worker.wait_until_ready();
        worker
    }

    /// The working directory of the worker, where its logs are too.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// [`World::worker_of`] without waiting for anything.
    pub(crate) fn spawn(&self, mut command: Command, settings: &[&str]) -> Worker {
        let http_port = testbed::free_port().unwrap();
        let log = self.dir.join(format!("worker-{http_port}.log"));
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        command.args(["--set", &format!("http.listen=127.0.0.1:{http_port}"), "start"]);
        let process = Process::spawn("voiced", &mut command, &log).expect("voiced starts");
        Worker { process, http_port, log }
    }

    /// Joins `room` as a caller; the agent is dispatched and listens when this returns.
    pub(crate) async fn call(&self, room: &str) -> Caller {
        self.call_as(room, "caller").await
    }

    pub(crate) async fn call_as(&self, room: &str, identity: &str) -> Caller {
        let token = token::caller(&self.credentials(), room, identity, Some(AGENT_NAME)).unwrap();
        let join = Caller::join(self.join_options(token), PATIENCE);
        tokio::pin!(join);
        loop {
            match tokio::time::timeout(DISPATCH_AGAIN, &mut join).await {
                Ok(caller) => return caller.expect("the agent comes"),
                Err(_) => self.dispatch(room),
            }
        }
    }

    /// Asks the server to send the agent into the room.
    pub(crate) fn dispatch(&self, room: &str) {
        self.dispatch_with(room, "");
    }

    /// [`World::dispatch`] with metadata for the job.
    pub(crate) fn dispatch_with(&self, room: &str, metadata: &str) {
        let grants = admin(room);
        let body = json!({ "agent_name": AGENT_NAME, "room": room, "metadata": metadata });
        self.ask_livekit("AgentDispatchService/CreateDispatch", grants, &body);
    }

    /// Has the server end the room, as any backend would.
    pub(crate) fn delete_room(&self, room: &str) {
        let grants = VideoGrants { room_create: true, ..Default::default() };
        self.ask_livekit("RoomService/DeleteRoom", grants, &json!({ "room": room }));
    }

    /// Has the server remove a participant from a room.
    pub(crate) fn remove(&self, room: &str, identity: &str) {
        let body = json!({ "room": room, "identity": identity });
        self.ask_livekit("RoomService/RemoveParticipant", admin(room), &body);
    }

    /// Has the server take back the dispatches of agents into the room.
    pub(crate) fn delete_dispatches(&self, room: &str) {
        let listed =
            self.ask_livekit("AgentDispatchService/ListDispatch", admin(room), &json!({ "room": room }));
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let dispatches = listed["agent_dispatches"].as_array().expect("a dispatch");
        for dispatch in dispatches {
            let body = json!({ "room": room, "dispatch_id": dispatch["id"] });
            self.ask_livekit("AgentDispatchService/DeleteDispatch", admin(room), &body);
        }
    }

    fn ask_livekit(&self, method: &str, grants: VideoGrants, body: &serde_json::Value) -> String {
        let livekit = &self.livekit;
        let token = AccessToken::with_api_key(livekit.api_key(), livekit.api_secret()).with_grants(grants);
        let authorization = format!("Authorization: Bearer {}\r\n", token.to_jwt().unwrap());
        let path = format!("/twirp/livekit.{method}");
        let answer =
            testbed::http::post_json(livekit.port(), &path, &authorization, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Joins `room` as a person, with nothing dispatched.
    pub(crate) async fn person(&self, room: &str, identity: &str) -> Room {
        let token = token::caller(&self.credentials(), room, identity, None).unwrap();
        Room::join(self.join_options(token), &Default::default()).await.expect("the room can be joined")
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            url: Url::parse(self.livekit.url()).unwrap(),
            key: self.livekit.api_key().to_owned(),
            secret: Secret::new(self.livekit.api_secret()),
        }
    }

    fn join_options(&self, token: Secret) -> JoinOptions {
        JoinOptions { url: self.credentials().url, token, max_text_bytes: 16 << 20 }
    }

    /// Waits until the collector holds `turns` whole traces; ordered by when they began.
    pub(crate) fn traces(&self, turns: usize) -> Vec<Trace> {
        let roots = |spans: &[Span]| spans.iter().filter(|span| span.name == "livekit.llm_call").count();
        let spans = self.collector.wait_for_spans(PATIENCE, |spans| roots(spans) >= turns);
        let spans = spans.unwrap_or_else(|_| {
            let came = roots(&self.collector.spans().unwrap_or_default());
            panic!("{came} of {turns} traces came");
        });
        let mut traces: Vec<_> = testbed::spans::by_trace(&spans).into_iter().map(Trace::from).collect();
        traces.sort_by_key(|trace| trace.root.start_ns);
        assert_eq!(traces.len(), turns, "more traces than turns");
        traces
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

// === impl Worker ===

impl Worker {
    pub(crate) fn wait_until_ready(&self) {
        wait_until("the worker is registered", || self.readiness().0 == 200, || self.log());
    }

    /// Status and body of `/readyz`; status 0 when nothing listens.
    pub(crate) fn readiness(&self) -> (u16, String) {
        testbed::http::get(self.http_port, "/readyz").map_or((0, String::new()), |got| (got.status, got.body))
    }

    /// `/worker`, decoded.
    pub(crate) fn info(&self) -> serde_json::Value {
        let answer = testbed::http::get(self.http_port, "/worker").unwrap();
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The value of a metric without labels in `/metrics`; `None` when it is not there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = testbed::http::get(self.http_port, "/metrics").ok()?.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The path of the log, also after the worker's end.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("the log says {text:?}"), || self.log().contains(text), || self.log());
    }

    /// SIGTERM, and the exit code of the drain.
    pub(crate) fn drain(mut self) -> Option<i32> {
        self.process.terminate().unwrap();
        let status = self.process.wait(PATIENCE).unwrap();
        status.unwrap_or_else(|| panic!("the worker did not drain:\n{}", self.log())).code()
    }
}

// === impl Trace ===

impl From<Vec<Span>> for Trace {
    fn from(spans: Vec<Span>) -> Self {
        let of = |name: &str| spans.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
        let mut runs = of("llm_request_run");
        runs.sort_by_key(|run| run.start_ns);
        let root =
            of("livekit.llm_call").into_iter().next().unwrap_or_else(|| panic!("no root in {spans:?}"));
        Self { root, request: of("llm_request").into_iter().next(), runs }
    }
}

fn admin(room: &str) -> VideoGrants {
    VideoGrants { room_admin: true, room: room.to_owned(), ..Default::default() }
}

/// Polls until `done`; panics with what `explain` says when it takes too long.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool, explain: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", explain());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Says `text` and waits for its echo.
pub(crate) async fn say(caller: &mut Caller, text: &str) {
    let reply = caller.say(text, PATIENCE, |_| ()).await.unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(reply.text.expose(), format!("You said: {text}"));
}

/// The messages of the last model request, each as `role: text`, without the instructions.
pub(crate) fn asked_last(world: &World) -> Vec<String> {
    let request = world.model.requests().pop().unwrap();
    let messages = request.body["messages"].as_array().unwrap().clone();
    let text = |message: &serde_json::Value| {
        format!("{}: {}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap())
    };
    messages.iter().skip(1).map(text).collect()
}
