//! The fields of an event or a span as text: the message, then `key=value`, with texts in quotes.
//!
//! The subscriber's own format escapes some control characters in messages, by a notation of its own, and none in
//! fields that are logged by their `Display`. Ours escapes nothing: the whole line is escaped at its end.

use std::error::Error;
use std::fmt::{self, Debug, Display};

use outbound::web::causes;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

pub(super) struct Fields;

struct Visitor<'w> {
    writer: Writer<'w>,
    first: bool,
    written: fmt::Result,
}

// === impl Fields ===

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, first: true, written: Ok(()) };
        fields.record(&mut visitor);
        visitor.written
    }
}

// === impl Visitor ===

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.written = self.written.and_then(|()| self.write(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", causes(value)));
    }
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        match field.name() {
            // The place in a library that uses the crate `log`.
            name if name.starts_with("log.") => Ok(()),
            "message" => self.put(format_args!("{value:?}")),
            name => self.put(format_args!("{}={value:?}", name.strip_prefix("r#").unwrap_or(name))),
        }
    }

    fn put(&mut self, text: impl Display) -> fmt::Result {
        let space = if std::mem::take(&mut self.first) { "" } else { " " };
        write!(self.writer, "{space}{text}")
    }
}
