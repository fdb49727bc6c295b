//! Joins that are cancelled in the middle: every socket that they opened is closed.

use std::time::Duration;

use conversation::Secret;
use testbed::LivekitServer;
use tokio_util::sync::CancellationToken;
use url::Url;
use voiced::config::Credentials;
use voiced::room::{JoinOptions, Room, token};

const PATIENCE: Duration = Duration::from_secs(60);
const JOINS: u64 = 30;

/// The sockets of this process, which has no other test in it.
fn sockets() -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_are_given_up_leave_no_socket_behind() {
    outbound::install_crypto_provider();
    let server = LivekitServer::start().unwrap();
    let credentials = Credentials {
        url: Url::parse(server.url()).unwrap(),
        key: server.api_key().to_owned(),
        secret: Secret::new(server.api_secret()),
    };
    let options = |number: u64| {
        let token = token::caller(&credentials, "given-up", &format!("caller-{number}"), None).unwrap();
        JoinOptions { url: credentials.url.clone(), token, max_text_bytes: 1000 }
    };
    // This join opens the sockets that the SDK keeps for the life of the process.
    Room::join(options(0), &CancellationToken::new()).await.unwrap().leave().await;
    let before = sockets();
    let mut given_up = 0;
    for number in 1..=JOINS {
        let stop = CancellationToken::new();
        let (stopper, joining) = (stop.clone(), Room::join(options(number), &stop));
        // Cancels some joins in each phase: before the first byte, with half a handshake, and just before the join
        // succeeds.
        let stopping = async move {
            tokio::time::sleep(Duration::from_millis(number * 2)).await;
            stopper.cancel();
        };
        match tokio::join!(joining, stopping).0 {
            Ok(room) => room.leave().await,
            Err(_) => given_up += 1,
        }
    }
    assert!(given_up > 0, "every join was faster than its end, which proves nothing");
    let settled = async {
        while sockets() > before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    assert!(
        settled.is_ok(),
        "{before} sockets before, {} after {given_up} joins that were given up",
        sockets()
    );
}
