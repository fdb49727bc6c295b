//! Export of OpenTelemetry spans over OTLP/HTTP that loses nothing: each span is in a file from its start until the
//! receiver has taken it.
//!
//! [`Spool`] is a span processor for the SDK's tracer provider. Outages of the receiver cost nothing within the limits
//! of [`Settings`]; a process that is killed leaves its spans in its directory, and the next one sends them, with the
//! spans that were open marked as aborted. [`Post`] sends single requests of any signal in the same way.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use opentelemetry::InstrumentationScope;
//! use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
//! use otlp_spool::{Envelope, Post, Receiver, Settings, Signal, Spool};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resource = Resource::builder().with_service_name("shop").build();
//! let envelope = Envelope::new(&resource, InstrumentationScope::builder("shop").build());
//! let receiver = Receiver::new(Signal::Traces, "http://localhost:4318/v1/traces".parse()?);
//! let settings = Settings { directory: Some("/var/lib/shop/spool".into()), ..Settings::new("shop", "checkout") };
//! let spool = Spool::start(&settings, envelope, move || Post::new(&receiver))?;
//! let provider = SdkTracerProvider::builder().with_resource(resource).with_span_processor(spool.clone()).build();
//! // … spans are made …
//! drop(provider);
//! let flushed = spool.flush(Duration::from_secs(5));
//! assert_eq!(flushed.lost, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Delivery
//!
//! Delivery is at least once: a receiver that took a batch and died before it said so gets it again. Failures are told
//! apart by the OTLP specification ("Failures" and "Retryable Response Codes"): a batch that the receiver will never
//! take is put aside in `rejected/` with its answer, everything else waits, up to [`Settings::max_bytes`] and
//! [`Settings::max_age`]. A wait that the receiver asks for is kept, up to a minute.
//!
//! # Threads
//!
//! [`Spool::start`] starts two threads, which end after [`Spool::close`]; no caller waits for a disk or the network,
//! except in [`Spool::flush`]. A queue that is full drops spans, and [`ExportStatus::dropped`] counts them.
//!
//! # Logs
//!
//! The crate logs by `tracing`, a line for each change of the export's state. Such a line about the receiver reaches a
//! log that goes to the same receiver only once that works again. [`is_exporting`] tells a log's exporter the lines of
//! libraries that an export causes, which it has to leave out.

mod answer;
pub mod asked_wait;
mod delivery;
mod exporter;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod post;
mod receiver;
mod signal;
mod spool;
mod wire;

use thiserror::Error;

pub use self::delivery::{Class, Delivery, ExportError, ExportState, Notice};
pub use self::exporter::{LogsEncoder, MetricsEncoder, RequestBody, is_exporting, mark_exporting};
pub use self::post::Post;
pub use self::receiver::{Names, Receiver};
pub use self::signal::Signal;
pub use self::spool::{ExportStatus, Flushed, Settings, Spool, Survey, Transport};
pub use self::wire::Envelope;

/// The reason why an export could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{setting}: {name} is no header that can be sent")]
    Header { setting: &'static str, name: String },
    #[error("cannot make the exporter of {signal}: {reason}")]
    Exporter { signal: &'static str, reason: String },
    #[error("cannot start the thread that exports traces: {0}")]
    Thread(#[from] std::io::Error),
}
