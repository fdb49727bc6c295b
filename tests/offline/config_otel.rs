//! The variables of OpenTelemetry, which an operator sets for every program of a machine: all signals read them alike,
//! they fail no command that does not need them, and `voiced config` names those that have no effect.

use std::process::{Command, Output};
use std::time::Duration;

use scripted_model::{Script, ScriptedModel, Step};
use voiced::config::{Ignored, Purpose};
use voiced::telemetry::{Settings, Signal};

use crate::support::otlp_receiver::{AUTHORIZATION, Mode, Receiver};
use crate::support::settings::Place;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://platform:4317");
const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

fn place(variables: &[(&str, &str)]) -> Place {
    variables.iter().fold(Place::new(), |place, (name, value)| place.var(name, *value))
}

fn telemetry(variables: &[(&str, &str)]) -> Settings {
    place(variables).config().telemetry.settings()
}

/// Whether traces, metrics and logs are switched on.
fn wanted(telemetry: &Settings) -> [bool; 3] {
    Signal::ALL.map(|signal| telemetry.wants(signal))
}

fn ignored(place: &Place, variable: &str) -> Option<Ignored> {
    place.loaded().ignored.into_iter().find(|ignored| ignored.variable == variable)
}

fn is_warned_of(place: &Place, variable: &str) -> bool {
    let loaded = place.loaded_for(Purpose::Nothing).unwrap();
    loaded.warnings.iter().any(|warning| warning.contains(variable))
}

// === exporters ===

/// The receiver of a signal; its URL does not matter here.
fn exporter(telemetry: &Settings, signal: Signal) -> otlp_spool::Receiver {
    telemetry.receiver(signal, "http://127.0.0.1:4318".parse().unwrap())
}

#[test]
fn the_exporter_variables_are_lists_and_read_alike_for_every_signal() {
    let names = ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"];
    // The effect of the list on a signal that is otherwise on, on one that is off, and whether a warning follows.
    let cases = [
        ("otlp", [true, true], false),
        ("OTLP", [true, true], false),
        (" otlp , ", [true, true], false),
        ("none", [false, false], false),
        ("None", [false, false], false),
        ("console", [false, false], true),
        ("otlp/stdout", [false, false], true),
        ("console,otlp", [true, true], true),
        ("otlp,acme", [true, true], true),
        ("none,otlp", [false, false], true),
        ("acme", [true, false], true),
        ("", [true, false], false),
        (" ", [true, false], false),
        (",", [true, false], false),
    ];
    for (index, name) in names.into_iter().enumerate() {
        for (value, expected, told) in cases {
            for (otherwise, expected) in [("true", expected[0]), ("false", expected[1])] {
                let keys: String =
                    ["traces", "metrics", "logs"].map(|key| format!("{key} = {otherwise}\n")).concat();
                let place = Place::with_agent_toml(&format!("[telemetry]\n{keys}")).var(name, value);
                let wanted = wanted(&place.config().telemetry.settings());
                assert_eq!(wanted[index], expected, "{name}={value:?}, else {otherwise}");
                let others = wanted.iter().enumerate().filter(|(other, _)| *other != index);
                assert!(others.into_iter().all(|(_, on)| on.to_string() == otherwise), "{name}={value:?}");
                assert_eq!(is_warned_of(&place, name), told, "{name}={value:?}");
                place.loaded_for(Purpose::Export).unwrap();
            }
        }
    }
}

#[test]
fn exporters_of_one_signal_are_unknown_to_the_others() {
    for (name, value, expected) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", [false, false, false]),
        ("OTEL_METRICS_EXPORTER", "zipkin", [true, false, false]),
        ("OTEL_TRACES_EXPORTER", "prometheus", [true, false, false]),
    ] {
        assert_eq!(wanted(&telemetry(&[(name, value)])), expected, "{name}={value}");
        assert!(is_warned_of(&place(&[(name, value)]), name), "{name}={value}");
    }
    // Prometheus reads /metrics, so there is no warning.
    for value in ["prometheus", "otlp,prometheus", "prometheus, otlp"] {
        let place = place(&[("OTEL_METRICS_EXPORTER", value)]);
        assert_eq!(place.config().telemetry.metrics, value.contains("otlp"), "{value}");
        assert!(!is_warned_of(&place, "OTEL_METRICS_EXPORTER"), "{value}");
    }
}

