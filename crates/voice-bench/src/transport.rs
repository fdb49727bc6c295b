//! The SDK's connection to the server: a websocket without TLS, as benchmarks on one machine need it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use livekit_net::{Header, TransportError, WsClient, WsConnectResult};
use livekit_transport::{broken, connected, header_map};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

struct Plain;

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
        request.headers_mut().extend(header_map(headers)?);
        let opening = timeout(Duration::from_millis(timeout_ms), connect_async(request));
        let (socket, _) =
            opening.await.map_err(|_| TransportError::Timeout)?.map_err(|error| broken(&error))?;
        Ok(connected(socket))
    }
}
