//! `voiced openobserve install` against a server that keeps state and refuses like OpenObserve.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::openobserve::{AUTHORIZATION, ORG, OpenObserve};

const ALERTS: [&str; 5] =
    ["voiced_slow_turns", "voiced_failed_turns", "voiced_failed_stt", "voiced_failed_tts", "voiced_no_turns"];
/// The panels of the dashboard.
const PANELS: usize = 17;

/// The output of a run.
struct Said {
    code: Option<i32>,
    stdout: String,
    everything: String,
}

impl Said {
    /// The first word of each line that is about a thing, with its kind.
    fn steps(&self) -> Vec<(&str, &str)> {
        let lines =
            self.stdout.lines().filter(|line| !line.starts_with("See") && !line.starts_with("Nothing"));
        lines
            .map(|line| {
                let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
                (columns.next().unwrap(), columns.next().unwrap())
            })
            .collect()
    }

    #[track_caller]
    fn assert_steps(&self, dashboard: &str, alerts: &str) {
        let expected = [[(dashboard, "dashboard")].as_slice(), &[(alerts, "alert"); ALERTS.len()]].concat();
        assert_eq!((self.steps(), self.code), (expected, Some(0)), "{}", self.everything);
    }

    #[track_caller]
    fn assert_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.everything);
        for word in words {
            assert!(self.everything.contains(word), "{word:?} is missing in {}", self.everything);
        }
        assert!(!self.everything.contains("dXNlcjpwYXNzd29yZA"), "{}", self.everything);
    }
}

/// `voiced` with traces that go to this server, as the user that may edit.
fn voiced(server: &OpenObserve) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.current_dir(std::env::temp_dir()).env_clear();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/api/{ORG}/v1/traces", server.root));
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={AUTHORIZATION}"));
    command
}