#[test]
fn our_own_key_is_stronger_than_a_list_of_exporters() {
    let place = place(&[("OTEL_TRACES_EXPORTER", "none"), ("VOICED_TELEMETRY__TRACES", "true")]);
    assert!(place.config().telemetry.traces);
    let ignored = ignored(&place, "OTEL_TRACES_EXPORTER").unwrap();
    assert_eq!(ignored.reason, "env VOICED_TELEMETRY__TRACES overrules it");
    assert!(!is_warned_of(&place, "OTEL_TRACES_EXPORTER"), "that is what it was set for");
}

// === protocol ===

#[test]
fn a_transport_that_we_do_not_speak_stops_what_would_go_to_an_endpoint_of_the_environment() {
    for (variables, said) in [
        (vec![ENDPOINT, GRPC], "traces are sent by http/protobuf, not \"grpc\""),
        (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC")], "traces are sent"),
        (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", " http/json ")], "not \"http/json\""),
        (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/x"), GRPC], "traces are sent"),
        (
            vec![ENDPOINT, GRPC, ("OTEL_METRICS_EXPORTER", "otlp"), ("OTEL_LOGS_EXPORTER", "otlp")],
            "traces, metrics and logs are sent",
        ),
        (
            vec![
                ENDPOINT,
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
            ],
            "logs are sent",
        ),
        // An endpoint as gRPC has it is one of the environment, too.
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"), GRPC], "traces are sent"),
    ] {
        let place = place(&variables);
        let refusal = place.refusal();
        assert!(refusal.contains(said) && refusal.contains("--> environment variable OTEL_"), "{refusal}");
        assert!(refusal.contains("VOICED_TELEMETRY__OTLP_ENDPOINT"), "the way out is named: {refusal}");
        let name = variables.iter().rfind(|(name, _)| name.ends_with("PROTOCOL")).unwrap().0;
        assert!(is_warned_of(&place, name), "{variables:?}");
    }
    let dotenv =
        Place::new().file(".env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://h\nOTEL_EXPORTER_OTLP_PROTOCOL=grpc\n");
    assert!(dotenv.refusal().contains("--> .env:2"), "{}", dotenv.refusal());
}

#[test]
fn it_stops_nothing_else_and_is_warned_of_with_the_reason() {
    let own = "telemetry.otlp_endpoint=http://127.0.0.1:4318";
    let file = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n";
    for (place, why) in [
        (place(&[ENDPOINT, GRPC, ("OTEL_SDK_DISABLED", "true")]), "telemetry.enabled is false"),
        (place(&[ENDPOINT, GRPC, ("VOICED_TELEMETRY__ENABLED", "false")]), "telemetry.enabled is false"),
        (place(&[ENDPOINT, GRPC, ("OTEL_TRACES_EXPORTER", "none")]), "are not exported"),
        (place(&[GRPC]), "no endpoint is set, so traces go nowhere"),
        (place(&[GRPC]).set(own), "--set sets the endpoint"),
        (place(&[ENDPOINT, GRPC]).set(own), "--set sets the endpoint"),
        (place(&[ENDPOINT, GRPC]).set("telemetry.otlp_endpoint="), "no endpoint is set"),
        (place(&[GRPC]).file("agent.toml", file), "agent.toml:2 sets the endpoint"),
        (
            place(&[ENDPOINT, GRPC, ("VOICED_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:4318")]),
            "env VOICED_TELEMETRY__OTLP_ENDPOINT sets the endpoint, and traces go there by http/protobuf",
        ),
        (place(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")]), "metrics are not exported"),
        (place(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")]), "is no transport of OTLP"),
        (
            place(&[
                ENDPOINT,
                GRPC,
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "HTTP/protobuf"),
            ]),
            "each signal has a variable of its own",
        ),
    ] {
        let loaded = place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{why}: {error}"));
        let warning = loaded.warnings.iter().find(|warning| warning.contains("_PROTOCOL is ignored: "));
        let warning = warning.unwrap_or_else(|| panic!("{why}: {:?}", loaded.warnings));
        assert!(warning.contains(why), "{warning}");
    }
    for value in ["http/protobuf", "HTTP/Protobuf", "", " "] {
        let place = place(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", value)]);
        assert_eq!(place.loaded_for(Purpose::Export).unwrap().warnings, [""; 0], "{value:?}");
    }
}

#[test]
fn a_signal_with_an_endpoint_of_its_own_is_judged_by_that_one() {
    let ours = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\nmetrics = true\n";
    let place = Place::with_agent_toml(ours)
        .var("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://platform:4317/v1/metrics")
        .var("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert!(place.refusal().contains("metrics are sent by http/protobuf"), "{}", place.refusal());
    assert!(!place.refusal().contains("traces"), "{}", place.refusal());
    let place = place.set("telemetry.metrics_endpoint=http://127.0.0.1:4318/v1/metrics");
    place.loaded_for(Purpose::Export).unwrap();
}

// === what one signal has for itself ===

#[test]
fn each_signal_is_sent_as_its_own_variables_say_and_else_as_those_for_all() {
    for own in ["TRACES_", "METRICS_", "LOGS_"] {
        let name = |signal: &str, aspect: &str| format!("OTEL_EXPORTER_OTLP_{signal}{aspect}");
        let place = Place::with_agent_toml("[telemetry]\nmetrics = true\nlogs = true\n");
        let place = ["", own].into_iter().fold(place, |place, signal| {
            let (url, milliseconds, compression) = match signal {
                "" => ("http://all/x", "1000", "NONE"),
                _ => ("http://own/x?a=b", "2000", "gzip"),
            };
            let header = format!("from={}", if signal.is_empty() { "all" } else { "own" });
            place
                .var(&name(signal, "ENDPOINT"), url)
                .var(&name(signal, "HEADERS"), header)
                .var(&name(signal, "TIMEOUT"), milliseconds)
                .var(&name(signal, "COMPRESSION"), compression)
        });
        let telemetry = place.loaded_for(Purpose::Export).unwrap().config.telemetry.settings();
        for (signal, prefix) in Signal::ALL.into_iter().zip(["TRACES_", "METRICS_", "LOGS_"]) {
            let sent = exporter(&telemetry, signal);
            let seen = (sent.headers[0].1.expose(), sent.timeout.as_millis(), sent.gzip);
            let expected = if prefix == own { ("own", 2000, true) } else { ("all", 1000, false) };
            assert_eq!(seen, expected, "{signal:?} with variables for {own}");
            let url = match signal {
                Signal::Traces => telemetry.otlp_endpoint.as_ref(),
                Signal::Metrics => telemetry.metrics_endpoint.as_ref(),
                Signal::Logs => telemetry.logs_endpoint.as_ref(),
            };
            let url = url.map(url::Url::as_str);
            match (prefix == own, signal) {
                (true, _) => assert_eq!(url, Some("http://own/x?a=b"), "used as it is written"),
                (false, Signal::Traces) => assert_eq!(url, Some("http://all/x/v1/traces")),
                // Beside the traces, unless these go elsewhere.
                (false, signal) => {
                    let beside = format!("http://all/x/v1/{}", signal.name());
                    assert_eq!(url, (own == "TRACES_").then_some(beside.as_str()));
                }
            }
        }
    }
}

#[test]
fn variables_for_traces_alone_leave_metrics_and_logs_as_the_file_has_them() {
    let file = "[telemetry]\nmetrics = true\notlp_endpoint = \"http://file\"\notlp_headers = \"from=file\"\n\
                otlp_timeout = \"3s\"\notlp_compression = \"none\"\n";
    let place = Place::with_agent_toml(file)
        .var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/in")
        .var("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "from=traces")
        .var("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "9000")
        .var("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip");
    let telemetry = place.config().telemetry.settings();
    assert_eq!(telemetry.otlp_endpoint.as_ref().unwrap().as_str(), "http://traces/in");
    assert_eq!(telemetry.metrics_endpoint.as_ref().unwrap().as_str(), "http://file/v1/metrics");
    let metrics = exporter(&telemetry, Signal::Metrics);
    assert_eq!((metrics.timeout, metrics.gzip), (Duration::from_secs(3), false));
    assert_eq!(metrics.headers[0].1.expose(), "file");
    assert_eq!(exporter(&telemetry, Signal::Traces).headers[0].1.expose(), "traces");
    assert_eq!(place.source("telemetry.metrics_endpoint"), "agent.toml:3");
}

#[test]
fn credentials_for_traces_go_with_metrics_to_the_receiver_of_traces_only() {
    let traces = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Basic dHJhY2Vz"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
    ];
    let beside = telemetry(&traces);
    assert_eq!(exporter(&beside, Signal::Metrics).headers.len(), 1);
    for elsewhere in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] {
        let place = traces.iter().fold(Place::new(), |place, (name, value)| place.var(name, *value));
        let telemetry = place.var(elsewhere, "http://metrics").config().telemetry.settings();
        assert!(telemetry.metrics_endpoint.is_some(), "{elsewhere}");
        assert_eq!(exporter(&telemetry, Signal::Metrics).headers.len(), 0, "{elsewhere}");
        assert_eq!(exporter(&telemetry, Signal::Traces).headers.len(), 1, "{elsewhere}");
    }
}

#[test]
fn the_headers_of_every_signal_are_secrets() {
    let place = place(&[
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "key=hush-metrics"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "key=hush-logs"),
    ]);
    let loaded = place.loaded();
    assert_eq!(loaded.config.secrets().taken_out("hush-metrics hush-logs"), "[secret] [secret]");
    let shown = format!("{:?} {:?}", loaded.listed().collect::<Vec<_>>(), loaded.config);
    assert!(!shown.contains("hush"), "{shown}");
}

// === what is wrong ===

/// Each value is refused where a signal is sent with it.
const WRONG: [(&str, &str); 11] = [
    ("OTEL_SDK_DISABLED", "1"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Basic eA=="),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"),
    ("OTEL_RESOURCE_ATTRIBUTES", "foo=bar,spam"),
    ("OTEL_RESOURCE_ATTRIBUTES", "foo=%ZZ"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_SERVICE_NAME", "${NAME}"),
];

#[test]
fn what_cannot_be_read_stops_only_what_needs_it() {
    for (name, value) in WRONG {
        let variables = [ENDPOINT, (name, value)];
        let refusal = place(&variables).refusal();
        assert_eq!(refusal.matches("error: ").count(), 1, "said once: {refusal}");
        assert!(refusal.contains(&format!("--> environment variable {name}")), "{refusal}");
        for spared in [("OTEL_SDK_DISABLED", "true"), ("VOICED_TELEMETRY__ENABLED", "false")] {
            let place = place(&[ENDPOINT, (name, value), spared]);
            if name == "OTEL_SDK_DISABLED" && spared.0 == name {
                continue;
            }
            place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{name} {spared:?}: {error}"));
        }
        let place = place(&variables);
        assert!(
            is_warned_of(&place, name),
            "{name}: {:?}",
            place.loaded_for(Purpose::Nothing).unwrap().warnings
        );
        if !name.ends_with("PROTOCOL") {
            assert!(place.loaded_for(Purpose::Address).is_err(), "{name}");
        }
    }
}

#[test]
fn what_only_metrics_or_logs_need_stops_no_command_that_sends_none() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "key"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "soon"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "a minute"),
    ] {
        let place = place(&[ENDPOINT, (name, value)]);
        assert!(is_warned_of(&place, name), "{name}");
        place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{name}: {error}"));
        let place = place.set("telemetry.metrics=true").set("telemetry.logs=true");
        assert!(place.refusal().contains(name), "{name}: {}", place.refusal());
    }
    // A variable for all signals still sets the metrics' value when traces override it.
    let variables =
        [ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "key"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b")];
    place(&variables).loaded_for(Purpose::Export).unwrap();
    let refusal = place(&variables).set("telemetry.metrics=true").refusal();
    assert!(refusal.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{refusal}");
}

#[test]
fn names_that_the_specification_wants_ignored_are_ignored() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "snappy"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "deltas"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http"),
        ("OTEL_TRACES_EXPORTER", "otpl"),
    ] {
        let place = place(&[ENDPOINT, (name, value), ("OTEL_METRICS_EXPORTER", "otlp")]);
        let loaded = place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            loaded.warnings.iter().any(|warning| warning.contains(name)),
            "{name}: {:?}",
            loaded.warnings
        );
        assert_eq!(wanted(&loaded.config.telemetry.settings()), [true, true, false]);
        assert!(loaded.config.telemetry.otlp_gzip, "the default");
    }
}

#[test]
fn an_empty_variable_is_an_unset_one_whatever_it_is_for() {
    let names = [
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "OTEL_TRACES_SAMPLER",
    ];
    let file = "[telemetry]\notlp_endpoint = \"http://file\"\nservice_name = \"file\"\n";
    let unset = Place::with_agent_toml(file);
    for empty in ["", " ", "\t", "\"\"", "''"] {
        let place = names.iter().fold(Place::with_agent_toml(file), |place, name| place.var(name, empty));
        let loaded = place.loaded_for(Purpose::Export).unwrap();
        assert_eq!(format!("{:?}", loaded.config), format!("{:?}", unset.config()), "{empty:?}");
        assert_eq!(loaded.ignored, [], "{empty:?}");
    }
}

#[test]
fn zero_is_no_limit_for_an_export_and_no_interval_for_metrics() {
    let telemetry =
        telemetry(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0")]);
    assert_eq!(telemetry.otlp_timeout, Duration::from_secs(3600));
    assert_eq!(exporter(&telemetry, Signal::Logs).timeout, Duration::from_secs(3600));
}

#[test]
fn resource_attributes_are_read_or_refused_with_their_place_once() {
    let attributes = |text: &str| {
        let telemetry = telemetry(&[ENDPOINT, ("OTEL_RESOURCE_ATTRIBUTES", text)]);
        let pairs = telemetry.resource_attributes.into_iter().map(|(name, value)| format!("{name}={value}"));
        (telemetry.service_name, pairs.collect::<Vec<_>>().join("|"))
    };
    for (text, service, expected) in [
        ("foo=bar", "voiced", "foo=bar"),
        (" foo = bar , a = b ", "voiced", "foo=bar|a=b"),
        ("foo=bar,", "voiced", "foo=bar"),
        (",,foo=bar", "voiced", "foo=bar"),
        ("foo=", "voiced", "foo="),
        ("foo=a b", "voiced", "foo=a b"),
        ("foo=bar=baz=", "voiced", "foo=bar=baz="),
        ("foo=a%2Cb%3Dc%20d%25", "voiced", "foo=a,b=c d%"),
        ("a%2Eb=%C3%A9", "voiced", "a.b=é"),
        ("service.name=desk,foo=bar", "desk", "foo=bar"),
        ("service.name=", "voiced", ""),
        ("service.name = de%73k", "desk", ""),
    ] {
        assert_eq!(attributes(text), (service.to_owned(), expected.to_owned()), "{text:?}");
    }
    for (text, said) in [
        ("foo=bar,spam", "`spam` has no `=`"),
        ("foo=%ZZ", "written %25"),
        ("foo=100%", "written %25"),
        ("foo=%ff", "percent-encoding"),
        ("=bar", "no name before its `=`"),
    ] {
        let refusal = place(&[ENDPOINT, ("OTEL_RESOURCE_ATTRIBUTES", text)]).refusal();
        assert!(refusal.contains(said), "{text:?}: {refusal}");
        let place = "--> environment variable OTEL_RESOURCE_ATTRIBUTES";
        assert_eq!(refusal.matches(place).count(), 1, "{text:?}: {refusal}");
    }
}

// === what nothing reads ===

#[test]
fn variables_that_nothing_reads_are_listed_with_the_reason_and_no_value() {
    let place = place(&[
        ENDPOINT,
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/hunter2"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ("OTEL_CONFIG_FILE", "/otel.yaml"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_PYTHON_LOG_CORRELATION", "hunter2"),
        ("OTHER_VARIABLE", "x"),
    ]);
    let loaded = place.loaded_for(Purpose::Export).unwrap();
    assert_eq!(loaded.ignored.len(), 10, "{:#?}", loaded.ignored);
    for (name, why, warned) in [
        ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_EXPORTER=none", true),
        ("OTEL_TRACES_SAMPLER_ARG", "every turn is traced", false),
        ("OTEL_BSP_SCHEDULE_DELAY", "telemetry.spool_dir", false),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "network.ca_file", true),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "no certificate of its own", true),
        ("OTEL_EXPORTER_OTLP_INSECURE", "scheme", false),
        ("OTEL_CONFIG_FILE", "no configuration file", true),
        ("OTEL_PYTHON_LOG_CORRELATION", "does not read it", false),
    ] {
        let ignored = loaded.ignored.iter().find(|ignored| ignored.variable == name).unwrap();
        assert!(ignored.reason.contains(why), "{ignored:?}");
        let is_warned = loaded.warnings.iter().any(|warning| warning.contains(&format!("{name} ")));
        assert_eq!(is_warned, warned, "{name}: {:?}", loaded.warnings);
    }
    assert!(!format!("{:?}", loaded.ignored).contains("hunter2"));
    let place = place.set("telemetry.enabled=false");
    assert_eq!(place.loaded().warnings, [""; 0], "where nothing is exported nothing is missed");
}

// === the program ===

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.current_dir(place.dir()).env_clear().envs(variables.iter().copied()).args(arguments);
    command.env("VOICED_STORE__PATH", place.path("record.sqlite")).env("VOICED_HTTP__LISTEN", "off");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

#[test]
fn sessions_and_config_run_whatever_opentelemetrys_variables_say() {
    for wrong in WRONG {
        for arguments in [&["sessions"][..], &["config"], &["config", "--json"]] {
            let place = Place::new();
            let (without, ran) = (run(&place, &[], arguments), run(&place, &[ENDPOINT, wrong], arguments));
            assert_eq!(ran.code, without.code, "{wrong:?} {arguments:?}: {}", ran.stderr);
            assert!(ran.code.is_some_and(|code| code < 2), "{}", ran.stderr);
            assert!(ran.stderr.contains("warning: ") && ran.stderr.contains(wrong.0), "{}", ran.stderr);
        }
    }
}

#[test]
fn commands_that_export_end_with_78_over_a_transport_we_do_not_speak() {
    let keys = [("LIVEKIT_API_KEY", "k"), ("LIVEKIT_API_SECRET", "s"), ("OPENAI_API_KEY", "sk")];
    for arguments in [&["start"][..], &["connect", "--room", "r"], &["ask", "hi"], &["check"]] {
        let ran = run(&Place::new(), &[&[ENDPOINT, GRPC][..], &keys].concat(), arguments);
        assert_eq!(ran.code, Some(78), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("not \"grpc\""), "{}", ran.stderr);
    }
}

#[test]
fn config_names_what_changes_something_and_what_has_no_effect() {
    let variables = [
        ENDPOINT,
        GRPC,
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_\u{1b}[7m", "x"),
        ("OTEL_SERVICE_NAME", "desk"),
        ("VOICED_TELEMETRY__SERVICE_NAME", "other"),
    ];
    let listing = run(&Place::new(), &variables, &["config"]).stdout;
    let squeezed: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "traces = false # env OTEL_TRACES_EXPORTER",
        "metrics = false # env OTEL_METRICS_EXPORTER",
        "# env OTEL_METRICS_EXPORTER: there is no exporter \"console\" here",
        "# env OTEL_EXPORTER_OTLP_PROTOCOL is ignored: traces, metrics and logs are not exported",
        "# env OTEL_SERVICE_NAME is ignored: env VOICED_TELEMETRY__SERVICE_NAME overrules it",
        "# env OTEL_\\u{1b}[7m is ignored: voiced does not read it",
    ] {
        assert!(squeezed.iter().any(|found| found == line), "{line} is missing in:\n{listing}");
    }
    assert!(!listing.contains('\u{1b}'));
    let json: serde_json::Value =
        serde_json::from_str(&run(&Place::new(), &variables, &["config", "--json"]).stdout).unwrap();
    assert_eq!(json["config"]["telemetry"]["traces"]["value"], false);
    let ignored = json["ignored"].as_array().unwrap();
    assert_eq!(ignored.len(), 5, "{ignored:#?}");
    let protocol = ignored.iter().find(|ignored| ignored["variable"] == GRPC.0).unwrap();
    assert_eq!(protocol["reason"], "traces, metrics and logs are not exported");
    assert_eq!(protocol["source"], "env OTEL_EXPORTER_OTLP_PROTOCOL");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_exporter_variables_say_is_what_leaves() {
    let model = ScriptedModel::start(Script::always(Step::reply("Hello."))).await.unwrap();
    let headers = format!("Authorization={AUTHORIZATION}");
    let own = |receiver: &Receiver| ("VOICED_TELEMETRY__OTLP_ENDPOINT", receiver.url().to_string());
    let theirs = |receiver: &Receiver| (ENDPOINT.0, receiver.url().to_string());
    let ask = |endpoint: (&'static str, String), more: Vec<(&'static str, &'static str)>| {
        let (base_url, headers) = (model.base_url().to_owned(), headers.clone());
        async move {
            let done = tokio::task::spawn_blocking(move || {
                let mut variables = vec![
                    ("OPENAI_BASE_URL", base_url.as_str()),
                    ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
                    (endpoint.0, endpoint.1.as_str()),
                ];
                variables.extend(more);
                run(&Place::new(), &variables, &["ask", "hi"])
            });
            done.await.unwrap()
        }
    };
    for (value, spans) in [("none", 0), ("console", 0), ("none,otlp", 0), ("otlp,console", 3), ("", 3)] {
        let receiver = Receiver::start(Mode::Accept);
        let ran = ask(theirs(&receiver), vec![("OTEL_TRACES_EXPORTER", value)]).await;
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "Hello."), "{}", ran.stderr);
        assert_eq!(receiver.span_names().len(), spans, "OTEL_TRACES_EXPORTER={value:?}: {}", ran.stderr);
    }
    let receiver = Receiver::start(Mode::Accept);
    let ran = ask(own(&receiver), vec![GRPC, ENDPOINT]).await;
    assert_eq!((ran.code, receiver.span_names().len()), (Some(0), 3), "{}", ran.stderr);
    assert!(ran.stderr.contains("OTEL_EXPORTER_OTLP_PROTOCOL is ignored"), "{}", ran.stderr);
    let receiver = Receiver::start(Mode::Accept);
    let ran = ask(theirs(&receiver), vec![GRPC, ("OTEL_SDK_DISABLED", "true")]).await;
    assert_eq!((ran.code, receiver.knocks()), (Some(0), 0), "{}", ran.stderr);
}
