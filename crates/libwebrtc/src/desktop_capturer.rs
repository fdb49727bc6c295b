//! Screen and window capture, which is not implemented: no capturer can be created.

use std::{convert::Infallible, fmt};

use crate::unsupported::Unsupported;

/// The kind of content to capture.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum DesktopCaptureSourceType {
    Screen,
    Window,
    /// The system's own picker.
    #[cfg(any(target_os = "macos", target_os = "linux"))]
    Generic,
}

/// How to capture it.
pub struct DesktopCapturerOptions(());

/// A running capture. No value of this type exists.
pub struct DesktopCapturer(Infallible);

/// A captured picture. No value of this type exists.
pub struct DesktopFrame(Infallible);

/// A screen or window that can be captured. No value of this type exists.
#[derive(Clone)]
pub struct CaptureSource(Infallible);

/// Why a picture could not be captured.
#[derive(Debug, PartialEq)]
pub enum CaptureError {
    /// The next attempt may succeed.
    Temporary,
    /// No attempt will succeed.
    Permanent,
}

impl DesktopCapturerOptions {
    /// Options for one kind of source.
    pub fn new(_source_type: DesktopCaptureSourceType) -> Self {
        Self(())
    }

    /// Whether the mouse pointer is in the picture.
    pub fn set_include_cursor(&mut self, _include: bool) {}

    /// Whether the system's own picker is used.
    #[cfg(target_os = "macos")]
    pub fn set_sck_system_picker(&mut self, _allow_sck_system_picker: bool) {}
}

impl DesktopCapturer {
    /// `None`: desktop capture is not implemented. The log says so once.
    pub fn new(_options: DesktopCapturerOptions) -> Option<Self> {
        Unsupported::DesktopCapture.warn_once();
        None
    }

    /// Starts to capture a source.
    pub fn start_capture<T>(&mut self, _source: Option<CaptureSource>, _callback: T)
    where
        T: FnMut(Result<DesktopFrame, CaptureError>) + Send + 'static,
    {
        match self.0 {}
    }

    /// Captures one picture.
    pub fn capture_frame(&mut self) {
        match self.0 {}
    }

    /// The available sources.
    pub fn get_source_list(&self) -> Vec<CaptureSource> {
        match self.0 {}
    }
}

impl DesktopFrame {
    /// Width in pixels.
    pub fn width(&self) -> i32 {
        match self.0 {}
    }

    /// Height in pixels.
    pub fn height(&self) -> i32 {
        match self.0 {}
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> u32 {
        match self.0 {}
    }

    /// Pixels left of the picture on the desktop.
    pub fn left(&self) -> i32 {
        match self.0 {}
    }

    /// Pixels above the picture on the desktop.
    pub fn top(&self) -> i32 {
        match self.0 {}
    }

    /// The pixels, four bytes each.
    pub fn data(&self) -> &[u8] {
        match self.0 {}
    }
}

impl CaptureSource {
    /// The system's number for it.
    pub fn id(&self) -> u64 {
        match self.0 {}
    }

    /// The title on screen.
    pub fn title(&self) -> String {
        match self.0 {}
    }

    /// The system's number for the display it is on.
    pub fn display_id(&self) -> i64 {
        match self.0 {}
    }
}

impl fmt::Display for CaptureSource {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_capturer_can_be_made() {
        let mut options = DesktopCapturerOptions::new(DesktopCaptureSourceType::Screen);
        options.set_include_cursor(true);
        assert!(DesktopCapturer::new(options).is_none());
    }
}
