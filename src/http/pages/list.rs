//! The page of sessions.

use turn_store::{Figures, Found, Session, Status, length, length_or_dash};

use super::{Page, begin_main, tile, time};
use crate::http::html::{Html, html};
use crate::http::query::Query;

const SINCE: [(&str, &str); 6] = [
    ("1h", "last hour"),
    ("24h", "last 24 hours"),
    ("7d", "last 7 days"),
    ("30d", "last 30 days"),
    ("365d", "last year"),
    ("all", "all time"),
];

pub(super) fn page(query: &Query, found: &Found) -> Page {
    let mut body = Html::default();
    html!(&mut body;
        "<header><h1>Sessions</h1>" (filter(query))
        "</header>");
    // Only the newest page changes while a reader looks at it.
    begin_main(&mut body, query.cursor.is_none());
    html!(&mut body; (totals(found)) (table(found)) (pages(query, found)) "</main>");
    Page { title: "Sessions".to_owned(), body }
}

// === the filter ===

fn filter(query: &Query) -> Html {
    let mut out = Html::default();
    html!(&mut out;
        "<form class=filter method=get action=/sessions role=search>"
        "<label>Time <select name=since>" (since(query)) "</select></label>"
        "<label>Room <input name=room value=\"" (query.filter.room.as_deref())
        "\" placeholder=\"any; * for any text\" maxlength=256></label>"
        "<label>With a turn that is <select name=status><option value=\"\">anything</option>"
        (statuses(query)) "</select></label>" (hidden_inputs(query)) "<button>Show</button></form>");
    out
}

/// Keeps the parameters that only a URL can hold when the form is sent.
fn hidden_inputs(query: &Query) -> Html {
    let mut out = Html::default();
    let limit = query.chosen_limit.map(|limit| limit.to_string());
    for (name, value) in [("until", query.until()), ("limit", limit)] {
        if let Some(value) = value {
            html!(&mut out; "<input type=hidden name=" (name) " value=\"" (value) "\">");
        }
    }
    out
}

fn since(query: &Query) -> Html {
    let mut out = Html::default();
    let is_other = SINCE.iter().all(|(value, _)| *value != query.since);
    let other = is_other.then_some((query.since.as_str(), query.since.as_str()));
    for (value, name) in other.into_iter().chain(SINCE) {
        html!(&mut out; (option(value, name, value == query.since)));
    }
    out
}

fn statuses(query: &Query) -> Html {
    let mut out = Html::default();
    for status in Status::ALL {
        let name = status.as_str();
        html!(&mut out; (option(name, name, query.filter.status == Some(status))));
    }
    out
}

fn option(value: &str, name: &str, is_chosen: bool) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<option value=\"" (value) "\"");
    if is_chosen {
        html!(&mut out; " selected");
    }
    html!(&mut out; ">" (name) "</option>");
    out
}

// === what was found ===

fn totals(found: &Found) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<dl class=tiles>");
    tile(&mut out, "Sessions", &grouped(found.count), "");
    figures(&mut out, &found.totals);
    html!(&mut out; "</dl>");
    out
}

/// The tiles of many turns, here and on a session's page.
pub(super) fn figures(out: &mut Html, figures: &Figures) {
    let share = |count: u64| match figures.turns {
        0 => "0".to_owned(),
        turns => format!("{count} ({:.1} %)", count as f64 * 100.0 / turns as f64),
    };
    // A unit stays on the line of its number.
    let whole = |us| length_or_dash(us).replace(' ', "\u{a0}");
    let both = |p50, p95| format!("{} / {}", whole(p50), whole(p95));
    let estimated = if figures.usage_estimated { "≈ " } else { "" };
    tile(out, "Turns", &grouped(figures.turns), "");
    tile(out, "Errors", &share(figures.errors()), if figures.errors() > 0 { "bad" } else { "" });
    tile(out, "Interrupted", &share(figures.interrupted), "");
    tile(out, "First word, p50 / p95", &both(figures.e2e.p50_us, figures.e2e.p95_us), "");
    tile(out, "TTFT, p50 / p95", &both(figures.ttft.p50_us, figures.ttft.p95_us), "");
    let tokens = format!("{estimated}{} / {}", grouped(figures.input_tokens), grouped(figures.output_tokens));
    tile(out, "Tokens in / out", &tokens, "");
}

/// A number with thin spaces between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("\u{202f}")
}

