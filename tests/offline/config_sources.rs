//! The precedence of the sources of the configuration, and that each value knows its source.

use std::time::Duration;

use voiced::config::{CaptureContent, Permission};
use voiced::metrics::Temporality;

use crate::support::settings::Place;

#[test]
fn later_sources_win_over_earlier_ones() {
    let place = Place::new();
    assert_eq!(place.config().llm.model, "gpt-5.4-mini");
    assert_eq!(place.source("llm.model"), "default");

    let place = place.file("agent.toml", "[llm]\n\nmodel = \"from-file\"\n");
    assert_eq!(place.config().llm.model, "from-file");
    assert_eq!(place.source("llm.model"), "agent.toml:3");

    let place = place.var("VOICED_LLM__MODEL", "from-env");
    assert_eq!(place.config().llm.model, "from-env");
    assert_eq!(place.source("llm.model"), "env VOICED_LLM__MODEL");

    let place = place.set("llm.model=from-flag").set("llm.model=from-last-flag");
    assert_eq!(place.config().llm.model, "from-last-flag");
    assert_eq!(place.source("llm.model"), "--set");
}

#[test]
fn the_file_is_the_flag_then_the_variable_then_the_working_directory_then_the_system() {
    let text = |name: &str| format!("[agent]\nname = \"{name}\"\n");
    let place = Place::new().file("etc/voiced/agent.toml", text("system"));
    assert_eq!(place.config().agent.name, "system");
    let place = place.file("agent.toml", text("here"));
    assert_eq!(place.config().agent.name, "here");
    let place = place.file("named.toml", text("variable")).var("VOICED_CONFIG", "named.toml");
    assert_eq!(place.config().agent.name, "variable");
    let place = place.file("flag.toml", text("flag")).config_flag("flag.toml");
    assert_eq!(place.config().agent.name, "flag");
    assert_eq!(place.loaded().file, Some(place.path("flag.toml")));
}

#[test]
fn our_own_variable_beats_the_well_known_one() {
    let place = Place::new().var("LIVEKIT_URL", "wss://other.example");
    assert_eq!(place.config().livekit.url.as_str(), "wss://other.example/");
    assert_eq!(place.source("livekit.url"), "env LIVEKIT_URL");
    let place = place.var("VOICED_LIVEKIT__URL", "wss://ours.example");
    assert_eq!(place.config().livekit.url.as_str(), "wss://ours.example/");
}

#[test]
fn the_well_known_variables_of_livekit_and_openai_are_honoured() {
    let config = Place::new()
        .var("LIVEKIT_API_KEY", "devkey")
        .var("LIVEKIT_API_SECRET", "hush")
        .var("LIVEKIT_AGENT_NAME", "helper")
        .var("OPENAI_API_KEY", "sk-1")
        .var("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1/")
        .config();
    let credentials = config.livekit_credentials().unwrap();
    assert_eq!((credentials.key.as_str(), credentials.secret.expose()), ("devkey", "hush"));
    assert_eq!(config.worker.agent_name, "helper");
    assert_eq!(config.llm.api_key.unwrap().expose(), "sk-1");
    assert_eq!(config.llm.base_url.as_str(), "http://127.0.0.1:11434/v1");
}

