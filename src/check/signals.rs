//! Do the receivers of metrics and logs take them, where these are switched on? Each gets an empty request: it leaves
//! no record there, and still proves the address, the path, the credentials and the right to write.

use std::sync::Arc;

use outbound::web;

use super::{Finding, Verdict, disk, otlp};
use crate::config::Config;
use crate::telemetry::signals::{self, Probed};
use crate::telemetry::{Settings, StartError};

pub(super) async fn metrics(config: Arc<Config>) -> Finding {
    let is_on = config.telemetry.metrics;
    ask("metrics", is_on, &config.telemetry.settings(), signals::probe_metrics).await
}

pub(super) async fn logs(config: Arc<Config>) -> Finding {
    let is_on = config.telemetry.logs;
    ask("logs", is_on, &config.telemetry.settings(), signals::probe_logs).await
}

async fn ask(
    signal: &'static str,
    is_on: bool,
    telemetry: &Settings,
    probe: fn(&Settings) -> Result<Option<Probed>, StartError>,
) -> Finding {
    if !telemetry.enabled || !is_on {
        let key = if is_on { "enabled" } else { signal };
        return Finding::skipped(format!("telemetry.{key} is false: no {signal} leave over OTLP"));
    }
    let settings = otlp::settings(telemetry);
    disk::blocking(move || judge(signal, probe(&settings))).await
}

fn judge(signal: &'static str, probed: Result<Option<Probed>, StartError>) -> Finding {
    match probed {
        Err(error) => Finding::new(Verdict::Misconfigured, error.to_string()),
        Ok(None) => Finding::new(
            Verdict::Warned,
            format!(
                "telemetry.{signal} is true, but neither telemetry.otlp_endpoint nor telemetry.{signal}_endpoint is set: they \
                 leave for nowhere"
            ),
        ),
        Ok(Some(Probed { url, trouble })) => {
            let shown = web::shown(&url);
            let taken = || Finding::good(format!("{shown} takes {signal}"));
            trouble.map_or_else(taken, Finding::failed).with("url", shown.as_str())
        }
    }
}
