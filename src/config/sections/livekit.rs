//! The keys of `[livekit]`.

use conversation::Secret;
use url::Url;

use crate::config::key::{of, section, unset};
use crate::config::kind::{BaseUrl, secret};
use crate::config::variables::Variable;

section! {
    /// `[livekit]`: the server and the key pair that signs our tokens.
    Livekit, "livekit",
        "The LiveKit server, and the key pair that signs our tokens.";

    url: Url = of(&BaseUrl { schemes: &["ws", "wss", "http", "https"] }, r#""ws://127.0.0.1:7880""#)
        .variables(&[Variable::plain("LIVEKIT_URL")])
        .doc("The server's address: ws://, wss://, http:// or https://. LiveKit Cloud: wss://<project>.livekit.cloud");

    api_key: Option<String> = unset(&secret(), r#""devkey""#)
        .variables(&[Variable::plain("LIVEKIT_API_KEY")])
        .doc("One of the server's API keys. `livekit-server --dev` has the key \"devkey\" with the secret \"secret\".\n\
             Needed by `start`, `connect` and `call`.");

    api_secret: Option<Secret> = unset(&secret(), r#""secret""#)
        .variables(&[Variable::plain("LIVEKIT_API_SECRET")])
        .doc("The secret that belongs to api_key. Better kept out of this file: see api_secret_file.");
}
