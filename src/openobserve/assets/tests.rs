//! The properties of the files that need no OpenObserve: their shape, and that their SQL asks for columns that our
//! spans become.

use std::collections::BTreeSet;

use regex::Regex;

use super::*;

/// Columns of OpenObserve's own, of every span.
const OWN_COLUMNS: [&str; 8] = [
    "_timestamp",
    "duration",
    "operation_name",
    "service_name",
    "span_id",
    "span_status",
    "status_message",
    "trace_id",
];
/// The columns that are numbers in every version that takes the dashboard. All attributes are text there, before v0.91
/// also those that are numbers from then on (`gen_ai_usage_*`, `gen_ai_response_time_to_first_chunk`).
const NUMBERS: [&str; 2] = ["duration", "_timestamp"];
const WORDS: [&str; 38] = [
    "select",
    "from",
    "where",
    "and",
    "as",
    "group",
    "by",
    "order",
    "having",
    "limit",
    "desc",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast",
    "double",
    "bigint",
    "distinct",
    "nullif",
    "count",
    "sum",
    "max",
    "approx_percentile_cont",
    "histogram",
    "x_axis_1",
    "y_axis_1",
    "y_axis_2",
    "y_axis_3",
    "y_axis_4",
    "y_axis_5",
    "y_axis_6",
    "turns",
    "requests",
    "failed",
    "p95_ms",
    "default",
];

fn assets() -> Assets {
    Assets::new("default", "voiced").unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["tabs"][0]["panels"].as_array().unwrap()
}

/// All SQL of the files, with its place.
fn queries(assets: &Assets) -> Vec<(String, String)> {
    let of_panels = panels(&assets.dashboard).iter().flat_map(|panel| {
        let title = text(panel, "title").to_owned();
        panel["queries"]
            .as_array()
            .unwrap()
            .iter()
            .map(move |query| (title.clone(), text(query, "query").to_owned()))
    });
    let of_alerts = assets
        .alerts
        .iter()
        .map(|alert| (text(alert, "name").to_owned(), text(&alert["query_condition"], "sql").to_owned()));
    of_panels.chain(of_alerts).collect()
}

/// OpenObserve flattens names: lower case, and an underscore for any character but a letter, digit or underscore.
fn column(attribute: &str) -> String {
    let flat = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '_' };
    attribute.chars().map(flat).collect()
}

fn columns_of_attributes() -> BTreeSet<String> {
    crate::attributes::keys().map(column).collect()
}

/// The names in a query besides the words of SQL, without the texts in it.
fn names(sql: &str) -> BTreeSet<String> {
    let sql = Regex::new("'[^']*'").unwrap().replace_all(sql, "");
    let name = Regex::new("[A-Za-z_][A-Za-z0-9_]*").unwrap();
    let names = name.find_iter(&sql).map(|found| found.as_str().to_ascii_lowercase());
    names.filter(|name| !WORDS.contains(&name.as_str())).collect()
}

#[test]
fn every_query_names_only_columns_that_our_spans_become() {
    let columns = columns_of_attributes();
    assert!(columns.len() > 30 && columns.contains("livekit_question"), "{columns:?}");
    let known = |name: &String| columns.contains(name) || OWN_COLUMNS.contains(&name.as_str());
    let queries = queries(&assets());
    assert_eq!(queries.len(), 22);
    for (place, sql) in queries {
        let names = names(&sql);
        assert!(names.contains("operation_name") && names.contains("service_name"), "{place}: {sql}");
        let unknown: Vec<_> = names.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{place}: {unknown:?} in {sql}");
    }
}

#[test]
fn what_is_stored_as_text_is_not_calculated_with() {
    let calculated =
        Regex::new(r"(?:sum|max|approx_percentile_cont)\((?:CAST\()?([a-z_0-9]+)( AS )?").unwrap();
    let mut seen = 0;
    for (place, sql) in queries(&assets()) {
        for found in calculated.captures_iter(&sql).filter(|found| &found[1] != "case") {
            let is_number = NUMBERS.contains(&&found[1]);
            assert!(is_number || found.get(2).is_some(), "{place}: {} is text in {sql}", &found[1]);
            seen += 1;
        }
    }
    assert!(seen > 10);
}

#[test]
fn every_query_is_about_spans_of_one_kind_and_bounded() {
    let kind = Regex::new("operation_name = '([a-z_.]+)'").unwrap();
    for (place, sql) in queries(&assets()) {
        let kinds: Vec<_> = kind.captures_iter(&sql).map(|found| found[1].to_owned()).collect();
        assert_eq!(kinds.len(), 1, "{place}");
        let spans = crate::telemetry::spans::KINDS;
        assert!(spans.contains(&kinds[0].as_str()), "{place}: {}", kinds[0]);
        assert!(!sql.contains('*') || !sql.contains("SELECT *"), "{place}");
        // A row for each point in time, a row altogether, or so many.
        let is_bounded = sql.contains("GROUP BY x_axis_1 ORDER BY x_axis_1")
            || sql.contains(" LIMIT ")
            || !sql.contains("GROUP BY");
        assert!(is_bounded, "{place}: {sql}");
    }
    let period = &assets().dashboard["defaultDatetimeDuration"];
    assert_eq!((text(period, "type"), text(period, "relativeTimePeriod")), ("relative", "6h"));
}

