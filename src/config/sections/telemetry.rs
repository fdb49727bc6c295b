//! The keys of `[telemetry]`.

use std::path::PathBuf;
use std::time::Duration;

use conversation::Secret;
use redaction::pattern::Pattern;
use redaction::{Builtin, CaptureContent, UserId};
use url::Url;

use crate::config::key::{of, section, unset};
use crate::config::kind::{
    Attributes, Boolean, FilePath, Gzip, Headers, Length, Name, Patterns, SignalEndpoint, TracesEndpoint,
    choice, integer, optional, secret, set,
};
use crate::config::variables::{self, Variable};
use crate::metrics::Temporality;

section! {
    /// `[telemetry]`: the receiver of the traces, and their content.
    Telemetry, "telemetry",
        "Where the trace of each turn goes, and what it may hold.";

    enabled: bool = of(&Boolean, "true")
        .variables(&[Variable::new("OTEL_SDK_DISABLED", variables::not_disabled)])
        .doc("false: no traces, metrics or logs leave over OTLP. OTEL_SDK_DISABLED=true means enabled = false.");

    traces: bool = of(&Boolean, "true")
        .variables(&[Variable::new("OTEL_TRACES_EXPORTER", variables::traces_exporter)])
        .doc("Export the trace of each turn. OTEL_TRACES_EXPORTER is a list: with otlp it means true, with none or with\n\
             exporters that voiced does not have (console, zipkin) false.");

    service_name: String = of(&Name, r#""voiced""#)
        .variables(&[
            Variable::plain("OTEL_SERVICE_NAME"),
            Variable::new("OTEL_RESOURCE_ATTRIBUTES", variables::service_name),
        ])
        .doc("service.name, by which the traces are found.");

    /// `OTEL_RESOURCE_ATTRIBUTES`, decoded.
    resource_attributes: Vec<(String, String)> = of(&Attributes, r#""""#)
        .variables(&[Variable::new("OTEL_RESOURCE_ATTRIBUTES", variables::other_attributes)])
        .doc("More attributes of this process, as \"deployment.environment.name=prod,service.namespace=support\".\n\
             A comma within a value is written %2C.");

    /// The full URL that traces are posted to, `/v1/traces` included. None: traces are not exported.
    otlp_endpoint: Option<Url> = of(&TracesEndpoint, r#""""#)
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", variables::traces_endpoint),
            Variable::plain("OTEL_EXPORTER_OTLP_ENDPOINT"),
        ])
        .doc("Where traces are sent, by OTLP over HTTP (protobuf). Empty: nowhere. /v1/traces is appended where missing.\n\
             A collector: http://127.0.0.1:4318   OpenObserve: https://api.openobserve.ai/api/<organisation>\n\
             OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used exactly as it is written; metrics and logs go where the general one says.\n\
             Other transports are not spoken: OTEL_EXPORTER_OTLP_PROTOCOL=grpc is refused beside an endpoint of the same\n\
             environment, and ignored beside one that this file, VOICED_TELEMETRY__OTLP_ENDPOINT or --set names.");

    /// Header names and values, decoded. Values are secrets.
    otlp_headers: Vec<(String, Secret)> = unset(&Headers, r#""Authorization=Basic <base64 of user:token>""#)
        .variables(&[
            Variable::plain("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
            Variable::plain("OTEL_EXPORTER_OTLP_HEADERS"),
        ])
        .doc("Headers to send with them, and with metrics and logs: \"name=value,name=value\". A comma in a value is written\n\
             %2C, a percent sign %25.");

    otlp_timeout: Duration = of(&Length::above_zero(), r#""10s""#)
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", variables::timeout),
            Variable::new("OTEL_EXPORTER_OTLP_TIMEOUT", variables::timeout),
        ])
        .doc("How long one export may take. The OTEL_ variables are in milliseconds; 0 in them, no limit, is an hour here.");

    otlp_gzip as "otlp_compression": bool = of(&Gzip, r#""gzip""#)
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", variables::compression),
            Variable::new("OTEL_EXPORTER_OTLP_COMPRESSION", variables::compression),
        ])
        .doc("\"gzip\" or \"none\".");

    /// The directory in which traces wait for their receiver. None: they wait in memory only.
    spool_dir: Option<PathBuf> = unset(&FilePath, r#""/var/lib/voiced/spool""#)
        .state_file("spool")
        .doc("The directory where traces wait until the receiver has taken them, through crashes and outages. Workers with\n\
             the same service and agent name may share it, and send what one of them left when it was killed.\n\
             \"off\": in memory, lost by a crash or a long outage.\n\
             Unset: spool in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.");

    spool_max_bytes: u64 = of(&integer(1 << 20, 1 << 40), "536870912")
        .doc("What may wait there, in bytes; the oldest traces are dropped beyond it. 512 MiB hold some 100,000 turns.");

    spool_max_age: Duration = of(&Length::above_zero(), r#""24h""#)
        .doc("Traces that waited for longer are dropped.\n\
             OpenObserve rejects what is older than 5 hours, unless its ZO_INGEST_ALLOWED_UPTO (in hours) is raised.");

    capture_content: CaptureContent = of(&choice(&["full", "redacted", "off"]), r#""full""#)
        .variables(&[
            Variable::new("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variables::capture_content),
        ])
        .doc("Whether traces, records and error messages hold what people and the model said:\n\
             \"full\"; \"redacted\", without what the two keys below find; or \"off\", nothing of it.\n\
             Redaction finds what has a shape. It knows no names, no street addresses and no birthdays, and no number that\n\
             is spelt in words: where those must not be recorded, choose \"off\". The variable, which wins over this file, knows\n\
             full (true) and off (false) only.");

    redact_builtins: Vec<Builtin> =
        of(&set(&["email", "phone", "card", "iban", "token"]), r#"["email", "phone", "card", "iban", "token"]"#)
            .doc("What \"redacted\" takes out by itself; each leaves its name, as in [email]. A card and an IBAN must have the right\n\
                 check digits, a phone number a sign that it is one (+49, a leading zero, \"call me\"). Tokens are keys of well-known\n\
                 issuers, JWTs, Bearer and Basic credentials, passwords after the word, and long random text.");

    redact: Vec<Pattern> = of(&Patterns, "[]")
        .doc("What it takes out besides, as regular expressions in the syntax of Rust's crate regex, in single quotes:\n\
             ['\\bC-[0-9]{6}\\b', '(?i)project \\w+']. Each place becomes [redacted]. As a variable: one pattern, or a JSON list.");

    user_id: UserId = of(&choice(&["plain", "hashed"]), r#""plain""#)
        .doc("How people are named in traces, records and logs: \"plain\", by their participant identity, or \"hashed\", by an HMAC\n\
             of it (user.id = u_…). Names of rooms stay as they are.");

    user_id_key: Option<Secret> = unset(&secret(), r#""<openssl rand -hex 32>""#)
        .doc("The key of that hash. With the same key a person has the same name everywhere; a reader who has it can find\n\
             out who that is, by trying identities.");

    metrics: bool = of(&Boolean, "false")
        .variables(&[Variable::new("OTEL_METRICS_EXPORTER", variables::metrics_exporter)])
        .doc("Also push metrics over OTLP, to the same receiver with the same headers. /metrics has them in any case.\n\
             OTEL_METRICS_EXPORTER=otlp means true; none, or others only, means false.");

    /// None: beside the traces.
    metrics_endpoint: Option<Url> = unset(&SignalEndpoint, r#""http://127.0.0.1:4318/v1/metrics""#)
        .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")])
        .doc("The whole URL for metrics. Unset: that of otlp_endpoint, with /v1/metrics for /v1/traces.");

    /// None, as the two below: the settings of traces.
    metrics_headers: Option<Vec<(String, Secret)>> =
        unset(&optional(Headers), r#""Authorization=Basic <base64 of user:token>""#)
            .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_METRICS_HEADERS")])
            .doc("Headers to send with metrics. Unset: those of otlp_headers.");

    metrics_timeout: Option<Duration> = unset(&optional(Length::above_zero()), r#""10s""#)
        .variables(&[Variable::new("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", variables::timeout)])
        .doc("How long one push of metrics may take. Unset: otlp_timeout.");

    metrics_gzip as "metrics_compression": Option<bool> = unset(&optional(Gzip), r#""gzip""#)
        .variables(&[Variable::new("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", variables::compression)])
        .doc("\"gzip\" or \"none\", for metrics. Unset: otlp_compression.");

    metrics_interval: Duration = of(&Length::above_zero(), r#""60s""#)
        .variables(&[Variable::new("OTEL_METRIC_EXPORT_INTERVAL", variables::milliseconds)])
        .doc("How often metrics are pushed; once more at the end. The OTEL_ variable is in milliseconds.");

    metrics_temporality: Temporality = of(&choice(&["cumulative", "delta", "lowmemory"]), r#""cumulative""#)
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", variables::temporality),
        ])
        .doc("Whether pushed counts are since the start (\"cumulative\") or since the push before (\"delta\", \"lowmemory\").");

    logs: bool = of(&Boolean, "false")
        .variables(&[Variable::new("OTEL_LOGS_EXPORTER", variables::logs_exporter)])
        .doc("Also send the log over OTLP, what stderr gets at INFO and above, with trace and span ids.\n\
             OTEL_LOGS_EXPORTER=otlp means true; none, or others only, means false.");

    /// None: beside the traces.
    logs_endpoint: Option<Url> = unset(&SignalEndpoint, r#""http://127.0.0.1:4318/v1/logs""#)
        .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")])
        .doc("The whole URL for logs. Unset: that of otlp_endpoint, with /v1/logs for /v1/traces.");

    /// None, as the two below: the settings of traces.
    logs_headers: Option<Vec<(String, Secret)>> =
        unset(&optional(Headers), r#""Authorization=Basic <base64 of user:token>""#)
            .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_LOGS_HEADERS")])
            .doc("Headers to send with logs. Unset: those of otlp_headers.");

    logs_timeout: Option<Duration> = unset(&optional(Length::above_zero()), r#""10s""#)
        .variables(&[Variable::new("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", variables::timeout)])
        .doc("How long one export of logs may take. Unset: otlp_timeout.");

    logs_gzip as "logs_compression": Option<bool> = unset(&optional(Gzip), r#""gzip""#)
        .variables(&[Variable::new("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", variables::compression)])
        .doc("\"gzip\" or \"none\", for logs. Unset: otlp_compression.");
}
