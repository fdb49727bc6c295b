//! Transports that we do not speak, and what they stop.

use voiced::config::Purpose;

use super::{ENDPOINT, GRPC, is_warned_of, place};
use crate::support::settings::Place;

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
