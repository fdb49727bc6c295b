//! Connections over TLS with a private authority and through proxies: a real LiveKit server, a real collector and the
//! model behind them, and the messages when they fail.

use std::process::{Command, Output};

use scripted_model::{Script, Step};

use crate::support::http_proxy::HttpProxy;
use crate::support::tls::Authority;
use crate::support::world::{PATIENCE, World};

const REPLY: &str = "it works over there";

/// The ports at which the neighbours of a world speak TLS.
struct Fronts {
    livekit: u16,
    model: u16,
    collector: u16,
}

// === impl Fronts ===

impl Fronts {
    async fn of(world: &World, authority: &Authority, names: &[&str]) -> Self {
        Self {
            livekit: authority.front(names, world.livekit.port()).await,
            model: authority.front(names, model_port(world)).await,
            collector: authority.front(names, world.collector.port()).await,
        }
    }

    /// `voiced` that reaches its neighbours by TLS under these names.
    fn voiced(&self, world: &World, [livekit, model, collector]: [&str; 3]) -> Command {
        let mut command = world.voiced();
        command.env("LIVEKIT_URL", format!("wss://{livekit}:{}", self.livekit));
        command.env("OPENAI_BASE_URL", format!("https://{model}:{}/v1", self.model));
        let path = receiver_path(world);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://{collector}:{}{path}", self.collector));
        command
    }
}

/// Where the collector takes traces.
fn receiver_path(world: &World) -> String {
    url::Url::parse(&world.collector.endpoint()).unwrap().path().to_owned()
}

fn model_port(world: &World) -> u16 {
    url::Url::parse(&world.model.base_url()).unwrap().port().unwrap()
}

const LOCALHOST: [&str; 3] = ["localhost"; 3];
const NAMES: [&str; 3] = ["lk.test", "llm.test", "otlp.test"];

fn script() -> Script {
    Script::always(Step::reply(REPLY))
}

/// Runs a command to its end without blocking the servers of this test.
async fn run(mut command: Command, arguments: &[&str]) -> (Option<i32>, String) {
    command.args(arguments);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// `voiced check` with the endpoints on a free port.
async fn check(mut command: Command) -> (Option<i32>, String) {
    let listen = format!("http.listen=127.0.0.1:{}", testbed::free_port().unwrap());
    command.env_remove("RUST_LOG");
    run(command, &["--set", &listen, "--set", "store.path=off", "check"]).await
}

/// The line of one check.
fn line<'a>(said: &'a str, name: &str) -> &'a str {
    let found = said.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
    found.unwrap_or_else(|| panic!("{name} is missing in {said}"))
}