async fn install_as(mut command: Command, arguments: &[&str]) -> Said {
    command.args(["openobserve", "install"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let everything = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    Said { code: output.status.code(), stdout, everything }
}

async fn install(server: &OpenObserve, arguments: &[&str]) -> Said {
    install_as(voiced(server), arguments).await
}

fn alert(server: &OpenObserve, name: &str) -> Value {
    let alerts = &server.state().alerts;
    alerts.values().find(|alert| alert["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_everything_and_a_second_changes_nothing() {
    let server = OpenObserve::start().await;
    let first = install(&server, &["--destination", "pager"]).await;
    first.assert_steps("created", "created");
    assert!(first.stdout.contains(&format!("See {}/web/dashboards", server.root)), "{}", first.stdout);
    assert_eq!(server.writes().len(), 1 + ALERTS.len());
    {
        let state = server.state();
        let dashboard = state.dashboards.values().next().unwrap();
        assert_eq!(dashboard["title"], "voiced");
        assert_eq!(dashboard["tabs"][0]["panels"].as_array().unwrap().len(), PANELS);
    }
    for name in ALERTS {
        let alert = alert(&server, name);
        assert_eq!((&alert["destinations"], &alert["enabled"]), (&json!(["pager"]), &json!(true)));
    }
    for arguments in [&["--destination", "pager"] as &[&str], &[]] {
        install(&server, arguments).await.assert_steps("unchanged", "unchanged");
    }
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let server = OpenObserve::start().await;
    let dry = install(&server, &["--dry-run", "--webhook", "https://hooks.test/T0/secret-path"]).await;
    let would = "would create";
    let first = [(would, "dashboard"), (would, "template"), (would, "destination")];
    let expected = [first.as_slice(), &[(would, "alert"); ALERTS.len()]].concat();
    assert_eq!((dry.steps(), dry.code), (expected, Some(0)), "{}", dry.everything);
    assert!(dry.stdout.contains("Nothing was written"));
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_an_older_one_of_ours_is_updated_in_its_place_and_keeps_what_is_theirs() {
    let server = OpenObserve::start().await;
    install(&server, &["--destination", "pager"]).await.assert_steps("created", "created");
    let ids = |server: &OpenObserve| server.state().dashboards.keys().cloned().collect::<Vec<_>>();
    let before = ids(&server);
    {
        let mut state = server.state();
        for one in state.dashboards.values_mut() {
            one["description"] = "Turns. Installed by voiced, revision 0123456789ab.".into();
            one["tabs"] = json!([]);
        }
        for one in state.alerts.values_mut() {
            one["description"] = "Installed by voiced, revision 0123456789ab.".into();
            one["enabled"] = json!(false);
            one["query_condition"]["sql"] = "SELECT 1".into();
            one["template"] = "pagers".into();
            one["workflows"] = json!(["wake-somebody"]);
            one["folder"] = "on-call".into();
        }
        state.dashboards.values_mut().for_each(|one| one["folder"] = "voice".into());
    }
    install(&server, &[]).await.assert_steps("updated", "updated");
    assert_eq!(ids(&server), before);
    {
        let state = server.state();
        let dashboard = &state.dashboards[&before[0]];
        assert_eq!(dashboard["tabs"][0]["panels"].as_array().unwrap().len(), PANELS);
        assert_eq!(
            (&dashboard["dashboardId"], &dashboard["owner"]),
            (&json!(before[0]), &json!("ada@acme.test"))
        );
    }
    for name in ALERTS {
        let alert = alert(&server, name);
        assert_eq!((&alert["destinations"], &alert["enabled"]), (&json!(["pager"]), &json!(false)));
        assert_eq!((&alert["template"], &alert["workflows"]), (&json!("pagers"), &json!(["wake-somebody"])));
        assert!(alert["query_condition"]["sql"].as_str().unwrap().contains("operation_name = '"));
    }
    install(&server, &[]).await.assert_steps("unchanged", "unchanged");
    let state = server.state();
    assert_eq!((state.dashboards.len(), state.alerts.len()), (1, ALERTS.len()), "moved, not doubled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_changed_stays_while_ours_is_the_same() {
    let server = OpenObserve::start().await;
    install(&server, &["--destination", "pager"]).await.assert_steps("created", "created");
    server.state().dashboards.values_mut().for_each(|one| one["tabs"] = json!([]));
    install(&server, &[]).await.assert_steps("unchanged", "unchanged");
    assert!(server.state().dashboards.values().all(|one| one["tabs"] == json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_meanwhile_is_not_overwritten() {
    let server = OpenObserve::start().await;
    install(&server, &[]).await.assert_steps("created", "skipped");
    {
        let mut state = server.state();
        state.dashboards.values_mut().for_each(|one| one["description"] = "old".into());
        state.meddle = true;
    }
    let said = install(&server, &[]).await;
    said.assert_refused(&["answered 409", "concurrent changes", "it was changed at the same time"]);
    assert!(server.state().dashboards.values().all(|one| one["description"] == "old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_becomes_a_template_and_a_destination() {
    let server = OpenObserve::start().await;
    let hook = ["--webhook", "https://hooks.test/T0/secret-path"];
    let first = install(&server, &hook).await;
    assert_eq!(first.code, Some(0), "{}", first.everything);
    {
        let state = server.state();
        assert_eq!(state.destinations["voiced"]["url"], "https://hooks.test/T0/secret-path");
        assert_eq!(state.destinations["voiced"]["template"], "voiced");
        assert!(state.templates["voiced"]["body"].as_str().unwrap().contains("{alert_name}"));
    }
    assert_eq!(alert(&server, ALERTS[0])["destinations"], json!(["voiced"]));
    assert_eq!(server.writes().len(), 3 + ALERTS.len());
    install(&server, &hook).await;
    assert_eq!(server.writes(), Vec::<String>::new());

    let moved = install(&server, &["--webhook", "https://hooks.test/T0/other-path"]).await;
    assert_eq!(
        server.writes(),
        [format!("PUT /o2/api/{ORG}/alerts/destinations/voiced")],
        "{}",
        moved.everything
    );
    // Another destination changes the recipients of the alerts.
    install(&server, &["--destination", "pager"]).await.assert_steps("unchanged", "updated");
    assert_eq!(alert(&server, ALERTS[4])["destinations"], json!(["pager"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_and_stream_has_its_own() {
    let server = OpenObserve::start().await;
    server.state().streams.push("calls");
    install(&server, &["--destination", "pager"]).await.assert_steps("created", "created");
    let other = || {
        let mut other = voiced(&server);
        other.env("OTEL_SERVICE_NAME", "support");
        other.env("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={AUTHORIZATION},stream-name=calls"));
        other
    };
    install_as(other(), &["--destination", "pager"]).await.assert_steps("created", "created");
    install_as(other(), &[]).await.assert_steps("unchanged", "unchanged");
    let alert = alert(&server, "voiced_no_turns_support");
    assert_eq!(alert["stream_name"], "calls");
    let sql = alert["query_condition"]["sql"].as_str().unwrap();
    assert!(sql.contains("FROM \"calls\" WHERE service_name = 'support'"), "{sql}");
    let state = server.state();
    assert_eq!((state.dashboards.len(), state.alerts.len()), (2, 2 * ALERTS.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_the_alerts_are_left_out_and_said() {
    let server = OpenObserve::start().await;
    let said = install(&server, &[]).await;
    said.assert_steps("created", "skipped");
    assert!(said.stdout.contains("--destination NAME, or --webhook URL"), "{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_to_do() {
    let server = OpenObserve::start().await;
    let mut ingestion = voiced(&server);
    ingestion.env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic b25seTp3cml0aW5n");
    install_as(ingestion, &[]).await.assert_refused(&[
        "answered 401",
        "only good for writing traces",
        "OPENOBSERVE_TOKEN",
    ]);

    let wrong = install(&server, &["--org", "acmee"]).await;
    wrong.assert_refused(&["no member of the organisation \"acmee\"", "acme, other", "--org"]);

    let nobody = install(&server, &["--destination", "nobody"]).await;
    nobody.assert_refused(&["answered 404", "destination nobody not found", "--destination", "--webhook"]);

    server.state().streams.clear();
    let early = install(&server, &["--destination", "pager"]).await;
    early.assert_refused(&["Stream default not found", "voiced check"]);

    server.state().version = "v0.14.6";
    install(&server, &[]).await.assert_refused(&["OpenObserve v0.14.6", "0.40 or later"]);

    let root = server.root.replace("/o2", "/elsewhere");
    let mut page = voiced(&server);
    page.env("OPENOBSERVE_TOKEN", AUTHORIZATION);
    let page = install_as(page, &["--url", &root, "--org", ORG]).await;
    page.assert_refused(&["is no part of OpenObserve's API", "--url"]);

    let mut down = voiced(&server);
    let port = testbed::free_port().unwrap();
    down.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}/api/{ORG}"));
    install_as(down, &[]).await.assert_refused(&["cannot reach", "refused", "is OpenObserve running there?"]);

    let mut nowhere = voiced(&server);
    nowhere.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    install_as(nowhere, &[]).await.assert_refused(&["which OpenObserve?", "otlp_endpoint", "--url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_environment_wins_over_that_for_traces() {
    let server = OpenObserve::start().await;
    let mut command = voiced(&server);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic b25seTp3cml0aW5n");
    command.env("OPENOBSERVE_TOKEN", AUTHORIZATION.trim_start_matches("Basic "));
    install_as(command, &["--destination", "pager"]).await.assert_steps("created", "created");
}
