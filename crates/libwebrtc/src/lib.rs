//! A drop-in for the crate `libwebrtc`, in Rust.
//!
//! LiveKit's client crate `livekit` talks WebRTC through `libwebrtc`, which links a prebuilt C++ library. This crate has
//! the same public API and implements it over [`str0m`], so the unmodified `livekit` runs without that library:
//!
//! ```toml
//! [patch.crates-io]
//! libwebrtc = { path = "crates/libwebrtc" }
//! ```
//!
//! # What works
//!
//! - Peer connections: offers and answers in one or two connections, offers that are dropped, rolled back or edited,
//!   renegotiation, ICE restart, connection states, close from either side.
//! - ICE over UDP, and over TCP when UDP does not come up within two seconds; STUN servers, and TURN servers over UDP, TCP
//!   and TLS; addresses of the machine that come and go.
//! - DTLS and SCTP; data channels in-band and negotiated, ordered or not, reliable or not.
//! - Sound: sources and streams of any rate and number of channels, Opus with in-band FEC, redundancy (RED) and silence
//!   suppression (DTX), a jitter buffer that conceals losses, mute, one source on several tracks.
//! - End-to-end encryption of sound and data packets, with the keys and the format of LiveKit's other SDKs.
//! - Statistics of streams, data channels, the transport and the candidate pair in use.
//! - Video m-lines negotiate: transceivers, directions, streams and [`on_track`] are as in the C++ library.
//!
//! # What does not work
//!
//! - No video flows: frames are refused, video streams stay silent.
//! - There are no audio devices and no desktop capture.
//!
//! # How it runs
//!
//! Each connection has one task, on the tokio runtime of the caller that created it, or on a runtime of the crate's own
//! when there is none. That task alone owns the sockets and the `str0m` instance, and runs all callbacks, one after
//! another. So callbacks must not block and must not wait for a call on their own connection; calls that do not wait
//! are fine, `close` included. Asynchronous calls return after the callbacks that they led to.
//!
//! The task sleeps until a datagram, a call or a deadline; it ends with [`PeerConnection::close`] or with the last handle,
//! after telling the peer, within a second.
//!
//! # Limits
//!
//! Nothing grows without bound: at most 16 MiB wait in a channel's send queue, then [`DataChannel::send`] refuses;
//! incoming messages have at most 256 KiB; a connection has at most 1024 channels and 512 transceivers; descriptions of
//! more than 1 MiB are not read. No packet and no description of a peer causes a panic: invalid ones are dropped or
//! become an error.
//!
//! [`on_track`]: peer_connection::PeerConnection::on_track
//! [`PeerConnection::close`]: peer_connection::PeerConnection::close
//! [`DataChannel::send`]: data_channel::DataChannel::send

#![forbid(unsafe_code)]

mod audio;
mod audio_device;
mod callback;
mod channel_init;
mod configuration;
mod connection_events;
mod connection_state;
mod direction;
mod enum_dispatch;
mod error;
mod frame_queue;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub mod fuzzing;
mod net;
mod pc;
mod random;
mod runtime;
mod sdp_type;
mod track_core;
mod transceiver_init;
mod unsupported;

pub mod audio_frame;
pub mod audio_source;
pub mod audio_stream;
pub mod audio_track;
pub mod data_channel;
pub mod ice_candidate;
pub mod media_stream;
pub mod media_stream_track;
pub mod native;
pub mod outbox;
pub mod peer_connection;
pub mod peer_connection_factory;
pub mod prelude;
pub mod rtp_parameters;
pub mod rtp_receiver;
pub mod rtp_sender;
pub mod rtp_transceiver;
pub mod session_description;
pub mod stats;
pub mod turn_tls;
pub mod video_frame;
pub mod video_source;
pub mod video_stream;
pub mod video_track;

pub use error::{MediaType, RtcError, RtcErrorType};
