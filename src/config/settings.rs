//! The settings of each part of the program, made from the configuration. The parts do not know the configuration
//! itself.

use super::Telemetry;
use crate::privacy;

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
