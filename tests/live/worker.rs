//! The worker on real sockets: against a scripted `/agent` endpoint, where the test decides the server's answers, and
//! against a real LiveKit server.

#![allow(unreachable_pub, reason = "what the modules share is public to the others")]
#![allow(clippy::result_large_err, reason = "the refusal of a handshake is tungstenite's own type")]

mod agent_endpoint;
mod drain;
mod faults;
mod jobs;
mod livekit_server;
mod reconnect;
mod running_worker;

use std::time::Duration;

/// Ends a test that hangs; no test waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
