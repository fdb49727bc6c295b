//! Which signals are exported, and what each has for itself.

use std::time::Duration;

use voiced::config::Purpose;
use voiced::telemetry::Signal;

use super::{exporter, ignored, is_warned_of, place, telemetry, wanted};
use crate::support::settings::Place;

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
