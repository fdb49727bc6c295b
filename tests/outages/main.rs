//! LiveKit, the network between it and the worker, its name or a token is away: sessions and worker live on as far as
//! the protocol lets them, and each is back by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/fault.rs"]
mod fault;
#[path = "../support/private_network.rs"]
mod private_network;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/world.rs"]
mod world;

mod names;
mod network;
mod server;
mod talk;
mod token;
