//! Panics, logged as one line each, without what must not be logged.
//!
//! A panic's message is whatever the code at fault put into it: slicing a text in the middle of a character quotes the
//! text. The standard hook would print that to stderr as it is.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use crate::privacy::Privacy;
use crate::secret::Secret;

/// A shorter word of a secret is a scheme or a name (`Basic`, `default`), and replacing it would spoil the message.
const SECRET_BYTES: usize = 8;

/// Logs every panic of this process from now on; the last call counts. A message never holds one of `secrets`.
pub fn report(privacy: Privacy, secrets: Vec<Secret>) {
    panic::set_hook(Box::new(move |info| log(info, &privacy, &secrets)));
}

fn log(info: &PanicHookInfo<'_>, privacy: &Privacy, secrets: &[Secret]) {
    let thread = std::thread::current();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let why = privacy.quoted(&without(secrets, words(info.payload())));
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

/// Word by word, because a header's scheme may be missing from where its token turns up.
fn without(secrets: &[Secret], text: &str) -> String {
    let words = secrets.iter().flat_map(|secret| secret.expose().split_whitespace());
    words
        .filter(|word| word.len() >= SECRET_BYTES)
        .fold(text.to_owned(), |text, word| text.replace(word, "[secret]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_word_by_word() {
        let secrets = [Secret::new("Basic dXNlcjpwYXNz"), Secret::new("key")];
        assert_eq!(without(&secrets, "bad dXNlcjpwYXNz, a Basic key"), "bad [secret], a Basic key");
    }

    #[test]
    fn the_words_of_both_kinds_of_panic_are_found() {
        let payloads: [Box<dyn Any + Send>; 3] = [Box::new("text"), Box::new("text".to_owned()), Box::new(7)];
        assert_eq!(payloads.each_ref().map(|payload| words(&**payload)), ["text", "text", "no message"]);
    }
}
