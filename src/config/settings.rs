//! What each part of the program is told of the configuration. The parts know their own settings, and nothing of this.

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
