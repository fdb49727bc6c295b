//! Does the LiveKit server take our token? The worker's own socket is opened, and closed before it registers: that
//! proves URL, key and secret at once, and no job can result from it.

use std::sync::Arc;

use outbound::web;

use super::Finding;
use crate::config::Config;
use crate::worker;

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let credentials = match config.livekit_credentials() {
        Ok(credentials) => credentials,
        Err(error) => return error.into(),
    };
    let url = web::shown(&credentials.url);
    let finding = match worker::knock(&credentials).await {
        Ok(()) => Finding::good(format!("{url} takes our token as an agent's")),
        Err(reason) => Finding::failed(reason),
    };
    finding.with("url", url)
}
