//! The `/agent` websocket: opens it, carries frames both ways, and explains in plain words why it could not be opened.

mod pump;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use conversation::Secret;
use outbound::network;
use outbound::websocket::{self, Socket};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use self::pump::Pump;
use super::error::{Fault, OpenError};
use super::message::{ServerMessage, WorkerMessage};
use super::observer::Observer;
use super::protocol;
use super::settings::{Names, Settings};

/// DNS, TCP, TLS and the upgrade together.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Offers carry the room's and the dispatch's metadata, which servers keep well below this.
const MAX_FRAME: usize = 4 << 20;
/// Every job has a handful of messages in its life, so this many waiting ones mean that the socket is stuck.
const OUTBOX: usize = 256;
/// The number of frames, each as long as a frame may be, that may wait before the socket is not read.
const INBOX: usize = 8;

/// The place where the worker registers, and the key that it uses.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The `/agent` URL itself.
    url: Url,
    api_key: String,
    api_secret: Secret,
    names: Names,
}

/// One attempt to hold a socket, from the first SYN to the close. Dropping it closes the socket after the messages that
/// were already sent are written.
pub(crate) struct Connection {
    outbox: mpsc::Sender<Outgoing>,
    inbox: mpsc::Receiver<Incoming>,
    task: JoinHandle<()>,
}

/// The events of a connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    Opened,
    Message(Box<ServerMessage>),
    /// A sign of life without other content.
    Alive,
    /// The end of this job is on its way to the server.
    EndWritten {
        job_id: String,
    },
    /// The last event.
    Closed {
        reason: String,
    },
}

/// The queue to the socket is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stuck;

enum Outgoing {
    Message(WorkerMessage),
    Ping,
}

// === impl Endpoint ===

