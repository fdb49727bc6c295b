//! `voiced start`: the worker, its health endpoints and its telemetry, from start to drain.

use std::process::ExitCode;
use std::sync::Arc;

use agent_worker::{Health, Heartbeat, Outcome, Settings};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use turn_store::Store;

use crate::config::{Config, Loaded};
use crate::event_log::EventLogs;
use crate::http::{self, Access, Sessions};
use crate::job::SessionJobs;
use crate::llm;
use crate::metrics::Metrics;
use crate::observed;
use crate::recovery::Recovery;
use crate::reload::{Reloader, Source};
use crate::session::Parts;
use crate::shutdown::{self, Hangups};
use crate::systemd::{self, Reload, Sources, Watchdog};
use crate::telemetry::Telemetry;
use crate::telemetry::signals::{LogQueue, Signals};
use crate::voice::Voice;

pub(super) async fn run(loaded: Loaded, source: Source, logs: Option<LogQueue>) -> anyhow::Result<ExitCode> {
    let config = loaded.config.clone();
    // Every step that can refuse does so before the first socket is opened.
    config.require_llm()?;
    config.require_speech()?;
    let mut settings = config.worker_settings()?;
    let shutdown = shutdown::on_signals()?;
    let hangups = Hangups::listen()?;
    let telemetry =
        Telemetry::start(&config.telemetry.settings(), &settings.agent_name, &settings.instance_id)?;
    let signals = Signals::start(&config.telemetry.settings(), &settings.instance_id, logs)?;
    let metrics = signals.metrics().clone();
    settings.observer = Arc::new(metrics.clone());
    let (health, healthy) = watch::channel(Health::default());
    observed::worker(&metrics, healthy.clone());
    let sent = signals.clone();
    observed::signals(&metrics, move || sent.status());
    let exported = telemetry.clone();
    observed::export(&metrics, move || exported.status());
    let stop_http = CancellationToken::new();
    let http = serve_http(&config, healthy.clone(), metrics.clone(), stop_http.clone()).await?;
    let reloads = notify_systemd(healthy.clone(), &mut settings);

    let store = Store::start(&config.store.settings());
    let stored = store.clone();
    observed::record(&metrics, move || stored.status());
    let privacy = telemetry.tracer().privacy().clone();
    observed::redaction(&metrics, move || privacy.given_up());
    let (recovery, resumed) = Recovery::start(&config, healthy, &metrics)?;
    let event_logs = event_logs(&config, &telemetry, &metrics)?;
    let (traces, turns, events) = (telemetry.clone(), store.clone(), event_logs.clone());
    let make = move |config: &Config| parts(config, &traces, &metrics, &turns, &events);
    let (renew, parts) = watch::channel(make(&config)?);
    let (change, terms) = watch::channel(config.worker_terms());
    settings.terms = terms;
    let apply = move |config: &Config| {
        renew.send_replace(make(config)?);
        change.send_replace(config.worker_terms());
        Ok(())
    };
    let reloading = tokio::spawn(Reloader::new(source, loaded).follow(hangups, apply, reloads));
    let jobs = Arc::new(SessionJobs::new(parts, recovery).with_roster(&config.livekit_credentials()?));
    let outcome = agent_worker::run(settings, jobs, resumed, shutdown, health).await;

    reloading.abort();
    stop_http.cancel();
    if let Some(http) = http {
        http.await?;
    }
    store.shutdown(super::RECORD_TIMEOUT).await;
    event_logs.finish(super::RECORD_TIMEOUT).await;
    // The outcome is logged before the log's last records leave.
    let code = exit_code(outcome);
    super::flush(telemetry, signals).await;
    Ok(code)
}

/// Reports the worker to systemd, with the signs of life of the worker's own loop. Messages to the returned sender
/// report reloads.
fn notify_systemd(health: watch::Receiver<Health>, settings: &mut Settings) -> mpsc::Sender<Reload> {
    let watchdog = Watchdog::of_process();
    let (beat, beats) = watch::channel(());
    settings.heartbeat = watchdog.beat_every().map(|every| Heartbeat { every, beats: beat });
    let (news, reloads) = mpsc::channel(1);
    tokio::spawn(systemd::follow(Sources { health, beats, reloads }, watchdog));
    news
}

/// The parts of sessions, here and in `connect`.
pub(super) fn parts(
    config: &Config,
    telemetry: &Telemetry,
    metrics: &Metrics,
    store: &Store,
    event_logs: &EventLogs,
) -> anyhow::Result<Parts> {
    let answerer = llm::answerer(config, metrics)?;
    let metrics = metrics.clone();
    let (tracer, store, agent) = (telemetry.tracer(), store.clone(), config.agent.clone());
    let voice = Voice::new(config)?;
    Ok(Parts { answerer, tracer, metrics, store, agent, voice, event_logs: event_logs.clone() })
}

/// The event logs of sessions, here and in `connect`.
pub(super) fn event_logs(
    config: &Config,
    telemetry: &Telemetry,
    metrics: &Metrics,
) -> anyhow::Result<EventLogs> {
    let (store, tracer) = (&config.store, telemetry.tracer());
    Ok(EventLogs::new(store.events_dir.clone(), store.retention, tracer.privacy(), metrics)?)
}

async fn serve_http(
    config: &Config,
    health: watch::Receiver<Health>,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    let Some(address) = config.http.listen else { return Ok(None) };
    let listener = http::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "health endpoints are listening");
    let access = Access::new(address, &config.http);
    let sessions = Sessions::new(&config.store, &config.http);
    let guarded = http::guarded(access, metrics.clone(), sessions);
    let router = http::router(&config.worker.agent_name, health).merge(guarded);
    Ok(Some(tokio::spawn(http::serve(listener, router, metrics, stop))))
}

/// A drain that had to stop sessions is no clean one.
fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Drained => {
            tracing::info!("drained; every session has ended by itself");
            ExitCode::SUCCESS
        }
        Outcome::DrainTimedOut { sessions } => {
            tracing::warn!(sessions, "worker.drain_timeout was over; the remaining sessions were stopped");
            ExitCode::FAILURE
        }
        Outcome::EndedNow { sessions } => {
            tracing::warn!(sessions, "ended by a second signal; the remaining sessions were stopped");
            ExitCode::FAILURE
        }
    }
}
