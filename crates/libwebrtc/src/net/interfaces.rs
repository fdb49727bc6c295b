//! The addresses of this machine, and their changes.
//!
//! One thread polls them for the whole process. It is a thread and not a task because no runtime is certain to outlive
//! another.

use std::{
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;

const POLL: Duration = Duration::from_secs(3);

/// Empty while there is no watcher.
static WATCH: Mutex<Weak<watch::Sender<Vec<IpAddr>>>> = Mutex::new(Weak::new());

/// Keeps the thread going.
pub(super) struct Watcher {
    addresses: watch::Receiver<Vec<IpAddr>>,
    _alive: Arc<watch::Sender<Vec<IpAddr>>>,
}

impl Watcher {
    pub(super) fn start() -> Self {
        let mut current = WATCH.lock();
        let sender = current.upgrade().unwrap_or_else(|| {
            let sender = Arc::new(watch::Sender::new(addresses()));
            *current = Arc::downgrade(&sender);
            observe(current.clone());
            sender
        });
        Self { addresses: sender.subscribe(), _alive: sender }
    }

    /// The addresses after the next change.
    pub(super) async fn changed(&mut self) -> Vec<IpAddr> {
        match self.addresses.changed().await {
            Ok(()) => self.addresses.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }
}

/// The thread that ends with the last watcher. Without it, connections keep the addresses they began with.
fn observe(sender: Weak<watch::Sender<Vec<IpAddr>>>) {
    let thread = std::thread::Builder::new().name("libwebrtc-addr".to_owned());
    let spawned = thread.spawn(move || {
        loop {
            std::thread::sleep(POLL);
            let Some(sender) = sender.upgrade() else { return };
            sender.send_if_modified(|known| {
                let found = addresses();
                let changed = *known != found;
                *known = found;
                changed
            });
        }
    });
    if let Err(error) = spawned {
        log::warn!("changes of network addresses will not be noticed: {error}");
    }
}

/// The addresses of this machine that a peer may be able to reach. Loopback is included for servers on this machine.
pub(super) fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("the network interfaces cannot be listed ({error}): only loopback is used");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> =
        interfaces.into_iter().map(|interface| interface.ip()).filter(is_usable).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    addresses
}

/// Link-local addresses need a zone that a candidate cannot carry. The loopback address of IPv6 adds nothing to that of
/// IPv4.
pub(super) fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_unspecified() && !v6.is_loopback(),
    }
}
