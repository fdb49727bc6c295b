//! The features that the crate has types for but does not implement yet, and the text of their refusals.
//!
//! One list serves every refusal, so that the log, the errors and the README agree.

use std::sync::atomic::{AtomicU32, Ordering};

static WARNED: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    VideoReceive,
    VideoSend,
}

impl Unsupported {
    /// Names the feature and its workaround.
    fn message(self) -> &'static str {
        match self {
            Self::VideoReceive => {
                "receiving video is not implemented: the video stream yields no frame until it is closed"
            }
            Self::VideoSend => {
                "sending video is not implemented: capture_frame drops the frame and returns false"
            }
        }
    }

    /// Logs the refusal on the first call in this process; returns whether it did.
    pub(crate) fn warn_once(self) -> bool {
        let bit = 1 << self as u32;
        let first = WARNED.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if first {
            log::warn!("{}", self.message());
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_logged_once_in_a_process() {
        // No other unit test uses this feature, so the first call is the first of the process.
        assert!(Unsupported::VideoReceive.warn_once());
        assert!(!Unsupported::VideoReceive.warn_once());
    }
}
