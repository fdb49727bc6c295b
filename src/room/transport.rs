//! The SDK's way to the server: its websocket and its HTTP requests, made as all of ours are ([`outbound`]). The
//! SDK's own transport would read proxies from the environment past the configuration, for loopback addresses too, and
//! knows no certificates but the system's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use livekit_net::{Header, HttpClient, HttpMethod, HttpResponse, TransportError, WsClient, WsConnectResult};
use livekit_transport::{broken, connected, header_map};
use outbound::{
    network,
    web::{Answer, Web},
    websocket::OpenError,
};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::envelope;

/// The state of a whole room comes in one message; the messages of rooms with thousands of people stay below this.
const MAX_MESSAGE: usize = 16 << 20;
/// For the SDK's HTTP requests, which only ask why a join failed and where else a server is.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// The transport that the SDK is given once.
struct Transport;

/// Makes the SDK connect as we do, and deliver the parts of packets that it leaves out. To be called before a join;
/// only the first call of a process counts.
pub(super) fn install() {
    if !livekit_net::has_ws_client() {
        livekit_net::set_ws_client(Arc::new(Transport));
        livekit_net::set_http_client(Arc::new(Transport));
        livekit::webrtc::turn_tls::set_client_config(network().tls());
        livekit::webrtc::data_channel::set_incoming_filter(envelope::expose);
    }
}

// === impl Transport ===

#[async_trait]
impl WsClient for Transport {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let url = Url::parse(&url).map_err(|error| TransportError::Connection(error.to_string()))?;
        let mut request = url.as_str().into_client_request().map_err(|error| broken(&error))?;
        request.headers_mut().extend(header_map(headers)?);
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let opening = network().websocket(&url, request, config);
        let socket = timeout(Duration::from_millis(timeout_ms), opening)
            .await
            .map_err(|_| TransportError::Timeout)?
            .map_err(unopened)?;
        Ok(connected(socket))
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn request(
        &self,
        method: HttpMethod,
        url: String,
        headers: Vec<Header>,
        body: Option<Vec<u8>>,
    ) -> Result<HttpResponse, TransportError> {
        let url = Url::parse(&url).map_err(|error| TransportError::Connection(error.to_string()))?;
        let method = match method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
        };
        let web = Web::new(HTTP_TIMEOUT, header_map(headers)?);
        let answer = web.request(method, url, body).await;
        let answer = answer.map_err(|error| TransportError::Connection(error.to_string()))?;
        let Answer { status, headers, body, .. } = answer;
        let shown = |(name, value): (&HeaderName, &HeaderValue)| {
            Some(Header { name: name.to_string(), value: value.to_str().ok()?.to_owned() })
        };
        Ok(HttpResponse { status, headers: headers.iter().filter_map(shown).collect(), body })
    }
}

fn unopened(error: OpenError) -> TransportError {
    match error {
        OpenError::Refused(status) => TransportError::Http { status: status.as_u16() },
        error => TransportError::Connection(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    /// The message that the SDK receives of a server that sends one of this many bytes.
    async fn received(bytes: usize) -> Result<Option<usize>, TransportError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let _ = socket.send(Message::Binary(vec![7; bytes].into())).await;
            // Reads until the other side closes.
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        });
        let connection = Transport.connect(url, Vec::new(), 10_000).await.unwrap().connection;
        connection.recv().await.map(|message| message.map(|message| message.len()))
    }

    #[tokio::test]
    async fn a_message_of_a_rooms_socket_may_have_16_mib_and_no_more() {
        assert_eq!(received(MAX_MESSAGE).await.unwrap(), Some(MAX_MESSAGE));
        let refusal = received(MAX_MESSAGE + 1).await.unwrap_err().to_string();
        assert!(refusal.contains("too long"), "{refusal}");
    }
}
