//! LiveKit, the network between it and the worker, its name or a token is away: sessions and worker live on as far as
//! the protocol lets them, and each is back by itself.

mod names;
mod network;
mod server;
pub(crate) mod talk;
mod token;