fn table(found: &Found) -> Html {
    let mut out = Html::default();
    if found.sessions.is_empty() {
        html!(&mut out; "<p class=note>No sessions. Look further back, or start one: <code>voiced call --room try-it</code></p>");
        return out;
    }
    html!(&mut out;
        "<div class=scroll tabindex=0 role=region aria-label=Sessions><table><caption>Sessions, the newest first. Times are UTC. First word: in the room, after the end of what was said; TTFT: the model’s.</caption>"
        "<thead><tr><th scope=col rowspan=2>Started<th scope=col rowspan=2>Room<th scope=col rowspan=2>Session"
        "<th scope=col rowspan=2 class=n>Length<th scope=col rowspan=2 class=n>Turns<th scope=col rowspan=2 class=n>Errors"
        "<th scope=col rowspan=2 class=n>Interr.<th scope=colgroup colspan=2 class=g>First word"
        "<th scope=colgroup colspan=2 class=g>TTFT<th scope=colgroup colspan=2 class=g>Tokens</tr>"
        "<tr><th scope=col class=n>p50<th scope=col class=n>p95<th scope=col class=n>p50<th scope=col class=n>p95"
        "<th scope=col class=n>in<th scope=col class=n>out</tr></thead><tbody>");
    for session in &found.sessions {
        html!(&mut out; (row(session)));
    }
    html!(&mut out; "</tbody></table></div>");
    out
}

fn row(session: &Session) -> Html {
    let mut out = Html::default();
    let figures = &session.figures;
    html!(&mut out;
        "<tr><td class=t>" (time(session.started_us))
        "<td class=name><bdi>" (session.room) "</bdi>"
        "<th scope=row class=name><a href=\"/sessions/" (path(&session.id)) "\"><bdi>" (session.id) "</bdi></a>");
    if figures.open > 0 {
        html!(&mut out; " <span class=\"badge open\">open</span>");
    }
    html!(&mut out;
        "<td class=n>" (length(session.length_us())) "<td class=n>" (grouped(figures.turns))
        (count(figures.errors(), "bad")) (count(figures.interrupted, "")));
    for us in [figures.e2e.p50_us, figures.e2e.p95_us, figures.ttft.p50_us, figures.ttft.p95_us] {
        html!(&mut out; "<td class=n>" (length_or_dash(us)));
    }
    html!(&mut out; "<td class=n>" (grouped(figures.input_tokens)) "<td class=n>" (grouped(figures.output_tokens)) "</tr>");
    out
}

/// A zero is shown in the manner of an empty cell.
fn count(count: u64, class: &'static str) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<td class=\"n ");
    out.markup(if count == 0 { "zero" } else { class });
    html!(&mut out; "\">" (count));
    out
}

/// An id as a part of a path: a room's name may stand for it, and hold anything.
pub(super) fn path(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20")
}

fn pages(query: &Query, found: &Found) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<nav class=pages aria-label=Pages>");
    if query.cursor.is_some() {
        html!(&mut out; "<a href=\"/sessions?" (query.at(None)) "\">The newest</a>");
    }
    if let Some(next) = &found.next {
        html!(&mut out; "<a rel=next href=\"/sessions?" (query.at(Some(next))) "\">Earlier sessions</a>");
    }
    html!(&mut out; "</nav>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use turn_store::{Place, When};

    #[test]
    fn what_was_asked_for_stays_asked_for_on_other_pages_and_in_the_form() {
        let now = When::now();
        let query = "since=7d&until=2025-11-25&room=k*&status=failed&limit=7&cursor=5-RM_1";
        let query = Query::parse(query, now, 50).unwrap();
        let next = Some(Place { started_us: 4, id: "RM_0".to_owned() });
        let found = Found { sessions: Vec::new(), next, count: 0, totals: Figures::default() };
        let links = pages(&query, &found).into_string();
        let asked =
            "since=7d&amp;until=2025-11-25T00%3A00%3A00.000000Z&amp;room=k*&amp;status=failed&amp;limit=7";
        for link in [format!("{asked}\">The newest"), format!("{asked}&amp;cursor=4-RM_0\">Earlier")] {
            assert!(links.contains(&link), "{link} is missing in {links}");
        }
        let form = filter(&query).into_string();
        for input in ["name=until value=\"2025-11-25T00:00:00.000000Z\"", "name=limit value=\"7\""] {
            assert!(form.contains(input), "{input} is missing in {form}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
