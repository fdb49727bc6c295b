//! The settings of each part of the program, made from the configuration. The parts do not know the configuration
//! itself.

use agent_worker::{Permission, Terms};
use outbound::Names;
use speech_services::{Quoting, Service, hearing, speaking};
use url::Url;

use super::{
    Config, ConfigError, Credentials, Interruption, Network, Store, Stt, Telemetry, Tts, Turn, Vad,
    VadProvider,
};
use crate::telemetry;

/// For servers and for messages about connections.
const NAMES: Names = Names {
    user_agent: concat!("voiced/", env!("CARGO_PKG_VERSION")),
    ca_file: "[network] ca_file (VOICED_NETWORK__CA_FILE)",
    https_proxy: "[network] https_proxy",
    http_proxy: "[network] http_proxy",
};

/// For messages about the record.
pub(crate) const STORE_NAMES: &turn_store::Names = &turn_store::Names {
    program: "voiced",
    start: "voiced start",
    sessions: "voiced sessions",
    path: "[store] path",
    path_in_full: "[store] path (VOICED_STORE__PATH)",
};

/// The API of providers without a base URL.
const OPENAI: &str = "https://api.openai.com/v1";

const STT_NAMES: speech_services::Names = speech_services::Names {
    base_url: "stt.base_url",
    api_key: "stt.api_key",
    model: "stt.model",
    voice: "stt.model",
    sample_rate: "stt.model",
    timeout: "stt.timeout",
    ca_file: NAMES.ca_file,
};

const TTS_NAMES: speech_services::Names = speech_services::Names {
    base_url: "tts.base_url",
    api_key: "tts.api_key",
    model: "tts.model",
    voice: "tts.voice",
    sample_rate: "tts.sample_rate",
    timeout: "tts.timeout",
    ca_file: NAMES.ca_file,
};

/// For messages of the worker.
pub const WORKER_NAMES: agent_worker::Names = agent_worker::Names {
    url: "livekit.url (LIVEKIT_URL)",
    key_pair: "livekit.api_key and livekit.api_secret (LIVEKIT_API_KEY, LIVEKIT_API_SECRET)",
    api_secret: "livekit.api_secret",
    max_sessions: "worker.max_sessions",
};

// === impl Config ===

impl Config {
    /// Nothing is counted. Fails when there is no key pair to sign the registration with.
    pub fn worker_settings(&self) -> Result<agent_worker::Settings, ConfigError> {
        let Credentials { url, key, secret } = self.livekit_credentials()?;
        Ok(agent_worker::Settings {
            agent_name: self.worker.agent_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            terms: self.worker_terms().fixed(),
            permissions: self.permissions(),
            names: WORKER_NAMES,
            ..agent_worker::Settings::new(url, key, secret)
        })
    }

    /// A voice needs a track.
    pub(crate) fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.worker.permissions.clone();
        if self.tts.is_on() && !permissions.contains(&Permission::Publish) {
            permissions.push(Permission::Publish);
        }
        permissions
    }

    pub fn worker_terms(&self) -> Terms {
        Terms {
            display_name: self.agent.name.clone(),
            max_sessions: self.worker.max_sessions,
            drain_timeout: self.worker.drain_timeout,
        }
    }
}

// === speech ===

impl Config {
    /// The provider of transcripts. None: it is off, or has no model.
    pub fn hearing(&self) -> Option<hearing::Settings> {
        let Stt { base_url, api_key, model, language, timeout, max_attempts, .. } = self.stt.clone();
        let service = Service {
            api_key,
            timeout,
            max_attempts,
            quoting: unquoted(),
            names: STT_NAMES,
            ..Service::new(or_openai(base_url)?, model.filter(|_| self.stt.is_on())?)
        };
        Some(hearing::Settings { language, ..hearing::Settings::new(service) })
    }

    /// The provider of speech. None: it is off, or has no model.
    pub fn speaking(&self) -> Option<speaking::Settings> {
        let Tts {
            base_url, api_key, model, voice, language, sample_rate, speed, timeout, max_attempts, ..
        } = self.tts.clone();
        let service = Service {
            api_key,
            timeout,
            max_attempts,
            quoting: unquoted(),
            names: TTS_NAMES,
            ..Service::new(or_openai(base_url)?, model.filter(|_| self.tts.is_on())?)
        };
        Some(speaking::Settings { language, sample_rate, speed, ..speaking::Settings::new(service, voice) })
    }
}

impl Vad {
    pub fn settings(&self) -> speech::vad::Settings {
        speech::vad::Settings {
            provider: match self.provider {
                VadProvider::Silero => speech::vad::Provider::Silero,
                VadProvider::Energy => speech::vad::Provider::Energy,
            },
            start: self.threshold,
            stop: (self.threshold - 0.15).max(0.01),
            min_speech: self.min_speech,
            min_silence: self.min_silence,
            prefix: self.prefix,
            ..speech::vad::Settings::default()
        }
    }
}

impl Turn {
    pub fn settings(&self) -> speech::turn::Settings {
        let Self { min_delay, max_delay, .. } = self.clone();
        speech::turn::Settings { min_delay, max_delay: max_delay.max(min_delay), ..Default::default() }
    }
}

impl Interruption {
    pub fn settings(&self) -> speech::interruption::Settings {
        speech::interruption::Settings {
            enabled: self.enabled,
            min_duration: self.min_duration,
            min_words: self.min_words as usize,
            resume_after: self.resume_after,
            warm_up: self.warm_up,
        }
    }
}

fn or_openai(base_url: Option<Url>) -> Option<Url> {
    base_url.or_else(|| OPENAI.parse().ok())
}

/// A provider's own words may hold what people said.
fn unquoted() -> Quoting {
    Quoting::new(|_| None)
}

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

    pub fn privacy(&self) -> redaction::Settings {
        redaction::Settings {
            capture: self.capture_content,
            builtins: self.redact_builtins.clone(),
            patterns: self.redact.clone(),
            user_id: self.user_id,
            user_id_key: self.user_id_key.clone(),
        }
    }
}

// === impl Store ===

impl Store {
    pub fn settings(&self) -> turn_store::Settings {
        let Self { path, retention, max_bytes, .. } = self.clone();
        turn_store::Settings { path, retention, max_bytes, names: STORE_NAMES }
    }
}

// === impl Network ===

impl Network {
    pub fn settings(&self) -> outbound::Settings {
        let Self { ca_file, https_proxy, http_proxy, no_proxy } = self.clone();
        outbound::Settings { ca_file, https_proxy, http_proxy, no_proxy, names: NAMES }
    }
}
