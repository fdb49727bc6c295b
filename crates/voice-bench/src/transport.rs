//! The SDK's connection to the server: a websocket without TLS, as benchmarks on one machine need it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Plain;

/// The SDK reads and writes at the same time.
struct Connection {
    writer: Mutex<SplitSink<Socket, Message>>,
    reader: Mutex<SplitStream<Socket>>,
}

pub(crate) fn install() {
    livekit_net::set_ws_client(Arc::new(Plain));
}

// === impl Plain ===

#[async_trait]
impl WsClient for Plain {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let mut request = url.into_client_request().map_err(|error| broken(&error))?;
        for Header { name, value } in headers {
            let unsendable = || TransportError::Other(format!("the header {name} cannot be sent"));
            let value = HeaderValue::try_from(value).map_err(|_| unsendable())?;
            request.headers_mut().insert(HeaderName::try_from(&name).map_err(|_| unsendable())?, value);
        }
        let opening = timeout(Duration::from_millis(timeout_ms), connect_async(request));
        let (socket, _) =
            opening.await.map_err(|_| TransportError::Timeout)?.map_err(|error| broken(&error))?;
        let (writer, reader) = socket.split();
        let connection = Connection { writer: Mutex::new(writer), reader: Mutex::new(reader) };
        Ok(WsConnectResult { connection: Arc::new(connection) })
    }
}

// === impl Connection ===

#[async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.writer.lock().await.send(Message::Binary(frame.into())).await.map_err(|error| broken(&error))
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(message))) => return Ok(Some(message.into())),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    async fn close(&self) {
        let _ = self.writer.lock().await.close().await;
    }
}

fn broken(error: &Error) -> TransportError {
    TransportError::Connection(error.to_string())
}
