//! Sends a span by way of a directory: `cargo run -p otlp-spool --example spooled -- URL DIRECTORY`. With no receiver
//! at the URL the span stays in the directory, and the next run sends both.

use std::error::Error;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otlp_spool::{Envelope, Post, Receiver, Settings, Signal, Spool};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: spooled URL DIRECTORY".into());
    };
    let resource = Resource::builder().with_service_name("spooled").build();
    let envelope = Envelope::new(&resource, InstrumentationScope::builder("spooled").build());
    let receiver = Receiver::new(Signal::Traces, url.parse()?);
    let settings = Settings { directory: Some(directory.into()), ..Settings::new("spooled", "example") };
    let spool = Spool::start(&settings, envelope, move || Post::new(&receiver))?;
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_span_processor(spool.clone()).build();
    provider.tracer("spooled").start("a span").end();
    let flushed = spool.flush(Duration::from_secs(5));
    let status = spool.status();
    println!("{} sent, {} kept for the next start, {} lost", status.exported, flushed.kept, flushed.lost);
    Ok(())
}
