//! Every key of `agent.toml`, defined once.

use super::kind::Kind;
use super::variables::{self as read, Variable};

/// One `[section]`.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The section's subject; the comment above it in `agent.toml`.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a section.
pub(super) struct Key {
    /// `section.name`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// Well-known environment variables that set this key too, the strongest first.
    pub(super) variables: &'static [Variable],
    /// The comment above the key in `agent.toml`.
    pub(super) doc: &'static str,
}

/// The value of a key that the operator leaves unset, written as TOML.
#[derive(Clone, Copy)]
pub(super) enum Default {
    Is(&'static str),
    /// Unset; the text is the example that `agent.toml` shows commented out.
    Unset(&'static str),
}

/// A key or section that later versions know: refused as such, not as a typing mistake.
pub(super) struct Later {
    pub(super) path: &'static str,
    pub(super) feature: &'static str,
}

// === impl Key ===

impl Key {
    const fn new(path: &'static str, kind: Kind, default: Default) -> Self {
        Self { path, kind, default, variables: &[], doc: "" }
    }

    const fn variables(mut self, variables: &'static [Variable]) -> Self {
        self.variables = variables;
        self
    }

    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub(super) fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    pub(super) fn name(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(_, name)| name)
    }

    /// `VOICED_<SECTION>__<KEY>`.
    pub(super) fn own_variable(&self) -> String {
        format!("VOICED_{}__{}", self.section(), self.name()).to_ascii_uppercase()
    }

    pub(super) fn is_headers(&self) -> bool {
        matches!(self.kind, Kind::Headers)
    }

    /// Whether a `${NAME}` in its value may be meant: in texts that people read or hear, and in patterns.
    pub(super) fn is_prose(&self) -> bool {
        self.section() == "agent" || matches!(self.kind, Kind::Patterns)
    }

    /// Whether a running worker takes a new value of it, for new sessions.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.section(), "agent" | "llm")
            || matches!(self.path, "worker.max_sessions" | "worker.drain_timeout")
    }

    /// The name of the systemd credential, for secrets.
    pub(super) fn credential(&self) -> Option<String> {
        self.kind.is_secret().then(|| self.path.replace('.', "_"))
    }

    /// The key beside this one that names a file with the value, for secrets.
    pub(super) fn file_key(&self) -> Option<String> {
        self.kind.is_secret().then(|| format!("{}_file", self.name()))
    }
}

pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

pub(super) fn by_path(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

// === the table ===

pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "livekit",
        doc: "The LiveKit server, and the key pair that signs our tokens.",
        keys: LIVEKIT,
    },
    Section { name: "worker", doc: "How this process offers itself to the server for jobs.", keys: WORKER },
    Section { name: "agent", doc: "Who answers, and how much of a conversation it remembers.", keys: AGENT },
    Section { name: "llm", doc: "The model that answers, and how long we wait for it.", keys: LLM },
    Section {
        name: "telemetry",
        doc: "Where the trace of each turn goes, and what it may hold.",
        keys: TELEMETRY,
    },
    Section { name: "store", doc: "The local record of sessions and turns.", keys: STORE },
    Section { name: "http", doc: "Health, status and the record of sessions over HTTP.", keys: HTTP },
    Section {
        name: "network",
        doc: "Whom every connection that we open trusts, and through which proxy it goes. TLS is 1.2 or 1.3; the system's\n\
              certificates are trusted, or those that SSL_CERT_FILE and SSL_CERT_DIR name instead of them.",
        keys: NETWORK,
    },
];

pub(super) const LATER: &[Later] = &[
    Later { path: "speech", feature: "speech" },
    Later { path: "llm.fallback", feature: "a fallback model" },
];

