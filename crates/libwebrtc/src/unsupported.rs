//! The features that the crate has types for but does not implement yet, and the text of their refusals.
//!
//! One list serves every refusal, so that the log, the errors and the README agree.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::RtcError;

static WARNED: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    AudioProcessing,
    DesktopCapture,
    DmaBuf,
    VideoReceive,
    VideoSend,
}

impl Unsupported {
    /// Names the feature and its workaround.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::AudioProcessing => {
                "audio processing (echo, gain, noise) is not implemented: process the samples before capture_frame"
            }
            Self::DesktopCapture => "desktop capture is not implemented: DesktopCapturer::new returns None",
            Self::DmaBuf => "DMA-BUF frames cannot be read: convert them to an I420Buffer yourself",
            Self::VideoReceive => {
                "receiving video is not implemented: the video stream yields no frame until it is closed"
            }
            Self::VideoSend => {
                "sending video is not implemented: capture_frame drops the frame and returns false"
            }
        }
    }

    pub(crate) fn error(self) -> RtcError {
        RtcError::internal(self.message())
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

    const ALL: [Unsupported; 5] = [
        Unsupported::AudioProcessing,
        Unsupported::DesktopCapture,
        Unsupported::DmaBuf,
        Unsupported::VideoReceive,
        Unsupported::VideoSend,
    ];

    #[test]
    fn every_refusal_says_what_is_missing_and_what_happens_or_helps() {
        for feature in ALL {
            let message = feature.error().to_string();
            assert!(message.contains(": "), "{feature:?}: {message}");
            assert!(message.contains(" not ") || message.contains("cannot"), "{message}");
        }
    }

    #[test]
    fn a_refusal_is_logged_once_in_a_process() {
        // No other test uses this feature, so the first call is the first of the process.
        assert!(Unsupported::DmaBuf.warn_once());
        assert!(!Unsupported::DmaBuf.warn_once());
    }
}
