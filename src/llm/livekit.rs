//! LiveKit Inference: models of several providers behind one gateway, which the key pair of a LiveKit project opens.
//!
//! The gateway speaks OpenAI's chat completions. Each request has a token of its own, since one that was signed at the
//! start would expire.

use std::time::Duration;

use conversation::Secret;
use livekit_api::access_token::{AccessToken, AccessTokenError, InferenceGrants};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::openai::{self, bearer};
use super::{BuildError, OpenAi};
use crate::config::{Config, Credentials};
use crate::metrics::Metrics;

/// A token is used at once; ten minutes allow for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(600);
/// The subject of the token, which LiveKit's own agents use.
const IDENTITY: &str = "agent";
/// Marks the requests of one answerer, for the support of LiveKit.
const SESSION_ID: HeaderName = HeaderName::from_static("x-livekit-session-id");

const KEY_PAIR: BuildError = BuildError::Credentials(
    "LiveKit Inference wants livekit.api_key and livekit.api_secret, which sign its tokens",
);

/// The key pair that signs the tokens.
struct Inference {
    credentials: Credentials,
    session_id: HeaderValue,
}

/// # Errors
/// There is no key pair, or no token can be signed with it; and those of [`OpenAi::new`].
pub(super) fn answerer(config: &Config, metrics: &Metrics) -> Result<OpenAi, BuildError> {
    let credentials = config.livekit_credentials().map_err(|_| KEY_PAIR)?;
    let inference = Inference { credentials, session_id: session_id() };
    inference.token().map_err(|_| KEY_PAIR)?;
    OpenAi::with(&config.llm, metrics, Box::new(inference))
}

fn session_id() -> HeaderValue {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
    HeaderValue::try_from(format!("inference_{random}")).unwrap_or(HeaderValue::from_static("inference"))
}

// === impl Inference ===

impl Inference {
    fn token(&self) -> Result<HeaderValue, AccessTokenError> {
        let Credentials { key, secret, .. } = &self.credentials;
        let token = AccessToken::with_api_key(key, secret.expose())
            .with_ttl(LIFETIME)
            .with_identity(IDENTITY)
            .with_inference_grants(InferenceGrants::default().with_perform())
            .to_jwt()?;
        // A token is base64 and dots, which every header can hold.
        bearer(&Secret::new(token)).ok_or(AccessTokenError::InvalidKeys)
    }
}

impl openai::Credentials for Inference {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(SESSION_ID, self.session_id.clone())]);
        match self.token() {
            Ok(token) => drop(headers.insert(AUTHORIZATION, token)),
            // The gateway will refuse the request, and the failure names the key pair.
            Err(error) => tracing::error!("no token for LiveKit Inference could be signed: {error}"),
        }
        headers
    }
}
