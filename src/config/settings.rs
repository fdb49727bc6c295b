//! The settings of each part of the program, made from the configuration. The parts do not know the configuration
//! itself.

use super::{Network, Telemetry};
use crate::{net, privacy, telemetry};

// === impl Telemetry ===

impl Telemetry {
    pub fn settings(&self) -> telemetry::Settings {
        telemetry::Settings {
            enabled: self.enabled,
            traces: self.traces,
            service_name: self.service_name.clone(),
            resource_attributes: self.resource_attributes.clone(),
            otlp_endpoint: self.otlp_endpoint.clone(),
            otlp_headers: self.otlp_headers.clone(),
            otlp_timeout: self.otlp_timeout,
            otlp_gzip: self.otlp_gzip,
            spool_dir: self.spool_dir.clone(),
            spool_max_bytes: self.spool_max_bytes,
            spool_max_age: self.spool_max_age,
            metrics: self.metrics,
            metrics_endpoint: self.metrics_endpoint.clone(),
            metrics_headers: self.metrics_headers.clone(),
            metrics_timeout: self.metrics_timeout,
            metrics_gzip: self.metrics_gzip,
            metrics_interval: self.metrics_interval,
            metrics_temporality: self.metrics_temporality,
            logs: self.logs,
            logs_endpoint: self.logs_endpoint.clone(),
            logs_headers: self.logs_headers.clone(),
            logs_timeout: self.logs_timeout,
            logs_gzip: self.logs_gzip,
            privacy: self.privacy(),
        }
    }

    pub fn privacy(&self) -> privacy::Settings {
        privacy::Settings {
            capture: self.capture_content,
            builtins: self.redact_builtins.clone(),
            patterns: self.redact.clone(),
            user_id: self.user_id,
            user_id_key: self.user_id_key.clone(),
        }
    }
}

// === impl Network ===

impl Network {
    pub fn settings(&self) -> net::Settings {
        let Self { ca_file, https_proxy, http_proxy, no_proxy } = self.clone();
        net::Settings { ca_file, https_proxy, http_proxy, no_proxy }
    }
}
