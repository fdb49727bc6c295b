//! The transport that takes batches to the receiver.

use crate::delivery::Delivery;
use crate::post::Post;

/// Takes batches away, on a thread that may block.
pub trait Transport: 'static {
    fn carry(&mut self, batch: &[u8]) -> Delivery;
}

impl Transport for Post {
    fn carry(&mut self, batch: &[u8]) -> Delivery {
        self.deliver(batch)
    }
}
