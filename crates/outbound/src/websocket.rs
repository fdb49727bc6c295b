//! A client's websocket, opened: the worker's own and the SDK's.

use std::error::Error as _;
use std::io;

use futures::future::BoxFuture;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::{Network, Unreachable, trust};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The step that failed, and the reason in words, with the remedy where certificates or a proxy are to blame.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Tls(String),
    #[error("it was answered {0}")]
    Refused(StatusCode),
    #[error("{0}")]
    Handshake(String),
}

impl Network {
    /// The errors quote no part of the request, since that holds a token. The future is boxed for the reason of
    /// [`HttpClient::send`](crate::client::HttpClient::send).
    pub fn websocket<'a>(
        &'a self,
        url: &'a Url,
        request: Request,
        config: WebSocketConfig,
    ) -> BoxFuture<'a, Result<Socket, OpenError>> {
        Box::pin(self.open_websocket(url, request, config))
    }

    async fn open_websocket(
        &self,
        url: &Url,
        request: Request,
        config: WebSocketConfig,
    ) -> Result<Socket, OpenError> {
        let stream = self.dial(url).await?;
        let tls = Connector::Rustls(self.tls.clone());
        let opened = client_async_tls_with_config(request, stream, Some(config), Some(tls)).await;
        opened.map(|(socket, _)| socket).map_err(|error| self.why(url, error))
    }

    fn why(&self, url: &Url, error: WsError) -> OpenError {
        match error {
            WsError::Http(response) => OpenError::Refused(response.status()),
            error if trust::found(&error).is_some() => OpenError::Tls(self.cause(url, tls_cause(&error))),
            WsError::Io(error) if url.scheme() == "wss" && error.kind() == io::ErrorKind::UnexpectedEof => {
                OpenError::Tls("the other side hung up in the middle of the TLS handshake".to_owned())
            }
            error if url.scheme() == "ws" => {
                OpenError::Handshake(format!("{error}; does it speak TLS there (wss://)?"))
            }
            error => OpenError::Handshake(error.to_string()),
        }
    }
}

/// Without tungstenite's and the I/O error's words around it.
fn tls_cause(error: &WsError) -> &(dyn std::error::Error + 'static) {
    match trust::found(error) {
        Some(refusal) => refusal,
        None => error.source().unwrap_or(error),
    }
}

impl From<Unreachable> for OpenError {
    fn from(Unreachable(reason): Unreachable) -> Self {
        Self::Unreachable(reason)
    }
}
