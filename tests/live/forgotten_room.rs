//! A session in a room that no caller joined and that the server no longer knows: the agent leaves it.
//!
//! A server can let an agent into a room that it is just deleting. A test cannot produce that moment at will; a second
//! server, which never knew the room, gives the same answer about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent_worker::{Assignment, JobControl, JobEnd, RunJob};
use conversation::Secret;
use testbed::LivekitServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use turn_store::Store;
use url::Url;
use voiced::config::{Config, Credentials};
use voiced::job::SessionJobs;
use voiced::llm::OpenAi;
use voiced::metrics::Metrics;
use voiced::recovery::Recovery;
use voiced::room::token;
use voiced::session::Parts;
use voiced::telemetry::spans::Tracer;

/// The agent asks the server within the first minute and a half.
const PATIENCE: Duration = Duration::from_secs(180);

fn credentials(server: &LivekitServer) -> Credentials {
    Credentials {
        url: Url::parse(server.url()).unwrap(),
        key: server.api_key().to_owned(),
        secret: Secret::new(server.api_secret()),
    }
}

fn parts() -> Parts {
    let config = Config::default();
    Parts {
        answerer: Arc::new(OpenAi::new(&config.llm).unwrap()),
        tracer: Tracer::default(),
        metrics: Metrics::default(),
        store: Store::off(),
        agent: config.agent,
        voice: Default::default(),
        event_logs: Default::default(),
    }
}

/// A job in a new room of `home`, whose questions about the room go to `asked`.
fn job(home: &Credentials, asked: &Credentials, room: &str) -> (JoinHandle<JobEnd>, CancellationToken) {
    let jobs = SessionJobs::new(watch::channel(parts()).1, Recovery::off()).with_roster(asked);
    let assignment = Assignment {
        job_id: format!("AJ_{room}"),
        dispatch_id: String::new(),
        room_name: room.to_owned(),
        room_sid: String::new(),
        url: home.url.clone(),
        token: token::caller(home, room, "agent", None).unwrap(),
        identity: "agent".to_owned(),
        metadata: String::new(),
        attributes: HashMap::new(),
    };
    let stop = CancellationToken::new();
    (tokio::spawn(jobs.run(assignment, JobControl::detached(stop.clone()))), stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_its_server_forgot_is_left_and_another_one_is_not() {
    outbound::install_crypto_provider();
    let (home, elsewhere) = (LivekitServer::start().unwrap(), LivekitServer::start().unwrap());
    let (home, elsewhere) = (credentials(&home), (credentials(&elsewhere), home, elsewhere));
    let (waiting, stop) = job(&home, &home, "remembered");
    let (forgotten, _) = job(&home, &elsewhere.0, "forgotten");
    let end =
        tokio::time::timeout(PATIENCE, forgotten).await.expect("the forgotten room is not left").unwrap();
    assert_eq!(end, JobEnd::Success);
    assert!(!waiting.is_finished(), "somebody may still come into the other room");
    stop.cancel();
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), JobEnd::Success);
}