#[test]
fn the_variables_of_opentelemetry_are_honoured_in_their_own_notation() {
    let telemetry = Place::new()
        .var("OTEL_SERVICE_NAME", "desk")
        .var("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,team=a%2Cb,service.name=weaker")
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .var("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic dXNlcjp0b2tlbg==,stream-name=voice")
        .var("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .var("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
        .var("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        .var("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "False")
        .config()
        .telemetry;
    assert!(telemetry.enabled);
    assert_eq!(telemetry.service_name, "desk");
    let attributes =
        telemetry.resource_attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(attributes.collect::<Vec<_>>(), [("deployment.environment.name", "prod"), ("team", "a,b")]);
    assert_eq!(telemetry.otlp_endpoint.unwrap().as_str(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!(telemetry.otlp_headers[0].1.expose(), "Basic dXNlcjp0b2tlbg==");
    assert_eq!(telemetry.otlp_headers[1].0, "stream-name");
    assert_eq!(telemetry.otlp_timeout, Duration::from_millis(2500));
    assert!(!telemetry.otlp_gzip);
    assert_eq!(telemetry.capture_content, CaptureContent::Off);
}

#[test]
fn the_variables_for_traces_beat_those_for_all_signals() {
    let telemetry = Place::new()
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4318")
        .var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/in")
        .var("OTEL_EXPORTER_OTLP_HEADERS", "a=general")
        .var("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=traces")
        .config()
        .telemetry;
    assert_eq!(telemetry.otlp_endpoint.unwrap().as_str(), "http://traces:4318/in");
    assert_eq!(telemetry.otlp_headers[0].1.expose(), "traces");
}

#[test]
fn the_service_name_may_stand_among_the_resource_attributes() {
    let place = Place::new().var("OTEL_RESOURCE_ATTRIBUTES", "service.name=desk,a=b");
    assert_eq!(place.config().telemetry.service_name, "desk");
    assert_eq!(place.config().telemetry.resource_attributes, [("a".to_owned(), "b".to_owned())]);
}

#[test]
fn the_otel_sdk_can_be_switched_off() {
    assert!(!Place::new().var("OTEL_SDK_DISABLED", "TRUE").config().telemetry.enabled);
    assert!(Place::new().var("OTEL_SDK_DISABLED", "false").config().telemetry.enabled);
    let place = Place::new().var("OTEL_SDK_DISABLED", "1").set("telemetry.otlp_endpoint=http://h");
    assert!(place.refusal().contains("expected true or false"), "{}", place.refusal());
}

#[test]
fn metrics_and_logs_are_off_until_a_key_or_otels_variables_say_so() {
    let telemetry = Place::new().config().telemetry;
    assert!(!telemetry.metrics && !telemetry.logs);
    assert_eq!((telemetry.metrics_endpoint, telemetry.logs_endpoint), (None, None));
    let place = Place::new().var("OTEL_METRICS_EXPORTER", "otlp").var("OTEL_LOGS_EXPORTER", "OTLP");
    let place = place
        .var("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h:1/m")
        .var("OTEL_METRIC_EXPORT_INTERVAL", "1500");
    let place = place.var("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory");
    let telemetry = place.config().telemetry;
    assert!(telemetry.metrics && telemetry.logs);
    assert_eq!(telemetry.metrics_endpoint.unwrap().as_str(), "http://h:1/m");
    assert_eq!(telemetry.metrics_interval, Duration::from_millis(1500));
    assert_eq!(telemetry.metrics_temporality, Temporality::LowMemory);
    let exported =
        || Place::with_agent_toml("[telemetry]\notlp_endpoint = \"http://h\"\nmetrics = true\nlogs = true\n");
    let refused = |name: &str, value: &str| exported().var(name, value).refusal();
    assert!(refused("OTEL_METRIC_EXPORT_INTERVAL", "0").contains("longer than zero"));
    let endpoint = refused("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "localhost:4318");
    assert!(endpoint.contains("begins with http:// or https://"), "{endpoint}");
}

#[test]
fn content_capture_takes_the_values_of_the_semantic_conventions() {
    let name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    for (value, expected) in [
        ("true", CaptureContent::Full),
        ("SPAN_ONLY", CaptureContent::Full),
        ("SPAN_AND_EVENT", CaptureContent::Full),
        ("EVENT_ONLY", CaptureContent::Off),
        ("NO_CONTENT", CaptureContent::Off),
        ("false", CaptureContent::Off),
    ] {
        assert_eq!(Place::new().var(name, value).config().telemetry.capture_content, expected, "{value}");
    }
    assert!(Place::new().var(name, "maybe").refusal().contains("SPAN_AND_EVENT"));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let place = Place::with_agent_toml("[livekit]\nurl = \"ws://file:1\"\n")
        .var("LIVEKIT_URL", "")
        .var("VOICED_LIVEKIT__URL", "")
        .var("VOICED_LLM__NONSENSE", "")
        .var("VOICED_CONFIG", "");
    assert_eq!(place.config().livekit.url.as_str(), "ws://file:1/");
}

#[test]
fn a_dotenv_file_fills_only_what_is_unset() {
    let place = Place::new()
        .file(
            ".env",
            "OPENAI_API_KEY=sk-dotenv\n\
             OTEL_EXPORTER_OTLP_ENDPOINT=https://api.openobserve.ai/api/your_org_id/v1/traces\n\
             OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic dXNlcjp0b2tlbg==\n\
             OPENAI_BASE_URL=http://dotenv/v1\n\
             LIVEKIT_URL=ws://dotenv:1\n",
        )
        .var("OPENAI_BASE_URL", "http://process/v1")
        .var("LIVEKIT_URL", "");
    let config = place.config();
    assert_eq!(config.llm.api_key.unwrap().expose(), "sk-dotenv");
    assert_eq!(
        config.telemetry.otlp_endpoint.unwrap().as_str(),
        "https://api.openobserve.ai/api/your_org_id/v1/traces"
    );
    assert_eq!(config.telemetry.otlp_headers[0].1.expose(), "Basic dXNlcjp0b2tlbg==");
    assert_eq!(config.llm.base_url.as_str(), "http://process/v1");
    assert_eq!(config.livekit.url.as_str(), "ws://dotenv:1/");
    assert_eq!(place.source("livekit.url"), "env LIVEKIT_URL (.env:5)");
    assert_eq!(place.source("llm.base_url"), "env OPENAI_BASE_URL");
}

#[test]
fn a_directory_named_dotenv_is_no_environment_file() {
    Place::new().file(".env/bin/activate", "").loaded();
}

#[test]
fn every_kind_of_value_is_read_from_text_as_from_toml() {
    let from_toml = Place::with_agent_toml(
        "[worker]\nmax_sessions = 1_000\ndrain_timeout = \"1h 30m\"\npermissions = [\"publish\", \"subscribe\"]\n\
         [llm]\ntemperature = 1\nmax_tokens = 200\n[telemetry]\nenabled = false\n[http]\nlisten = \"off\"\n",
    );
    let from_text = Place::new()
        .var("VOICED_WORKER__MAX_SESSIONS", "1000")
        .var("VOICED_WORKER__DRAIN_TIMEOUT", "1h 30m")
        .var("VOICED_WORKER__PERMISSIONS", "publish, subscribe")
        .set("llm.temperature=1")
        .set("llm.max_tokens=200")
        .set("telemetry.enabled=false")
        .set("http.listen=off");
    for config in [from_toml.config(), from_text.config()] {
        assert_eq!(config.worker.max_sessions, 1000);
        assert_eq!(config.worker.drain_timeout, Duration::from_secs(5400));
        assert_eq!(config.worker.permissions, [Permission::Publish, Permission::Subscribe]);
        assert_eq!((config.llm.temperature, config.llm.max_tokens), (Some(1.0), Some(200)));
        assert!(!config.telemetry.enabled);
        assert_eq!(config.http.listen, None);
    }
}

#[test]
fn a_value_may_hold_equals_signs_and_be_empty() {
    let config = Place::new().set("agent.greeting=a=b").set("agent.apology=").config();
    assert_eq!((config.agent.greeting.as_str(), config.agent.apology.as_str()), ("a=b", ""));
}

#[test]
fn a_shorter_turn_shortens_the_attempts_by_default() {
    let place = Place::new().set("llm.total_timeout=3s");
    assert_eq!(place.config().llm.first_token_timeout, Duration::from_secs(3));
    assert_eq!(place.source("llm.first_token_timeout"), "at most llm.total_timeout");
    let place =
        Place::with_agent_toml("[llm]\ntotal_timeout = \"30s\"\ncold_first_token_timeout = \"60s\"\n");
    assert_eq!(place.config().llm.cold_first_token_timeout, Duration::from_secs(30));

    let place =
        Place::with_agent_toml("[llm]\nstall_timeout = \"8s\"\n").var("VOICED_LLM__TOTAL_TIMEOUT", "4s");
    assert_eq!(place.config().llm.stall_timeout, Duration::from_secs(4));
}

#[test]
fn a_variable_that_misses_an_underscore_is_warned_about() {
    let loaded =
        Place::new().var("VOICED_LLM_MODEL", "x").var("VOICED_HTTP_PORT", "tcp://10.0.0.1:80").loaded();
    assert_eq!(loaded.warnings, ["VOICED_LLM_MODEL sets nothing; did you mean VOICED_LLM__MODEL?"]);
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    assert_eq!(Place::with_agent_toml("\u{feff}[llm]\nmodel = \"m\"\n").config().llm.model, "m");
}
