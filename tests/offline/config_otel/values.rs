//! What is wrong with a value stops only what needs it; what nothing reads is listed.

use std::time::Duration;

use voiced::config::Purpose;
use voiced::telemetry::Signal;

use super::{ENDPOINT, WRONG, exporter, is_warned_of, place, telemetry, wanted};
use crate::support::settings::Place;

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
