//! The settings of each part of the program, made from the configuration. The parts do not know the configuration
//! itself.

use super::{Network, Telemetry};
use crate::{net, privacy};

// === impl Telemetry ===

impl Telemetry {
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
