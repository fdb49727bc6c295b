//! The carrier that takes batches to the receiver.

use crate::telemetry::delivery::Delivery;
use crate::telemetry::otlp_post::OtlpPost;

/// Takes batches away, on a thread that may block.
pub(in crate::telemetry) trait Carrier: 'static {
    fn carry(&mut self, batch: &[u8]) -> Delivery;
}

impl Carrier for OtlpPost {
    fn carry(&mut self, batch: &[u8]) -> Delivery {
        self.deliver(batch)
    }
}
