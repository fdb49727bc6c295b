//! The page of sessions.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use turn_store::{Figures, Found, Session, SpeechFigures, Spread, Status, length, length_or_dash};

use super::{Page, main_part, tile, time};
use crate::http::query::Query;

const SINCE: [(&str, &str); 6] = [
    ("1h", "last hour"),
    ("24h", "last 24 hours"),
    ("7d", "last 7 days"),
    ("30d", "last 30 days"),
    ("365d", "last year"),
    ("all", "all time"),
];
/// The characters of an id that a path does not hold as they are.
const NOT_IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

pub(super) fn page(query: &Query, found: &Found) -> Page {
    let content = html! { (totals(found)) (table(found)) (pages(query, found)) };
    let body = html! {
        header { h1 { "Sessions" } (filter(query)) }
        // Only the newest page changes while a reader looks at it.
        (main_part(query.cursor.is_none(), &content))
    };
    Page { title: "Sessions".to_owned(), body }
}

// === the filter ===

fn filter(query: &Query) -> Markup {
    html! {
        form.filter method="get" action="/sessions" role="search" {
            label { "Time " select name="since" { (since(query)) } }
            label {
                "Room "
                input name="room" value=(query.filter.room.as_deref().unwrap_or_default())
                    placeholder="any; * for any text" maxlength="256";
            }
            label { "With a turn that is " select name="status" { (statuses(query)) } }
            (hidden_inputs(query))
            button { "Show" }
        }
    }
}

/// Keeps the parameters that only a URL can hold when the form is sent.
fn hidden_inputs(query: &Query) -> Markup {
    let limit = query.chosen_limit.map(|limit| limit.to_string());
    html! {
        @for (name, value) in [("until", query.until()), ("limit", limit)] {
            @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
        }
    }
}

fn since(query: &Query) -> Markup {
    let is_other = SINCE.iter().all(|(value, _)| *value != query.since);
    let other = is_other.then_some((query.since.as_str(), query.since.as_str()));
    html! {
        @for (value, name) in other.into_iter().chain(SINCE) {
            option value=(value) selected[value == query.since] { (name) }
        }
    }
}

fn statuses(query: &Query) -> Markup {
    html! {
        option value="" { "anything" }
        @for status in Status::ALL {
            option value=(status.as_str()) selected[query.filter.status == Some(status)] { (status.as_str()) }
        }
    }
}

// === what was found ===

fn totals(found: &Found) -> Markup {
    html! {
        dl.tiles { (tile("Sessions", &grouped(found.count), false)) (figures(&found.totals)) }
    }
}

/// The tiles of many turns, here and on a session's page.
pub(super) fn figures(figures: &Figures) -> Markup {
    let share = |count: u64| match figures.turns {
        0 => "0".to_owned(),
        turns => format!("{count} ({:.1} %)", count as f64 * 100.0 / turns as f64),
    };
    // A unit stays on the line of its number.
    let whole = |us| length_or_dash(us).replace(' ', "\u{a0}");
    let both = |p50, p95| format!("{} / {}", whole(p50), whole(p95));
    let estimated = if figures.usage_estimated { "≈ " } else { "" };
    let tokens = format!("{estimated}{} / {}", grouped(figures.input_tokens), grouped(figures.output_tokens));
    html! {
        (tile("Turns", &grouped(figures.turns), false))
        (tile("Errors", &share(figures.errors()), figures.errors() > 0))
        (tile("Interrupted", &share(figures.interrupted), false))
        (tile("First word, p50 / p95", &both(figures.e2e.p50_us, figures.e2e.p95_us), false))
        (tile("TTFT, p50 / p95", &both(figures.ttft.p50_us, figures.ttft.p95_us), false))
        (tile("Tokens in / out", &tokens, false))
        @if figures.speech.turns > 0 { (speech(&figures.speech, both)) }
    }
}

fn speech(figures: &SpeechFigures, both: impl Fn(Option<i64>, Option<i64>) -> String) -> Markup {
    let spread = |spread: Spread| both(spread.p50_us, spread.p95_us);
    html! {
        (tile("Spoken turns", &grouped(figures.turns), false))
        (tile("End of turn, p50 / p95", &spread(figures.end_of_turn_delay), false))
        (tile("STT, p50 / p95", &spread(figures.transcription_delay), false))
        (tile("TTS, p50 / p95", &spread(figures.tts_ttfb), false))
        (tile("Heard / played", &both(Some(figures.heard_us), Some(figures.played_us)), false))
    }
}

/// A number with thin spaces between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("\u{202f}")
}

fn table(found: &Found) -> Markup {
    if found.sessions.is_empty() {
        return html! {
            p.note {
                "No sessions. Look further back, or start one: " code { "voiced call --room try-it" }
            }
        };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Sessions" {
            table {
                caption {
                    "Sessions, the newest first. Times are UTC. First word: in the room, or its first sound, after the \
                     end of what was said; TTFT: the model’s."
                }
                (head())
                tbody { @for session in &found.sessions { (row(session)) } }
            }
        }
    }
}

fn head() -> Markup {
    html! {
        thead {
            tr {
                @for name in ["Started", "Room", "Session"] { th scope="col" rowspan="2" { (name) } }
                @for name in ["Length", "Turns", "Errors", "Interr."] { th.n scope="col" rowspan="2" { (name) } }
                @for name in ["First word", "TTFT", "Tokens"] { th.g scope="colgroup" colspan="2" { (name) } }
            }
            tr {
                @for name in ["p50", "p95", "p50", "p95", "in", "out"] { th.n scope="col" { (name) } }
            }
        }
    }
}

fn row(session: &Session) -> Markup {
    let figures = &session.figures;
    html! {
        tr {
            td.t { (time(session.started_us)) }
            td.name { bdi { (session.room) } }
            th.name scope="row" {
                a href={ "/sessions/" (path(&session.id)) } { bdi { (session.id) } }
                @if figures.open > 0 { " " span.badge.open { "open" } }
            }
            td.n { (length(session.length_us())) }
            td.n { (grouped(figures.turns)) }
            (count(figures.errors(), "bad"))
            (count(figures.interrupted, ""))
            @for us in [figures.e2e.p50_us, figures.e2e.p95_us, figures.ttft.p50_us, figures.ttft.p95_us] {
                td.n { (length_or_dash(us)) }
            }
            td.n { (grouped(figures.input_tokens)) }
            td.n { (grouped(figures.output_tokens)) }
        }
    }
}

/// A zero is shown in the manner of an empty cell.
fn count(count: u64, class: &str) -> Markup {
    let class = if count == 0 { "zero" } else { class };
    html! { td.n.(class) { (count) } }
}

/// An id as a part of a path: a room's name may stand for it, and hold anything.
pub(super) fn path(id: &str) -> String {
    utf8_percent_encode(id, &NOT_IN_PATH).to_string()
}

fn pages(query: &Query, found: &Found) -> Markup {
    html! {
        nav.pages aria-label="Pages" {
            @if query.cursor.is_some() { a href={ "/sessions?" (query.at(None)) } { "The newest" } }
            @if let Some(next) = &found.next {
                a rel="next" href={ "/sessions?" (query.at(Some(next))) } { "Earlier sessions" }
            }
        }
    }
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
        for input in ["name=\"until\" value=\"2025-11-25T00:00:00.000000Z\"", "name=\"limit\" value=\"7\""] {
            assert!(form.contains(input), "{input} is missing in {form}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
