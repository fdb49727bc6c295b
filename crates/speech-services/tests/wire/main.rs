//! The services over real sockets, against a scripted server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod batch;
mod check;
mod figures;
mod hearing;
mod privacy;
mod speaking;

use std::time::{Duration, Instant};

use scripted_model::{Script, ScriptedModel};
use speech_services::Service;

/// A server that follows a script, and its settings.
async fn server(script: Script) -> (ScriptedModel, Service) {
    let server = ScriptedModel::start(script).await.unwrap();
    let service = Service::new(server.base_url().parse().unwrap(), "scripted");
    (server, service)
}

/// The settings of an API at which no server is.
fn nowhere() -> Service {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    Service::new(format!("http://{address}/v1").parse().unwrap(), "scripted")
}

/// Samples that are heard.
fn loud(milliseconds: usize) -> Vec<i16> {
    (0..milliseconds * 16).map(|at| if at % 40 < 20 { 3000 } else { -3000 }).collect()
}

fn since(started: Instant) -> Duration {
    started.elapsed()
}
