//! A TCP proxy in front of the model that can be shut: open connections are cut, and the kernel refuses new ones, as
//! for a server that is down.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) struct Door {
    address: SocketAddr,
    target: SocketAddr,
    open: Option<Open>,
}

struct Open {
    shut: CancellationToken,
    listening: JoinHandle<()>,
}

// === impl Door ===

impl Door {
    /// An open proxy to the server at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let target = Url::parse(url).unwrap().socket_addrs(|| None).unwrap()[0];
        let address = (Ipv4Addr::LOCALHOST, testbed::free_port().unwrap()).into();
        let mut door = Self { address, target, open: None };
        door.open().await;
        door
    }

    /// The setting that makes a worker ask its model through the proxy.
    pub(crate) fn setting(&self) -> String {
        format!("llm.base_url=http://{}/v1", self.address)
    }

    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let shut = CancellationToken::new();
        let listening = tokio::spawn(listen(listener, self.target, shut.clone()));
        self.open = Some(Open { shut, listening });
    }

    /// The port is closed when this returns.
    pub(crate) async fn shut(&mut self) {
        let Some(Open { shut, listening }) = self.open.take() else { return };
        shut.cancel();
        listening.await.unwrap();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, shut: CancellationToken) {
    while let Some(Ok((client, _))) = shut.run_until_cancelled(listener.accept()).await {
        tokio::spawn(shut.clone().run_until_cancelled_owned(pass(client, target)));
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(target).await {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}
