//! LiveKit, the network between it and the worker, or its name is away: sessions and worker survive as far as the
//! protocol allows, and each comes back by itself.

mod names;
mod network;
mod server;
pub(crate) mod talk;
mod token;
