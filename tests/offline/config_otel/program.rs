//! The program under these variables.

use std::process::{Command, Output};

use scripted_model::{Script, ScriptedModel, Step};

use super::{ENDPOINT, GRPC, WRONG};
use crate::support::otlp_receiver::{AUTHORIZATION, Mode, Receiver};
use crate::support::settings::Place;

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