const LIVEKIT: &[Key] = &[
    Key::new(
        "livekit.url",
        Kind::Url { schemes: &["ws", "wss", "http", "https"] },
        Default::Is(r#""ws://127.0.0.1:7880""#),
    )
    .variables(&[Variable::plain("LIVEKIT_URL")])
    .doc("The server's address: ws://, wss://, http:// or https://. LiveKit Cloud: wss://<project>.livekit.cloud"),
    Key::new("livekit.api_key", Kind::Secret, Default::Unset(r#""devkey""#))
        .variables(&[Variable::plain("LIVEKIT_API_KEY")])
        .doc(
            "One of the server's API keys. `livekit-server --dev` has the key \"devkey\" with the secret \"secret\".\n\
             Needed by `start`, `connect` and `call`.",
        ),
    Key::new("livekit.api_secret", Kind::Secret, Default::Unset(r#""secret""#))
        .variables(&[Variable::plain("LIVEKIT_API_SECRET")])
        .doc("The secret that belongs to api_key. Better kept out of this file: see api_secret_file."),
];

const WORKER: &[Key] = &[
    Key::new("worker.agent_name", Kind::Text, Default::Is(r#""""#))
        .variables(&[Variable::plain("LIVEKIT_AGENT_NAME")])
        .doc(
            "Empty: the server dispatches us to every new room.\n\
             Set: only to rooms that ask for an agent of this name, by token, API or `lk dispatch create`.",
        ),
    Key::new("worker.max_sessions", Kind::Integer { min: 1, max: 10_000 }, Default::Is("100"))
        .doc("How many rooms we serve at the same time. The server sees our load as the part of them in use."),
    Key::new("worker.drain_timeout", Kind::Duration { zero: true }, Default::Is(r#""1h""#)).doc(
        "After SIGTERM we take no new jobs, and running sessions may go on for this long.\n\
         systemd is asked for the time; another service manager must wait at least as long.",
    ),
    Key::new(
        "worker.permissions",
        Kind::Set { of: &["subscribe", "publish", "publish_data", "update_metadata"] },
        Default::Is(r#"["subscribe", "publish_data", "update_metadata"]"#),
    )
    .doc(
        "What the agent may do in a room: \"subscribe\" to tracks, \"publish\" tracks, \"publish_data\" (its text\n\
         replies), \"update_metadata\" (its name and state).",
    ),
    Key::new("worker.recovery_dir", Kind::Path, Default::Unset(r#""/var/lib/voiced/rooms""#)).doc(
        "The directory where running sessions are noted, so that after a crash the next start goes back to the rooms\n\
         where people still wait. Workers that share it take over the rooms of one that died. \"off\": nobody goes back.\n\
         Unset: rooms in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.",
    ),
];

const AGENT: &[Key] = &[
    Key::new("agent.name", Kind::Name, Default::Is(r#""voiced""#))
        .doc("The name that people in the room see."),
    Key::new(
        "agent.instructions",
        Kind::Text,
        Default::Is(
            r#""""\
    You are a friendly voice assistant. Answer in one to three short sentences, in the language you are spoken to in, \
    and in words that sound natural when read aloud: no lists, headings, code or emoji. If you did not understand, \
    ask.""""#,
        ),
    )
    .doc("The system message at the start of every conversation."),
    Key::new("agent.greeting", Kind::Text, Default::Is(r#""""#))
        .doc("Said when a session starts. Empty: we wait until somebody says something."),
    Key::new(
        "agent.apology",
        Kind::Text,
        Default::Is(r#""Sorry, I could not answer that. Please try again.""#),
    )
    .doc("Said when the model gave no answer. Empty: nothing is said."),
    Key::new(
        "agent.resume_notice",
        Kind::Text,
        Default::Is(r#""Sorry, I was gone for a moment. Could you say that again?""#),
    )
    .doc("Said when we come back to a room after a crash, or after the connection was lost. Empty: nothing is said."),
    Key::new("agent.history_turns", Kind::Integer { min: 0, max: 10_000 }, Default::Is("50"))
        .doc("How many past turns the model sees with each new one."),
    Key::new("agent.history_tokens", Kind::Integer { min: 0, max: 10_000_000 }, Default::Is("8000"))
        .doc("How many tokens of past turns, estimated at four bytes each. The oldest turns go first."),
    Key::new("agent.max_turn_bytes", Kind::Integer { min: 1, max: 16 << 20 }, Default::Is("65536"))
        .doc("What a person says at once may be this long, in bytes of UTF-8. A longer turn is refused."),
    Key::new("agent.leave_grace", Kind::Duration { zero: true }, Default::Is(r#""10s""#))
        .doc("A session ends this long after the last person left; whoever comes back in time goes on with it."),
];

const LLM: &[Key] = &[
    Key::new(
        "llm.base_url",
        Kind::Url { schemes: &["http", "https"] },
        Default::Is(r#""https://api.openai.com/v1""#),
    )
    .variables(&[Variable::plain("OPENAI_BASE_URL")])
    .doc("The base URL of an API that speaks OpenAI's chat completions. Ollama: http://127.0.0.1:11434/v1"),
    Key::new("llm.api_key", Kind::Secret, Default::Unset(r#""sk-...""#))
        .variables(&[Variable::plain("OPENAI_API_KEY")])
        .doc("The API key. OpenAI needs one, most local servers none."),
    Key::new("llm.model", Kind::Name, Default::Is(r#""gpt-5.4-mini""#)).doc("The model that answers."),
    Key::new("llm.temperature", Kind::Number { min: 0.0, max: 2.0 }, Default::Unset("0.7"))
        .doc("How freely the model picks its words, 0 to 2. Unset: the model's own default, the only one that some take."),
    Key::new("llm.max_tokens", Kind::Integer { min: 1, max: u32::MAX as i64 }, Default::Unset("400"))
        .doc("The longest reply, in tokens. Unset: the model's own limit."),
    Key::new(
        "llm.max_tokens_field",
        Kind::Choice { of: &["auto", "max_tokens", "max_completion_tokens"], later: &[] },
        Default::Is(r#""auto""#),
    )
    .doc("What the server calls max_tokens. auto: as its host suggests, and by the other name once it refuses that."),
    Key::new(
        "llm.usage_in_stream",
        Kind::Choice { of: &["auto", "always", "never"], later: &[] },
        Default::Is(r#""auto""#),
    )
    .doc("Whether the server is asked for its count of tokens (stream_options). auto: until it refuses that."),
    Key::new("llm.show_thinking", Kind::Boolean, Default::Is("false"))
        .doc("true: what the model thinks within its reply, as in <think>...</think>, is said and remembered as well."),
    Key::new("llm.connect_timeout", Kind::Duration { zero: false }, Default::Is(r#""5s""#))
        .doc("How long an attempt may take to connect, TLS included."),
    Key::new("llm.first_token_timeout", Kind::Duration { zero: false }, Default::Is(r#""10s""#))
        .doc("How long an attempt may take from sending the request to the first token."),
    Key::new("llm.cold_first_token_timeout", Kind::Duration { zero: false }, Default::Is(r#""60s""#))
        .doc("The same where no token has come since the start or for 5 minutes: a local server may load the model first."),
    Key::new("llm.stall_timeout", Kind::Duration { zero: false }, Default::Is(r#""10s""#))
        .doc("How long the model may pause between two tokens."),
    Key::new("llm.total_timeout", Kind::Duration { zero: false }, Default::Is(r#""60s""#))
        .doc("How long a turn may take altogether, all attempts and the waits between them."),
    Key::new("llm.max_attempts", Kind::Integer { min: 1, max: 10 }, Default::Is("3"))
        .doc("How often one turn is tried, the first time included. Once the reply has begun nothing is tried again."),
    Key::new("llm.max_reply_bytes", Kind::Integer { min: 1, max: 64 << 20 }, Default::Is("4194304"))
        .doc("A longer reply is cut here, in bytes of UTF-8."),
];

const TELEMETRY: &[Key] = &[
    Key::new("telemetry.enabled", Kind::Boolean, Default::Is("true"))
        .variables(&[Variable::new("OTEL_SDK_DISABLED", read::not_disabled)])
        .doc("false: no traces, metrics or logs leave over OTLP. OTEL_SDK_DISABLED=true means enabled = false."),
    Key::new("telemetry.traces", Kind::Boolean, Default::Is("true"))
        .variables(&[Variable::new("OTEL_TRACES_EXPORTER", read::traces_exporter)])
        .doc(
            "Export the trace of each turn. OTEL_TRACES_EXPORTER is a list: with otlp it means true, with none or with\n\
             exporters that voiced does not have (console, zipkin) false.",
        ),
    Key::new("telemetry.service_name", Kind::Name, Default::Is(r#""voiced""#))
        .variables(&[
            Variable::plain("OTEL_SERVICE_NAME"),
            Variable::new("OTEL_RESOURCE_ATTRIBUTES", read::service_name),
        ])
        .doc("service.name, by which the traces are found."),
    Key::new("telemetry.resource_attributes", Kind::Attributes, Default::Is(r#""""#))
        .variables(&[Variable::new("OTEL_RESOURCE_ATTRIBUTES", read::other_attributes)])
        .doc(
            "More attributes of this process, as \"deployment.environment.name=prod,service.namespace=support\".\n\
             A comma within a value is written %2C.",
        ),
    Key::new("telemetry.otlp_endpoint", Kind::Endpoint, Default::Is(r#""""#))
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", read::traces_endpoint),
            Variable::plain("OTEL_EXPORTER_OTLP_ENDPOINT"),
        ])
        .doc(
            "Where traces are sent, by OTLP over HTTP (protobuf). Empty: nowhere. /v1/traces is appended where missing.\n\
             A collector: http://127.0.0.1:4318   OpenObserve: https://api.openobserve.ai/api/<organisation>\n\
             OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used exactly as it is written; metrics and logs go where the general one says.\n\
             Other transports are not spoken: OTEL_EXPORTER_OTLP_PROTOCOL=grpc is refused beside an endpoint of the same\n\
             environment, and ignored beside one that this file, VOICED_TELEMETRY__OTLP_ENDPOINT or --set names.",
        ),
    Key::new(
        "telemetry.otlp_headers",
        Kind::Headers,
        Default::Unset(r#""Authorization=Basic <base64 of user:token>""#),
    )
    .variables(&[
        Variable::plain("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        Variable::plain("OTEL_EXPORTER_OTLP_HEADERS"),
    ])
    .doc(
        "Headers to send with them, and with metrics and logs: \"name=value,name=value\". A comma in a value is written\n\
         %2C, a percent sign %25.",
    ),
    Key::new("telemetry.otlp_timeout", Kind::Duration { zero: false }, Default::Is(r#""10s""#))
        .variables(&[
            Variable::new("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", read::timeout),
            Variable::new("OTEL_EXPORTER_OTLP_TIMEOUT", read::timeout),
        ])
        .doc("How long one export may take. The OTEL_ variables are in milliseconds; 0 in them, no limit, is an hour here."),
    Key::new(
        "telemetry.otlp_compression",
        Kind::Choice { of: &["gzip", "none"], later: &[] },
        Default::Is(r#""gzip""#),
    )
    .variables(&[
        Variable::new("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", read::compression),
        Variable::new("OTEL_EXPORTER_OTLP_COMPRESSION", read::compression),
    ])
    .doc("\"gzip\" or \"none\"."),
    Key::new("telemetry.spool_dir", Kind::Path, Default::Unset(r#""/var/lib/voiced/spool""#)).doc(
        "The directory where traces wait until the receiver has taken them, through crashes and outages. Workers with\n\
         the same service and agent name may share it, and send what one of them left when it was killed.\n\
         \"off\": in memory, lost by a crash or a long outage.\n\
         Unset: spool in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.",
    ),
    Key::new(
        "telemetry.spool_max_bytes",
        Kind::Integer { min: 1 << 20, max: 1 << 40 },
        Default::Is("536870912"),
    )
    .doc("What may wait there, in bytes; the oldest traces are dropped beyond it. 512 MiB hold some 100,000 turns."),
    Key::new("telemetry.spool_max_age", Kind::Duration { zero: false }, Default::Is(r#""24h""#)).doc(
        "Traces that waited for longer are dropped.\n\
         OpenObserve rejects what is older than 5 hours, unless its ZO_INGEST_ALLOWED_UPTO (in hours) is raised.",
    ),
    Key::new(
        "telemetry.capture_content",
        Kind::Choice { of: &["full", "redacted", "off"], later: &[] },
        Default::Is(r#""full""#),
    )
    .variables(&[Variable::new("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", read::capture_content)])
    .doc(
        "Whether traces, records and error messages hold what people and the model said:\n\
         \"full\"; \"redacted\", without what the two keys below find; or \"off\", nothing of it.\n\
         Redaction finds what has a shape. It knows no names, no street addresses and no birthdays, and no number that\n\
         is spelt in words: where those must not be recorded, choose \"off\". The variable, which wins over this file, knows\n\
         full (true) and off (false) only.",
    ),
    Key::new(
        "telemetry.redact_builtins",
        Kind::Set { of: &["email", "phone", "card", "iban", "token"] },
        Default::Is(r#"["email", "phone", "card", "iban", "token"]"#),
    )
    .doc(
        "What \"redacted\" takes out by itself; each leaves its name, as in [email]. A card and an IBAN must have the right\n\
         check digits, a phone number a sign that it is one (+49, a leading zero, \"call me\"). Tokens are keys of well-known\n\
         issuers, JWTs, Bearer and Basic credentials, passwords after the word, and long random text.",
    ),
    Key::new("telemetry.redact", Kind::Patterns, Default::Is("[]")).doc(
        "What it takes out besides, as regular expressions in the syntax of Rust's crate regex, in single quotes:\n\
         ['\\bC-[0-9]{6}\\b', '(?i)project \\w+']. Each place becomes [redacted]. As a variable: one pattern, or a JSON list.",
    ),
    Key::new(
        "telemetry.user_id",
        Kind::Choice { of: &["plain", "hashed"], later: &[] },
        Default::Is(r#""plain""#),
    )
    .doc(
        "How people are named in traces, records and logs: \"plain\", by their participant identity, or \"hashed\", by an HMAC\n\
         of it (user.id = u_…). Names of rooms stay as they are.",
    ),
    Key::new("telemetry.user_id_key", Kind::Secret, Default::Unset(r#""<openssl rand -hex 32>""#)).doc(
        "The key of that hash. With the same key a person has the same name everywhere; whoever has it can find out who\n\
         that is, by trying identities.",
    ),
    Key::new("telemetry.metrics", Kind::Boolean, Default::Is("false"))
        .variables(&[Variable::new("OTEL_METRICS_EXPORTER", read::metrics_exporter)])
        .doc(
            "Also push metrics over OTLP, to the same receiver with the same headers. /metrics has them in any case.\n\
             OTEL_METRICS_EXPORTER=otlp means true; none, or others only, means false.",
        ),
    Key::new(
        "telemetry.metrics_endpoint",
        Kind::WholeEndpoint,
        Default::Unset(r#""http://127.0.0.1:4318/v1/metrics""#),
    )
    .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")])
    .doc("The whole URL for metrics. Unset: that of otlp_endpoint, with /v1/metrics for /v1/traces."),
    signal_headers("telemetry.metrics_headers", &[Variable::plain("OTEL_EXPORTER_OTLP_METRICS_HEADERS")])
        .doc("Headers to send with metrics. Unset: those of otlp_headers."),
    signal_timeout(
        "telemetry.metrics_timeout",
        &[Variable::new("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", read::timeout)],
    )
    .doc("How long one push of metrics may take. Unset: otlp_timeout."),
    signal_compression(
        "telemetry.metrics_compression",
        &[Variable::new("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", read::compression)],
    )
    .doc("\"gzip\" or \"none\", for metrics. Unset: otlp_compression."),
    Key::new("telemetry.metrics_interval", Kind::Duration { zero: false }, Default::Is(r#""60s""#))
        .variables(&[Variable::new("OTEL_METRIC_EXPORT_INTERVAL", read::milliseconds)])
        .doc("How often metrics are pushed; once more at the end. The OTEL_ variable is in milliseconds."),
    Key::new(
        "telemetry.metrics_temporality",
        Kind::Choice { of: &["cumulative", "delta", "lowmemory"], later: &[] },
        Default::Is(r#""cumulative""#),
    )
    .variables(&[Variable::new("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", read::temporality)])
    .doc("Whether pushed counts are since the start (\"cumulative\") or since the push before (\"delta\", \"lowmemory\")."),
    Key::new("telemetry.logs", Kind::Boolean, Default::Is("false"))
        .variables(&[Variable::new("OTEL_LOGS_EXPORTER", read::logs_exporter)])
        .doc(
            "Also send the log over OTLP, what stderr gets at INFO and above, with trace and span ids.\n\
             OTEL_LOGS_EXPORTER=otlp means true; none, or others only, means false.",
        ),
    Key::new(
        "telemetry.logs_endpoint",
        Kind::WholeEndpoint,
        Default::Unset(r#""http://127.0.0.1:4318/v1/logs""#),
    )
    .variables(&[Variable::plain("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")])
    .doc("The whole URL for logs. Unset: that of otlp_endpoint, with /v1/logs for /v1/traces."),
    signal_headers("telemetry.logs_headers", &[Variable::plain("OTEL_EXPORTER_OTLP_LOGS_HEADERS")])
        .doc("Headers to send with logs. Unset: those of otlp_headers."),
    signal_timeout(
        "telemetry.logs_timeout",
        &[Variable::new("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", read::timeout)],
    )
    .doc("How long one export of logs may take. Unset: otlp_timeout."),
    signal_compression(
        "telemetry.logs_compression",
        &[Variable::new("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", read::compression)],
    )
    .doc("\"gzip\" or \"none\", for logs. Unset: otlp_compression."),
];

const fn signal_headers(path: &'static str, variables: &'static [Variable]) -> Key {
    let example = Default::Unset(r#""Authorization=Basic <base64 of user:token>""#);
    Key::new(path, Kind::Headers, example).variables(variables)
}

const fn signal_timeout(path: &'static str, variables: &'static [Variable]) -> Key {
    Key::new(path, Kind::Duration { zero: false }, Default::Unset(r#""10s""#)).variables(variables)
}

const fn signal_compression(path: &'static str, variables: &'static [Variable]) -> Key {
    let kind = Kind::Choice { of: &["gzip", "none"], later: &[] };
    Key::new(path, kind, Default::Unset(r#""gzip""#)).variables(variables)
}

const STORE: &[Key] = &[
    Key::new("store.path", Kind::Path, Default::Unset(r#""/var/lib/voiced/record.sqlite""#)).doc(
        "The SQLite file in which every turn is recorded; \"off\" for none. Several workers may share one.\n\
         Unset: record.sqlite in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.\n\
         What people and the model said is in it as telemetry.capture_content allows. Only its owner can read it.",
    ),
    Key::new("store.retention", Kind::Duration { zero: false }, Default::Is(r#""30d""#))
        .doc("Turns that are older are deleted."),
    Key::new("store.max_bytes", Kind::Integer { min: 1 << 20, max: 1 << 40 }, Default::Is("1073741824"))
        .doc("When the record is larger, its oldest turns are deleted."),
];

const HTTP: &[Key] = &[
    Key::new("http.listen", Kind::Listen, Default::Is(r#""127.0.0.1:8081""#)).doc(
        "The address and port of /healthz, /readyz, /worker, /metrics and /sessions; \"off\" for none. /worker says\n\
         how much the worker is used, so think before you open it to a network. 0.0.0.0:8081 listens on every interface.",
    ),
    Key::new("http.token", Kind::Secret, Default::Unset(r#""a-long-random-text""#)).doc(
        "Whoever wants to see /sessions or /api must send this: in a form once, or as `Authorization: Bearer`.\n\
         Unset: open to whoever reaches a loopback address, and closed to everybody on any other.",
    ),
    Key::new(
        "http.trace_url",
        Kind::TraceUrl,
        Default::Unset(r#""https://traces.example.com/trace/{trace_id}?from={start_us}&to={end_us}""#),
    )
    .doc(
        "Where a trace can be looked at: the sessions' pages link there. {trace_id}, {session_id}, {start_us} and\n\
         {end_us} (microseconds since 1970, a minute around the turn) are filled in.\n\
         OpenObserve: https://<host>/web/traces/trace-details?stream=default&org_identifier=<organisation>\n\
         &trace_id={trace_id}&from={start_us}&to={end_us}, all in one line.",
    ),
];

const NETWORK: &[Key] = &[
    Key::new("network.ca_file", Kind::Path, Default::Unset(r#""/etc/voiced/private-ca.pem""#)).doc(
        "A PEM file with certificates of authorities to trust besides the system's: that of a private CA, or a server's own\n\
         self-signed one.",
    ),
    Key::new("network.https_proxy", Kind::Proxy, Default::Unset(r#""http://proxy.example.com:3128""#))
        .variables(&[Variable::plain("HTTPS_PROXY"), Variable::plain("https_proxy")])
        .doc(
            "The HTTP proxy for https:// and wss:// (by CONNECT), http://[user:password@]host:port; \"off\" for none. Media and\n\
             data of a room are WebRTC and go past it, by UDP or TCP, straight to the LiveKit server.",
        ),
    Key::new("network.http_proxy", Kind::Proxy, Default::Unset(r#""http://proxy.example.com:3128""#))
        .variables(&[Variable::plain("HTTP_PROXY"), Variable::plain("http_proxy")])
        .doc("The same for http:// and ws://."),
    Key::new("network.no_proxy", Kind::Text, Default::Is(r#""""#))
        .variables(&[Variable::plain("NO_PROXY"), Variable::plain("no_proxy")])
        .doc(
            "Hosts to go to without a proxy, between commas: names (with all below them), addresses, networks (10.0.0.0/8), or *.\n\
             This machine itself (localhost, 127.0.0.0/8, ::1) never needs to be named.",
        ),
];