#[test]
fn the_dashboard_has_the_shape_of_version_8() {
    let dashboard = assets().dashboard;
    assert_eq!(dashboard["version"], 8);
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(ids.insert(text(panel, "id").to_owned()), "{title}");
        assert!(["line", "bar", "metric", "table"].contains(&text(panel, "type")), "{title}");
        assert!(
            !text(panel, "description").is_empty() && panel["config"]["show_legends"].is_boolean(),
            "{title}"
        );
        let layout = |key: &str| panel["layout"][key].as_i64().unwrap();
        assert!(layout("x") + layout("w") <= 192 && layout("w") > 0 && layout("h") > 0, "{title}");
        for query in panel["queries"].as_array().unwrap() {
            assert!(query["customQuery"] == true && query["config"]["promql_legend"] == "", "{title}");
            assert_eq!(query["fields"]["stream_type"], "traces", "{title}");
            assert_eq!(query["fields"]["filter"]["filterType"], "group", "{title}");
            assert_axes(title, query);
        }
    }
    assert_no_overlap(panels(&dashboard));
}

/// Each axis shows a column of the result, and each column has an axis.
fn assert_axes(title: &str, query: &Value) {
    let axes: BTreeSet<String> = ["x", "y"]
        .iter()
        .flat_map(|axis| query["fields"][*axis].as_array().unwrap())
        .map(|axis| {
            assert_eq!(axis["alias"], axis["column"], "{title}");
            format!("\"{}\"", text(axis, "alias"))
        })
        .collect();
    let alias = Regex::new(r#" AS ("[a-z0-9_]+")"#).unwrap();
    let aliases: BTreeSet<String> =
        alias.captures_iter(text(query, "query")).map(|found| found[1].to_owned()).collect();
    assert_eq!(axes, aliases, "{title}");
}

fn assert_no_overlap(panels: &[Value]) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let layout = |key: &str| panel["layout"][key].as_i64().unwrap();
        for x in layout("x")..layout("x") + layout("w") {
            for y in layout("y")..layout("y") + layout("h") {
                assert!(taken.insert((x, y)), "{} overlaps", text(panel, "title"));
            }
        }
    }
}

#[test]
fn the_alerts_look_back_over_a_bounded_time_and_may_be_named_so() {
    for alert in assets().alerts {
        let name = text(&alert, "name");
        assert!(
            name.starts_with("voiced_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
        assert_eq!((text(&alert, "stream_type"), &alert["is_real_time"]), ("traces", &Value::Bool(false)));
        let trigger = &alert["trigger_condition"];
        let minutes = |key: &str| trigger[key].as_i64().unwrap();
        assert!(
            (1..=60).contains(&minutes("period")) && minutes("frequency") > 0 && minutes("silence") > 0,
            "{name}"
        );
        // The number of rows is compared, not a value in them.
        let rows = (text(trigger, "operator"), minutes("threshold"));
        assert_eq!(rows, if name == "voiced_no_turns" { ("<", 1) } else { (">=", 1) });
    }
}

#[test]
fn the_template_is_json_around_its_variables() {
    let template = assets().template;
    let body: Value = serde_json::from_str(text(&template, "body")).unwrap();
    assert!(text(&body, "text").contains("{alert_name}"));
}

#[test]
fn another_stream_and_service_are_put_in_safely_and_named() {
    let other = Assets::new("calls \"a\"", "o'neill").unwrap();
    for (place, sql) in queries(&other) {
        assert!(sql.contains(r#"FROM "calls ""a""" WHERE service_name = 'o''neill'"#), "{place}: {sql}");
    }
    assert_eq!(text(&other.dashboard, "title"), "voiced: o'neill");
    assert_eq!(text(&other.alerts[0], "name"), "voiced_slow_turns_o_neill");
    assert_eq!(text(&other.alerts[0], "stream_name"), "calls \"a\"");
    assert_eq!(text(&panels(&other.dashboard)[0]["queries"][0]["fields"], "stream"), "calls \"a\"");
}

#[test]
fn services_whose_names_are_nearly_the_same_have_alerts_of_their_own() {
    let names = ["a-b", "a_b", "a.b", "A-B"]
        .map(|service| text(&Assets::new("default", service).unwrap().alerts[0], "name").to_owned());
    assert_eq!(BTreeSet::from(names.clone()).len(), 4, "{names:?}");
}

#[test]
fn a_revision_follows_the_content() {
    let description = |assets: &Assets| text(&assets.dashboard, "description").to_owned();
    let (ours, other) = (description(&assets()), description(&Assets::new("calls", "voiced").unwrap()));
    assert_eq!(revision(&ours), revision(&description(&assets())));
    assert_ne!(revision(&ours).unwrap(), revision(&other).unwrap());
    assert_eq!(revision("by hand"), None);
    assert_eq!(revision("revision of my own."), None);
}
