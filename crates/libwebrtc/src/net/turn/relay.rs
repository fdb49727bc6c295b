//! The task of one allocation: it connects to the server, runs the client and carries datagrams.

use std::{net::SocketAddr, time::Instant};

use tokio::sync::mpsc;

use crate::net::{
    UNREACHABLE,
    turn::{
        Credentials,
        client::{Action, Client, Event},
        link::Link,
    },
    url::ServerUrl,
};

/// Datagrams that wait for the task.
const SEND_QUEUE: usize = 256;

/// The handle of an allocation. Dropping it releases the allocation.
pub(crate) struct Relay {
    commands: mpsc::Sender<Command>,
    dropped: u64,
}

enum Command {
    Send(SocketAddr, Vec<u8>),
    Probe,
}

/// The reports of the task.
#[derive(Debug)]
pub(crate) enum Report {
    /// `local` is our end of the link to the server.
    Allocated {
        relayed: SocketAddr,
        local: SocketAddr,
    },
    Data {
        peer: SocketAddr,
        data: Vec<u8>,
    },
    Ended {
        local: Option<SocketAddr>,
        code: u16,
        text: String,
    },
}

struct Task<F> {
    url: ServerUrl,
    link: Link,
    client: Client,
    report: F,
}

// === impl Relay ===

impl Relay {
    /// Starts the task. It passes its reports to `report`, which returns whether the connection still listens.
    pub(crate) fn start<F, R>(url: ServerUrl, credentials: Credentials, report: F) -> Self
    where
        F: Fn(Report) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        let (commands, inbox) = mpsc::channel(SEND_QUEUE);
        tokio::spawn(run(url, credentials, inbox, report));
        Self { commands, dropped: 0 }
    }

    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        if self.commands.try_send(Command::Send(peer, data.to_vec())).is_err() {
            self.dropped += 1;
            let level = if self.dropped == 1 { log::Level::Debug } else { log::Level::Trace };
            log::log!(level, "relayed datagram to {peer} dropped, {} so far", self.dropped);
        }
    }

    /// Checks whether the allocation still exists. If the queue is full, its commands get the same answer.
    pub(crate) fn probe(&self) {
        _ = self.commands.try_send(Command::Probe);
    }
}

async fn run<F, R>(url: ServerUrl, credentials: Credentials, mut inbox: mpsc::Receiver<Command>, report: F)
where
    F: Fn(Report) -> R + Send + Sync + 'static,
    R: Future<Output = bool> + Send,
{
    let opened = tokio::select! {
        opened = Link::open(&url) => opened,
        () = abandoned(&mut inbox) => return,
    };
    match opened {
        Ok(link) => {
            let client = Client::new(credentials, link.is_stream());
            Task { url, link, client, report }.run(inbox).await;
        }
        Err(error) => {
            report(Report::Ended { local: None, code: UNREACHABLE, text: error.to_string() }).await;
        }
    }
}

/// Returns once the handle is dropped; nothing is sent before there is an allocation.
async fn abandoned(inbox: &mut mpsc::Receiver<Command>) {
    while inbox.recv().await.is_some() {}
}

// === impl Task ===

impl<F, R> Task<F>
where
    F: Fn(Report) -> R + Send + Sync + 'static,
    R: Future<Output = bool> + Send,
{
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut actions = self.client.step(Instant::now(), Event::Start);
        while self.carry_out(actions).await {
            let deadline = self.client.deadline().map(tokio::time::Instant::from);
            actions = tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Send(peer, data)) => {
                        self.client.step(Instant::now(), Event::Send { peer, data: &data })
                    }
                    Some(Command::Probe) => self.client.step(Instant::now(), Event::Probe),
                    None => return self.release(),
                },
                message = self.link.receive() => match message {
                    Ok(message) => self.client.step(Instant::now(), Event::Received(message)),
                    Err(error) => self.client.step(Instant::now(), Event::Lost(&error.to_string())),
                },
                () = sleep_until(deadline) => self.client.step(Instant::now(), Event::Timeout),
            };
        }
        if self.client.dropped() > 0 {
            log::debug!("{}: {} datagrams were dropped", self.url, self.client.dropped());
        }
    }

    /// Returns whether the task goes on.
    async fn carry_out(&mut self, actions: Vec<Action>) -> bool {
        for action in actions {
            let local = self.link.local();
            let report = match action {
                Action::Transmit(message) => {
                    self.transmit(message);
                    continue;
                }
                Action::Allocated(relayed) => Report::Allocated { relayed, local: local.unwrap_or(relayed) },
                Action::Data { peer, data } => Report::Data { peer, data },
                Action::Ended { code, text } => {
                    (self.report)(Report::Ended { local, code, text }).await;
                    return false;
                }
            };
            if !(self.report)(report).await {
                self.release();
                return false;
            }
        }
        true
    }

    fn transmit(&mut self, message: Vec<u8>) {
        if !self.link.send(message) {
            log::trace!("{}: a message was dropped", self.url);
        }
    }

    fn release(&mut self) {
        for action in self.client.step(Instant::now(), Event::Release) {
            if let Action::Transmit(message) = action {
                self.transmit(message);
            }
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
