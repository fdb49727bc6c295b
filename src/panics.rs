//! Panics, logged as one line each, without content that must not be logged.
//!
//! The code at fault decides the content of a panic's message: slicing a text in the middle of a character quotes the
//! text. The standard hook would print that to stderr as it is.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use redaction::Privacy;

/// Logs every panic of this process from now on; the last call counts.
pub fn report(privacy: Privacy) {
    panic::set_hook(Box::new(move |info| log(info, &privacy)));
}

fn log(info: &PanicHookInfo<'_>, privacy: &Privacy) {
    let thread = std::thread::current();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let why = privacy.quoted(words(info.payload()));
    let why =
        why.unwrap_or_else(|| "its message is not shown with telemetry.capture_content = \"off\"".to_owned());
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread = thread.name(), backtrace, "panicked at {place}: {why}");
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_both_kinds_of_panic_are_found() {
        let payloads: [Box<dyn Any + Send>; 3] = [Box::new("text"), Box::new("text".to_owned()), Box::new(7)];
        assert_eq!(payloads.each_ref().map(|payload| words(&**payload)), ["text", "text", "no message"]);
    }
}
