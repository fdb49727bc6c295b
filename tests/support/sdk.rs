//! The crate `livekit` by itself, over the transport of `voiced`.

use conversation::Secret;
use livekit_api::access_token::{AccessToken, VideoGrants};
use testbed::LivekitServer;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use url::Url;
use voiced::room::{self, JoinOptions};

/// A token with all rights, including to publish audio, which callers of text do not have.
pub(crate) fn token(livekit: &LivekitServer, room: &str, identity: &str) -> String {
    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(livekit.api_key(), livekit.api_secret());
    token.with_identity(identity).with_grants(grants).to_jwt().unwrap()
}

/// The SDK connects by the transport that the first join of a process installs, which has to be one of ours.
pub(crate) async fn install_transport(livekit: &LivekitServer) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(|| join_and_leave(livekit)).await;
}

async fn join_and_leave(livekit: &LivekitServer) {
    outbound::install_crypto_provider();
    let url = Url::parse(livekit.url()).unwrap();
    let token = Secret::new(token(livekit, "first", "somebody"));
    let options = JoinOptions { url, token, max_text_bytes: 1000 };
    room::Room::join(options, &CancellationToken::new()).await.unwrap().leave().await;
}
