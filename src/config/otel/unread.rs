//! The variables that the specification of OpenTelemetry defines and that we do not read.

use super::Ignored;
use crate::config::Env;

/// The reason why a variable changes nothing. One that is `missed` asks for another signal to be sent, or for another
/// way to send it.
struct Reason {
    missed: bool,
    text: &'static str,
}

const UNREAD: Reason = Reason::plain("voiced does not read it");

/// All that are set, each with the reason. Missed ones are warned of where a signal is exported.
pub(super) fn of(env: &Env, exports: bool) -> Vec<Ignored> {
    let ignored = |(name, origin, text)| {
        let Reason { missed, text } = reason(name, text);
        if missed && exports {
            Ignored::warned(name, origin, text)
        } else {
            Ignored::quiet(name, origin, text)
        }
    };
    env.unread_otel().map(ignored).collect()
}

fn reason(name: &str, text: &str) -> Reason {
    let samples_all = || ["always_on", "parentbased_always_on"].contains(&text.to_ascii_lowercase().as_str());
    match name {
        "OTEL_TRACES_SAMPLER" if samples_all() => Reason::plain("every turn is traced"),
        "OTEL_TRACES_SAMPLER" => {
            Reason::missed("every turn is traced; OTEL_TRACES_EXPORTER=none exports no trace")
        }
        "OTEL_TRACES_SAMPLER_ARG" => Reason::plain("every turn is traced"),
        "OTEL_CONFIG_FILE" | "OTEL_EXPERIMENTAL_CONFIG_FILE" => Reason::missed(
            "voiced reads no configuration file of OpenTelemetry's; agent.toml and these variables are read",
        ),
        "OTEL_PROPAGATORS" => Reason::plain("the trace of a caller is taken from its traceparent"),
        _ if !name.starts_with("OTEL_EXPORTER_OTLP_") => queue_or_limit(name),
        _ if name.ends_with("_CLIENT_KEY") || name.ends_with("_CLIENT_CERTIFICATE") => {
            Reason::missed("voiced shows receivers no certificate of its own")
        }
        _ if name.ends_with("_CERTIFICATE") => {
            Reason::missed("network.ca_file names certificates to trust, for every connection")
        }
        _ if name.ends_with("_INSECURE") => {
            Reason::plain("the scheme of the endpoint, http or https, decides")
        }
        _ => UNREAD,
    }
}

fn queue_or_limit(name: &str) -> Reason {
    let is_of = |prefix: &&str| name.starts_with(prefix);
    if ["OTEL_BSP_", "OTEL_BLRP_"].iter().any(is_of) {
        return Reason::plain("voiced has queues of its own: telemetry.spool_dir and the keys behind it");
    }
    if name.ends_with("_LIMIT") { Reason::plain("the limits of a span are fixed") } else { UNREAD }
}

// === impl Reason ===

impl Reason {
    const fn plain(text: &'static str) -> Self {
        Self { missed: false, text }
    }

    const fn missed(text: &'static str) -> Self {
        Self { missed: true, text }
    }
}
