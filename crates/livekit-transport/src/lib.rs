//! The websocket under LiveKit's SDK, for programs that open their sockets themselves.
//!
//! The SDK asks a `livekit_net::WsClient` for its connection to the server. Such a client opens a socket of
//! `tokio-tungstenite` in its own way, with the headers of [`header_map`], and hands it over with [`connected`].

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use livekit_net::{Header, TransportError, WsConnectResult, WsConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The SDK reads and writes at the same time.
struct Connection<S> {
    writer: Mutex<SplitSink<WebSocketStream<S>, Message>>,
    reader: Mutex<SplitStream<WebSocketStream<S>>>,
}

/// An open socket, as the SDK takes it.
pub fn connected<S>(socket: WebSocketStream<S>) -> WsConnectResult
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (writer, reader) = socket.split();
    let connection = Connection { writer: Mutex::new(writer), reader: Mutex::new(reader) };
    WsConnectResult { connection: Arc::new(connection) }
}

/// The headers of a request of the SDK. One of them holds the token, so no log shows their values.
pub fn header_map(headers: Vec<Header>) -> Result<HeaderMap, TransportError> {
    let header = |Header { name, value }: Header| {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name).ok()?, value))
    };
    let unsendable = || TransportError::Other("a header that cannot be sent".to_owned());
    headers.into_iter().map(|pair| header(pair).ok_or_else(unsendable)).collect()
}

/// The SDK's error for a socket that could not be opened or has failed.
pub fn broken(error: &Error) -> TransportError {
    TransportError::Connection(error.to_string())
}

// === impl Connection ===

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> WsConnection for Connection<S> {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.writer.lock().await.send(Message::Binary(frame.into())).await.map_err(|error| broken(&error))
    }

    /// The next message. None when the other side has closed, with or without saying so.
    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(message))) => return Ok(Some(message.into())),
                // The answer to a ping is queued by the library, and goes out with the next flush.
                Some(Ok(Message::Ping(_))) => {
                    let _ = self.writer.lock().await.flush().await;
                }
                Some(Ok(Message::Pong(_) | Message::Frame(_) | Message::Text(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    async fn close(&self) {
        let _ = self.writer.lock().await.close().await;
    }
}

/// A server that dies sends no close frame.
fn is_end(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(error) => *error == ProtocolError::ResetWithoutClosingHandshake,
        Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// The server's end and the SDK's.
    async fn pair() -> (WebSocketStream<DuplexStream>, Arc<dyn WsConnection>) {
        let (ours, theirs) = duplex(4096);
        let server = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        (server, connected(client).connection)
    }

    #[tokio::test]
    async fn a_ping_is_answered_while_the_sdk_waits_for_a_message() {
        let (mut server, connection) = pair().await;
        let reading = tokio::spawn(async move { connection.recv().await });
        server.send(Message::Ping("7".into())).await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), Message::Pong("7".into()));
        server.send(Message::Binary("next".into())).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), Some(b"next".to_vec()));
    }

    #[tokio::test]
    async fn a_server_that_dies_ends_the_connection_without_an_error() {
        let (mut server, connection) = pair().await;
        server.send(Message::Binary("last".into())).await.unwrap();
        drop(server);
        assert_eq!(connection.recv().await.unwrap(), Some(b"last".to_vec()));
        assert_eq!(connection.recv().await.unwrap(), None);
    }

    #[test]
    fn header_values_are_not_shown() {
        let header =
            |name: &str, value: &str| vec![Header { name: name.to_owned(), value: value.to_owned() }];
        let map = header_map(header("authorization", "Bearer 1234")).unwrap();
        assert!(map["authorization"] == "Bearer 1234" && !format!("{map:?}").contains("1234"));
        assert!(header_map(header("no name", "")).is_err());
    }
}