/// A worker takes a call of another process and answers it, and its trace arrives.
async fn a_turn(world: &World, voiced: impl Fn() -> Command) {
    let worker = world.worker_of(voiced(), &[]);
    let timeout = format!("{}s", PATIENCE.as_secs());
    let (code, said) =
        run(voiced(), &["call", "--room", "far", "--say", "hello", "--timeout", &timeout]).await;
    assert!(code == Some(0) && said.contains(REPLY), "{said}\n{}", worker.log());
    assert_eq!(world.traces(1)[0].root.status, testbed::spans::Status::Ok);
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_turn_goes_over_tls_with_a_private_authority() {
    let world = World::start(script()).await;
    let authority = Authority::new();
    let fronts = Fronts::of(&world, &authority, &["localhost"]).await;
    let file = authority.file(world.dir());
    let voiced = || {
        let mut command = fronts.voiced(&world, LOCALHOST);
        command.env("VOICED_NETWORK__CA_FILE", &file);
        command
    };
    a_turn(&world, voiced).await;
    let (code, said) = check(voiced()).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variable_that_replaces_the_systems_certificates_counts_for_all() {
    let world = World::start(script()).await;
    let authority = Authority::new();
    let fronts = Fronts::of(&world, &authority, &["localhost"]).await;
    let file = authority.file(world.dir());
    a_turn(&world, || {
        let mut command = fronts.voiced(&world, LOCALHOST);
        command.env("SSL_CERT_FILE", &file);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_authority_everything_says_what_is_wrong_and_what_to_do() {
    let world = World::start(script()).await;
    let authority = Authority::new();
    let fronts = Fronts::of(&world, &authority, &["localhost"]).await;
    let (code, said) = check(fronts.voiced(&world, LOCALHOST)).await;
    assert_eq!(code, Some(1), "{said}");
    for name in ["livekit", "clock", "llm", "otlp"] {
        let line = line(&said, name);
        assert!(line.contains("UnknownIssuer") && line.contains("[network] ca_file"), "{line}");
    }
    // `voiced connect` uses the SDK's own connection, with a token of our making.
    let (code, said) = run(fronts.voiced(&world, LOCALHOST), &["connect", "--room", "far"]).await;
    assert!(code == Some(1) && said.contains("[network] ca_file"), "{said}");
    // The worker goes on trying.
    let worker = world.spawn(fronts.voiced(&world, LOCALHOST), &[]);
    worker.wait_for_log("[network] ca_file");
    assert!(worker.readiness().1.contains("no TLS with LiveKit"), "{:?}", worker.readiness());
    assert_eq!(world.model.requests().len(), 0, "nothing is sent to whom we do not trust");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_refusals_have_words_of_their_own() {
    let world = World::start(script()).await;
    let authority = Authority::new();
    let file = authority.file(world.dir());
    let others = Fronts::of(&world, &authority, &["elsewhere.test"]).await;
    let trusting = |fronts: &Fronts| {
        let mut command = fronts.voiced(&world, LOCALHOST);
        command.env("VOICED_NETWORK__CA_FILE", &file);
        command
    };
    let (_, said) = check(trusting(&others)).await;
    for name in ["livekit", "llm", "otlp"] {
        assert!(line(&said, name).contains("another host's"), "{said}");
    }
    let expired = Fronts {
        livekit: authority.expired_front(&["localhost"], world.livekit.port()).await,
        model: authority.expired_front(&["localhost"], model_port(&world)).await,
        collector: authority.expired_front(&["localhost"], world.collector.port()).await,
    };
    let (_, said) = check(trusting(&expired)).await;
    for name in ["livekit", "llm", "otlp"] {
        assert!(line(&said, name).contains("it has expired"), "{said}");
    }
    let plain = Fronts {
        livekit: world.livekit.port(),
        model: model_port(&world),
        collector: world.collector.port(),
    };
    let (_, said) = check(trusting(&plain)).await;
    for name in ["livekit", "llm", "otlp"] {
        assert!(line(&said, name).contains("does it speak TLS there"), "{said}");
    }
    // Plain websockets and HTTP to ports that speak TLS.
    let mut command = trusting(&others);
    command.env("LIVEKIT_URL", format!("ws://localhost:{}", others.livekit));
    command.env("OPENAI_BASE_URL", format!("http://localhost:{}/v1", others.model));
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://localhost:{}", others.collector));
    let (_, said) = check(command).await;
    assert!(line(&said, "livekit").contains("wss://"), "{said}");
    for name in ["llm", "otlp"] {
        assert!(line(&said, name).contains("https://"), "{said}");
    }
    assert_eq!(world.model.requests().len(), 0, "nothing is sent to any of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_turn_goes_through_a_proxy_that_wants_a_password() {
    let world = World::start(script()).await;
    let authority = Authority::new();
    let fronts = Fronts::of(&world, &authority, &NAMES).await;
    let file = authority.file(world.dir());
    // ada:open sesame
    let proxy = HttpProxy::wanting(Some("Basic YWRhOm9wZW4gc2VzYW1l")).await;
    let voiced = |user: &str| {
        let mut command = fronts.voiced(&world, NAMES);
        command.env("VOICED_NETWORK__CA_FILE", &file);
        command.env("HTTPS_PROXY", format!("http://{user}127.0.0.1:{}", proxy.port));
        command
    };
    let (_, said) = check(voiced("")).await;
    for name in ["livekit", "llm", "otlp"] {
        let line = line(&said, name);
        assert!(line.contains("proxy authorization required") && line.contains("https_proxy"), "{line}");
    }
    a_turn(&world, || voiced("ada:open%20sesame@")).await;
    let asked = proxy.asked();
    for (name, port) in NAMES.iter().zip([fronts.livekit, fronts.model, fronts.collector]) {
        assert!(asked.contains(&format!("CONNECT {name}:{port}")), "{name} is missing in {asked:?}");
    }
    let sockets =
        asked.iter().filter(|asked| **asked == format!("CONNECT lk.test:{}", fronts.livekit)).count();
    assert!(sockets >= 4, "the check's, the worker's, and a room's of the agent and the caller: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_and_websockets_have_a_proxy_of_their_own() {
    let world = World::start(script()).await;
    let proxy = HttpProxy::start().await;
    let (livekit, model, collector) = (world.livekit.port(), model_port(&world), world.collector.port());
    let path = receiver_path(&world);
    a_turn(&world, || {
        let mut command = world.voiced();
        command.env("LIVEKIT_URL", format!("ws://lk.test:{livekit}"));
        command.env("OPENAI_BASE_URL", format!("http://llm.test:{model}/v1"));
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://otlp.test:{collector}{path}"));
        command.env("http_proxy", proxy.url());
        command
    })
    .await;
    let asked = proxy.asked();
    for wanted in [
        format!("CONNECT lk.test:{livekit}"),
        format!("POST http://llm.test:{model}"),
        format!("POST http://otlp.test:{collector}"),
    ] {
        assert!(asked.contains(&wanted), "{wanted} is missing in {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_never_reached_by_a_proxy_and_a_dead_one_is_named() {
    let world = World::start(script()).await;
    let dead = format!("http://127.0.0.1:{}", testbed::free_port().unwrap());
    let voiced = || {
        let mut command = world.voiced();
        command.env("HTTP_PROXY", &dead).env("HTTPS_PROXY", &dead);
        command
    };
    a_turn(&world, voiced).await;

    let mut away = voiced();
    away.env("LIVEKIT_URL", "wss://lk.test").env("OPENAI_BASE_URL", "https://llm.test/v1");
    away.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otlp.test:4318");
    let (code, said) = check(away).await;
    assert_eq!(code, Some(1), "{said}");
    for (name, key) in [("livekit", "https_proxy"), ("llm", "https_proxy"), ("otlp", "http_proxy")] {
        let line = line(&said, name);
        let named = format!("by way of the proxy {dead} ([network] {key})");
        assert!(line.contains(&named) && line.contains("refused"), "{line}");
    }
}
