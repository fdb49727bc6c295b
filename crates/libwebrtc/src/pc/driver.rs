//! The one task of a connection: it waits, feeds the engine, sends its output and runs the callbacks.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;

use crate::{
    RtcError,
    connection_state::PeerConnectionState,
    net::{Happening, Network, Packet},
    pc::{
        command::{Command, Reply},
        effect::Effect,
        engine::{Engine, NetworkAction},
        shared::Shared,
    },
};

/// Datagrams handled in a row before effects are run and other work gets its turn.
const BATCH: usize = 32;

pub(super) struct Driver {
    shared: Arc<Shared>,
    engine: Engine,
    network: Network,
    commands: mpsc::Receiver<Command>,
}

/// The event that woke the driver.
enum Woken {
    Command(Command),
    Network(Happening),
    Changed,
    Due,
}

/// Marks the connection closed however the driver ends, so that a panic in it cannot leave a program waiting.
struct CloseOnExit(Arc<Shared>);

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, network: Network, commands: mpsc::Receiver<Command>) -> Self {
        let now = Instant::now();
        let mut engine = Engine::new(shared.clone(), now);
        engine.add_local_addresses(network.candidates(), now);
        Self { shared, engine, network, commands }
    }

    pub(super) async fn run(mut self) {
        let _exit = CloseOnExit(self.shared.clone());
        loop {
            self.settle();
            let now = Instant::now();
            if self.engine.is_finished(now) {
                return;
            }
            match self.wait(self.engine.deadline(now)).await {
                Woken::Command(command) => self.command(command),
                Woken::Network(happening) => self.network(happening),
                Woken::Changed => self.engine.sync(Instant::now()),
                Woken::Due => self.engine.timeout(Instant::now()),
            }
        }
    }

    async fn wait(&mut self, deadline: Instant) -> Woken {
        tokio::select! {
            Some(command) = self.commands.recv() => Woken::Command(command),
            () = self.shared.wake.notified() => Woken::Changed,
            happening = self.network.next() => Woken::Network(happening),
            () = tokio::time::sleep_until(deadline.into()) => Woken::Due,
        }
    }

    /// Passes the engine's output to its receivers. No lock is held while callbacks run.
    fn settle(&mut self) {
        for action in self.engine.take_network_actions() {
            match action {
                NetworkAction::Send(transmit) => self.network.send(&transmit),
                NetworkAction::CloseTcp => self.network.close_tcp(),
            }
        }
        for effect in self.engine.take_effects() {
            effect.dispatch(&self.shared.callbacks);
        }
        let gathering = self.shared.state.lock().take_gathering();
        if let Some(config) = gathering {
            self.network.gather(&config);
        }
    }

    fn network(&mut self, happening: Happening) {
        let now = Instant::now();
        match happening {
            Happening::Packet(packet) => self.packets(packet),
            Happening::Found(candidate) => self.engine.local_candidate_found(now, candidate),
            Happening::Lost(candidate) => self.engine.local_candidate_lost(now, &candidate),
            Happening::Failed(error) => self.engine.candidate_failed(error),
            Happening::Gathered => self.engine.gathered(),
        }
    }

    fn packets(&mut self, first: Packet) {
        self.packet(&first);
        for _ in 1..BATCH {
            let Some(packet) = self.network.try_receive() else { break };
            self.packet(&packet);
        }
    }

    fn packet(&mut self, packet: &Packet) {
        let data = self.network.data(packet);
        self.engine.receive(Instant::now(), packet.proto, packet.source, packet.destination, data);
    }

    /// The caller gets its answer after the callbacks that its call led to, as in the W3C API.
    fn command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::CreateOffer(options, reply) => {
                let result = self.engine.create_offer(now, &options);
                self.reply(reply, result);
            }
            Command::CreateAnswer(reply) => {
                let result = self.engine.create_answer();
                self.reply(reply, result);
            }
            Command::SetLocal(description, reply) => {
                let result = self.engine.set_local(now, description);
                self.reply(reply, result);
            }
            Command::SetRemote(description, reply) => {
                let result = self.engine.set_remote(now, description);
                self.reply(reply, result);
            }
            Command::AddCandidate(candidate, reply) => {
                let result = self.engine.add_candidate(now, candidate);
                self.reply(reply, result);
            }
            Command::Stats(of, reply) => {
                let result = Ok(self.engine.stats(now, &of));
                self.reply(reply, result);
            }
        }
    }

    fn reply<T>(&mut self, reply: Reply<T>, result: Result<T, RtcError>) {
        self.settle();
        // A caller that stopped waiting needs no answer.
        let _ = reply.send(result);
    }
}

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.state.lock().close();
        if std::thread::panicking() {
            // Otherwise the program would wait for an event that never comes.
            Effect::Connection(PeerConnectionState::Failed).dispatch(&self.0.callbacks);
        }
        self.0.callbacks.clear();
    }
}
