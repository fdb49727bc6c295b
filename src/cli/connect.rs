//! `voiced connect`: one session in one room, without a dispatch.

use std::process::ExitCode;

use anyhow::bail;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use turn_store::Store;

use crate::config::Config;
use crate::room::token::{self, AgentToken};
use crate::room::{JoinOptions, Room};
use crate::session::{self, EndReason, Opening};
use crate::shutdown;
use crate::telemetry::Telemetry;
use crate::telemetry::signals::{LogQueue, Signals};

use super::ConnectArgs;
use super::start::{event_logs, parts};

pub(super) async fn run(
    config: Config,
    args: ConnectArgs,
    logs: Option<LogQueue>,
) -> anyhow::Result<ExitCode> {
    config.require_llm()?;
    config.require_speech()?;
    let credentials = config.livekit_credentials()?;
    let shutdown = shutdown::on_signals()?;
    let identity = args.identity.unwrap_or_else(|| super::random_identity("agent"));
    let token = token::agent(
        &credentials,
        &AgentToken {
            room: &args.room,
            identity: &identity,
            display_name: &config.agent.name,
            agent_name: &config.worker.agent_name,
            permissions: &config.permissions(),
        },
    )?;
    let telemetry = Telemetry::start(&config.telemetry.settings(), &config.worker.agent_name, &identity)?;
    let signals = Signals::start(&config.telemetry.settings(), &identity, logs)?;
    let store = Store::start(&config.store.settings());
    let event_logs = event_logs(&config, &telemetry, signals.metrics())?;
    let parts = parts(&config, &telemetry, signals.metrics(), &store, &event_logs)?;
    let options = JoinOptions { url: credentials.url, token, max_text_bytes: config.agent.max_turn_bytes };
    let span = tracing::info_span!("session", room = args.room, session = tracing::field::Empty);
    let held = hold(options, parts, shutdown.drain).instrument(span).await;
    store.shutdown(super::RECORD_TIMEOUT).await;
    event_logs.finish(super::RECORD_TIMEOUT).await;
    super::flush(telemetry, signals).await;
    held.map(|()| ExitCode::SUCCESS)
}

async fn hold(options: JoinOptions, parts: session::Parts, stop: CancellationToken) -> anyhow::Result<()> {
    let mut room = Room::join(options, &stop).await?;
    let name = room.place().room.clone();
    let end = async {
        stop.cancelled().await;
        EndReason::Stopped
    };
    let summary = session::run(&mut room, parts, Opening::default(), end).await;
    room.leave().await;
    match summary.reason {
        EndReason::ConnectionLost(why) => {
            bail!("the connection to room {name:?} was lost: {why}; check the network and the LiveKit server")
        }
        _ => Ok(()),
    }
}
