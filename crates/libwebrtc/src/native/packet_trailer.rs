//! Metadata at the end of encoded video frames, which this crate does not have yet.

use crate::{
    peer_connection_factory::PeerConnectionFactory, rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

pub(crate) mod handler;

pub use handler::{
    PacketTrailerHandler, PublishTimingEvent, PublishTimingObserver, PublishTimingStage,
    SubscribeTimingEvent, SubscribeTimingObserver, SubscribeTimingStage,
};

/// A handler for what a sender sends.
pub fn create_sender_handler(
    _peer_factory: &PeerConnectionFactory,
    _sender: &RtpSender,
) -> PacketTrailerHandler {
    PacketTrailerHandler::new()
}

/// A handler for what a receiver receives.
pub fn create_receiver_handler(
    _peer_factory: &PeerConnectionFactory,
    _receiver: &RtpReceiver,
) -> PacketTrailerHandler {
    PacketTrailerHandler::new()
}
