//! WebRTC for voice and data in Rust, over [`str0m`]: a drop-in for the crate `libwebrtc` under LiveKit's client.
//!
//! LiveKit's client crate `livekit` talks WebRTC through `libwebrtc`, which links a prebuilt C++ library. This crate has
//! the part of its public API that `livekit` and programs over it use for voice and data, so the unmodified `livekit` runs
//! without that library:
//!
//! ```toml
//! [patch.crates-io]
//! libwebrtc = { path = "crates/libwebrtc" }
//! ```
//!
//! It works by itself too. A program creates a [`PeerConnection`], adds tracks and data channels, and carries offers,
//! answers and candidates to the peer; `examples/two_peers.rs` does so within one process:
//!
//! ```no_run
//! use libwebrtc::{peer_connection_factory::RtcConfiguration, prelude::*};
//!
//! # async fn example(answer_of_the_peer: impl AsyncFn(String) -> String) -> Result<(), Box<dyn std::error::Error>> {
//! let connection = PeerConnectionFactory::default().create_peer_connection(RtcConfiguration::default())?;
//! let channel = connection.create_data_channel("chat", DataChannelInit::default())?;
//! channel.on_message(Some(Box::new(|message| println!("{:?}", message.data))));
//!
//! let offer = connection.create_offer(OfferOptions::default()).await?;
//! connection.set_local_description(offer.clone()).await?;
//! let answer = answer_of_the_peer(offer.to_string()).await;
//! connection.set_remote_description(SessionDescription::parse(&answer, SdpType::Answer)?).await?;
//! # Ok(())
//! # }
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
//! - No video flows: frames are refused, video streams stay silent. Picture formats and their conversions are absent.
//! - There are no audio devices, no audio processing (echo, gain, noise) and no desktop capture.
//!
//! What is absent does not compile; what is there for `livekit` alone answers with an error or one warning in the log.
//!
//! # Where it comes from
//!
//! ICE's checks, DTLS, SRTP and SCTP are `str0m`'s. The rest is of this crate, after these texts; each module names the
//! sections it follows, and the README has the list by file.
//!
//! - Offers and answers: JSEP (RFC 9429), descriptions RFC 8830, 8841 to 8843, [`session_description`]
//! - Candidates, STUN, TURN: RFC 8445, 8489, 8656, 6544, [`ice_candidate`]
//! - Data channels: RFC 8831, 8832, [`data_channel`]; what is lost of them: RFC 8985, 7765, 7053
//! - Sound: RFC 3550, 6716, 7587, 2198, 6464, [`audio_source`], [`audio_stream`]
//! - Statistics: W3C webrtc-stats, [`stats`]
//! - End-to-end encryption: LiveKit's format, RFC 8018, 5869, [`native::frame_cryptor`]
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
//! # Errors
//!
//! Calls on a connection return an [`RtcError`], whose type tells a description that cannot be applied from a call that is
//! not allowed now and from a failure of the machine, and whose message says what helps. A text that is no description or
//! candidate is a [`SdpParseError`], a message that a channel does not take a [`DataChannelError`].
//!
//! # Limits
//!
//! Nothing grows without bound: at most 16 MiB wait in a channel's send queue, then [`DataChannel::send`] refuses;
//! incoming messages have at most 256 KiB; a connection has at most 1024 channels and 512 transceivers; descriptions of
//! more than 1 MiB are not read. No packet and no description of a peer causes a panic: invalid ones are dropped or
//! become an error.
//!
//! [`PeerConnection`]: peer_connection::PeerConnection
//! [`SdpParseError`]: session_description::SdpParseError
//! [`DataChannelError`]: data_channel::DataChannelError
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
