//! Tests around a real LiveKit server, most of them with a real `voiced` process in a real room.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod chat;
mod check;
mod clock;
mod conversation;
mod drain;
mod encrypted;
mod faults;
mod fleet;
mod fleet_nodes;
mod floods;
mod foreign_spool;
mod forgotten_room;
mod full_disk;
mod hearing;
mod hostile_room;
mod killed_turn;
mod lessons;
mod metrics;
mod network;
mod official_client;
mod otlp_signals;
mod outages;
mod output;
mod privacy;
mod recovery;
mod reload;
mod sessions;
mod soak;
mod speaking;
mod spoken_call;
mod stuck;
mod systemd;
mod terminated;
mod traces;
mod turn;
mod voice;
mod worker;
