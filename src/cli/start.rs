//! `voiced start`: the worker, its health endpoints and its telemetry, from start to drain.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::http::{self, Access, Sessions};
use crate::job::SessionJobs;
use crate::llm::OpenAi;
use crate::metrics::Metrics;
use crate::privacy::Privacy;
use crate::record::Record;
use crate::session::Parts;
use crate::shutdown::Shutdown;
use crate::systemd;
use crate::telemetry::Telemetry;
use crate::telemetry::signals::{LogQueue, Signals};
use crate::worker::{self, Health};

pub(super) async fn run(config: Config, logs: Option<LogQueue>) -> anyhow::Result<ExitCode> {
    // Everything that can refuse does so before the first socket is opened.
    config.require_llm()?;
    let mut settings = worker::Settings::new(&config)?;
    let shutdown = Shutdown::on_signals()?;
    let telemetry = Telemetry::start(&config.telemetry, &settings.agent_name, &settings.instance_id)?;
    let signals = Signals::start(&config.telemetry, &settings.instance_id, logs)?;
    let metrics = signals.metrics().clone();
    settings.metrics = metrics.clone();
    let (health, healthy) = watch::channel(Health::default());
    metrics.observe_worker(healthy.clone());
    let exported = telemetry.clone();
    metrics.observe_export(move || exported.status());
    let stop_http = CancellationToken::new();
    let http = serve_http(&config, healthy.clone(), metrics.clone(), stop_http.clone()).await?;
    let notifying = tokio::spawn(systemd::follow(healthy));

    let record = Record::start(&config.store, Privacy::new(&config.telemetry));
    let recorded = record.clone();
    metrics.observe_record(move || recorded.status());
    let jobs = Arc::new(SessionJobs::new(parts(&config, &telemetry, &metrics, &record)?));
    let outcome = worker::run(settings, jobs, shutdown, health).await;

    stop_http.cancel();
    if let Some(http) = http {
        http.await?;
    }
    notifying.abort();
    record.shutdown(super::RECORD_TIMEOUT).await;
    // Said before the log's last records leave.
    let code = exit_code(outcome);
    super::flush(telemetry, signals).await;
    Ok(code)
}

/// What sessions are made of, here and in `connect`.
pub(super) fn parts(
    config: &Config,
    telemetry: &Telemetry,
    metrics: &Metrics,
    record: &Record,
) -> anyhow::Result<Parts> {
    let answerer = Arc::new(OpenAi::counted(&config.llm, metrics)?);
    let metrics = metrics.clone();
    let (tracer, record, agent) = (telemetry.tracer(), record.clone(), config.agent.clone());
    Ok(Parts { answerer, tracer, metrics, record, agent, traceparent: None })
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
    let router =
        http::router(&config.worker.agent_name, health).merge(http::guarded(access, metrics, sessions));
    Ok(Some(tokio::spawn(http::serve(listener, router, stop))))
}

/// Sessions that had to be cut are no clean drain.
fn exit_code(outcome: worker::Outcome) -> ExitCode {
    match outcome {
        worker::Outcome::Drained => {
            tracing::info!("drained; every session has ended by itself");
            ExitCode::SUCCESS
        }
        worker::Outcome::DrainTimedOut { sessions } => {
            tracing::warn!(sessions, "worker.drain_timeout was over; the remaining sessions were stopped");
            ExitCode::FAILURE
        }
        worker::Outcome::EndedNow { sessions } => {
            tracing::warn!(sessions, "ended by a second signal; the remaining sessions were stopped");
            ExitCode::FAILURE
        }
    }
}