impl Endpoint {
    pub(crate) fn new(settings: &Settings) -> Self {
        let Settings { url, api_key, api_secret, names, .. } = settings;
        Self { url: agent_url(url), api_key: api_key.clone(), api_secret: api_secret.clone(), names: *names }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    fn request(&self) -> Result<Request, OpenError> {
        let unsigned = |why: String| OpenError::new(Fault::Token, why);
        let token = protocol::worker_token(&self.api_key, &self.api_secret).map_err(|error| {
            unsigned(format!("cannot sign a token with {}: {error}", self.names.api_secret))
        })?;
        let mut request = self.url.as_str().into_client_request().map_err(|error| self.unusable(&error))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| unsigned("the signed token is not a valid header".to_owned()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        Ok(request)
    }

    /// Explains why the socket could not be opened and what to do about it. The text is the same from attempt to
    /// attempt, so that it is logged once. It quotes no part of the request, since that holds the token.
    fn describe(&self, error: &websocket::OpenError) -> OpenError {
        let Self { url, names, .. } = self;
        match error {
            websocket::OpenError::Refused(status) => {
                OpenError::new(Fault::Refused(status.as_u16()), self.describe_status(*status))
            }
            websocket::OpenError::Unreachable(reason) => OpenError::new(
                Fault::Unreachable,
                format!("cannot reach LiveKit at {url}: {reason}; is the server up and {} right?", names.url),
            ),
            websocket::OpenError::Tls(reason) => {
                OpenError::new(Fault::Tls, format!("no TLS with LiveKit at {url}: {reason}"))
            }
            websocket::OpenError::Handshake(reason) => self.unusable(reason),
        }
    }

    fn unusable(&self, reason: &impl Display) -> OpenError {
        OpenError::new(Fault::Handshake, format!("no websocket with LiveKit at {}: {reason}", self.url))
    }

    fn describe_status(&self, status: StatusCode) -> String {
        let Self { url, api_key, names, .. } = self;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "LiveKit at {url} refused API key `{api_key}` ({status}): either the server does not know the key, or the secret \
                 is not the key's, or the clocks differ; compare {} with the server's `keys`",
                names.key_pair
            ),
            StatusCode::NOT_FOUND => format!(
                "there is no agent endpoint at {url} ({status}): is {} the address of a LiveKit server?",
                names.url
            ),
            status => format!("LiveKit at {url} did not open the worker socket: {status}"),
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Starts to open the socket. Its success or failure is the first event that `next` returns.
    pub(crate) fn open(endpoint: Endpoint, observer: Arc<dyn Observer>) -> Self {
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let (incoming, inbox) = mpsc::channel(INBOX);
        let task = tokio::spawn(async move {
            let reason = match open(&endpoint).await {
                Ok(socket) => Pump::new(socket, &incoming, outgoing, observer).run().await,
                Err(error) => error.to_string(),
            };
            let _ = incoming.send(Incoming::Closed { reason }).await;
        });
        Self { outbox, inbox, task }
    }

    /// Queues a message, without waiting.
    pub(crate) fn send(&self, message: WorkerMessage) -> Result<(), Stuck> {
        self.queue(Outgoing::Message(message))
    }

    /// Queues a websocket ping, without waiting.
    pub(crate) fn ping(&self) -> Result<(), Stuck> {
        self.queue(Outgoing::Ping)
    }

    /// The next event. Never ends by itself: after `Closed` the connection is to be dropped.
    pub(crate) async fn next(&mut self) -> Incoming {
        let gone = || Incoming::Closed { reason: "the connection's task ended".to_owned() };
        self.inbox.recv().await.unwrap_or_else(gone)
    }

    /// Closes the socket after the queued messages are written. The task that does so ends in limited time.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.task
    }

    /// A queue whose reader is gone is no error: `next` is about to report the reason.
    fn queue(&self, outgoing: Outgoing) -> Result<(), Stuck> {
        match self.outbox.try_send(outgoing) {
            Err(TrySendError::Full(_)) => Err(Stuck),
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }
}

async fn open(endpoint: &Endpoint) -> Result<Socket, OpenError> {
    let request = endpoint.request()?;
    let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
    match timeout(OPEN_TIMEOUT, network().websocket(&endpoint.url, request, config)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(endpoint.describe(&error)),
        Err(_) => {
            let late = format!("LiveKit at {} did not answer within {OPEN_TIMEOUT:?}", endpoint.url);
            Err(OpenError::new(Fault::TimedOut, late))
        }
    }
}

/// Opens the socket as a worker does and closes it again, without registering: the server is there and takes our token.
/// The error is the text of [`Incoming::Closed`].
pub(crate) async fn knock(endpoint: &Endpoint) -> Result<(), OpenError> {
    let mut socket = open(endpoint).await?;
    // The check has succeeded already; a server that does not wait for the close loses nothing.
    let _ = timeout(OPEN_TIMEOUT, socket.close(None)).await;
    Ok(())
}

fn agent_url(base: &Url) -> Url {
    let mut url = base.clone();
    let scheme = match base.scheme() {
        "http" => "ws",
        "https" => "wss",
        other => other,
    };
    // Cannot fail between these four schemes; a foreign one stays and is reported when it is opened.
    let _ = url.set_scheme(scheme);
    // We authenticate by token, and this URL is shown to people.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_path(&format!("{}/agent", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(base: &str) -> String {
        agent_url(&Url::parse(base).unwrap()).to_string()
    }

    #[test]
    fn the_agent_url_keeps_host_port_and_path() {
        assert_eq!(agent("ws://127.0.0.1:7880"), "ws://127.0.0.1:7880/agent");
        assert_eq!(agent("http://localhost:7880/"), "ws://localhost:7880/agent");
        assert_eq!(agent("https://example.com/livekit/"), "wss://example.com/livekit/agent");
        assert_eq!(agent("wss://example.com"), "wss://example.com/agent");
    }

    #[test]
    fn neither_the_request_nor_an_error_shows_the_token_or_the_secret() {
        let secret = "not-to-be-seen-not-to-be-seen-1234";
        let url = Url::parse("ws://127.0.0.1:1").unwrap();
        let endpoint = Endpoint::new(&Settings::new(url, "devkey", Secret::new(secret)));
        let request = endpoint.request().unwrap();
        let token = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
        let shown =
            format!("{endpoint:?} {request:?} {}", endpoint.describe_status(StatusCode::UNAUTHORIZED));
        assert!(token.starts_with("Bearer ey"));
        assert!(!shown.contains(&token[7..]) && !shown.contains(secret), "{shown}");
        assert!(shown.contains("refused API key `devkey`"));
    }
}
