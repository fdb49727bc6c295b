//! Does the LiveKit server take our token? The worker's own socket is opened, and closed before it registers: that
//! proves URL, key and secret at once, and no job can result from it.

use std::sync::Arc;

use outbound::web;

use super::Finding;
use crate::config::Config;

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let settings = match config.worker_settings() {
        Ok(settings) => settings,
        Err(error) => return error.into(),
    };
    let url = web::shown(&settings.url);
    let finding = match agent_worker::knock(&settings).await {
        Ok(()) => Finding::good(format!("{url} takes our token as an agent's")),
        Err(error) => Finding::failed(error.to_string()),
    };
    finding.with("url", url)
}
