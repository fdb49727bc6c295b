//! The page of one session: its conversation turn by turn, and the time that each part took.

use maud::{Markup, html};
use turn_store::{
    Attempt, Bar, FoundTurns, Place, Session, Status, Turn, bars, json, length, length_or_dash, shares,
};

use super::list::{figures, path};
use super::{Page, main_part, tile, time};
use crate::config::TraceUrl;
use crate::http::query::Query;

/// The width of a waterfall in its own units.
const WIDTH: f64 = 1000.0;
/// The shortest bar that can be seen, in the same units.
const SHORTEST: f64 = 4.0;

pub(super) fn page(
    session: &Session,
    found: &FoundTurns,
    query: &Query,
    trace_url: Option<&TraceUrl>,
) -> Page {
    let content = html! {
        dl.tiles { (tile("Length", &length(session.length_us()), false)) (figures(&session.figures)) }
        (pages(session, found, query))
        (turns(found, trace_url))
    };
    let body = html! {
        header {
            nav aria-label="Breadcrumb" { a href="/sessions" { "Sessions" } }
            h1 { bdi { (session.room) } }
            p.sub {
                (time(session.started_us)) " UTC · session " code { (session.id) }
                " · agent " bdi { (session.agent) }
            }
        }
        (main_part(query.cursor.is_none(), &content))
    };
    Page { title: session.room.clone(), body }
}

fn pages(session: &Session, found: &FoundTurns, query: &Query) -> Markup {
    let at = format!("/sessions/{}", path(&session.id));
    let limit =
        |mark: &str| query.chosen_limit.map(|limit| format!("{mark}limit={limit}")).unwrap_or_default();
    html! {
        nav.pages aria-label="Pages" {
            @if let Some(first) = found.turns.first().filter(|_| found.more) {
                a rel="prev" href={ (at) "?cursor=" (path(&Place::of(first).token())) (limit("&")) } {
                    "Earlier turns"
                }
            }
            @if query.cursor.is_some() { a href={ (at) (limit("?")) } { "The latest turns" } }
        }
    }
}

fn turns(found: &FoundTurns, trace_url: Option<&TraceUrl>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Turns" {
            table.turns {
                caption { "Turns. Bars: pale until the first word or sound, full from then on." }
                thead {
                    tr {
                        th.n scope="col" { "Turn" }
                        @for name in ["Said", "Where the time went"] { th scope="col" { (name) } }
                        @for name in ["First word", "TTFT", "Total", "Tokens"] { th.n scope="col" { (name) } }
                    }
                }
                tbody { @for turn in &found.turns { (row(turn, trace_url)) } }
            }
        }
    }
}

fn row(turn: &Turn, trace_url: Option<&TraceUrl>) -> Markup {
    let end = turn.end.as_ref();
    html! {
        tr {
            th.n scope="row" { (turn.index) }
            td.said { (said(turn)) }
            td.when { (waterfall(turn)) (speech(turn)) (trace(turn, trace_url)) }
            td.n { (length_or_dash(end.and_then(|end| end.e2e_us))) }
            td.n { (length_or_dash(end.and_then(|end| end.ttft_us))) }
            td.n { (length_or_dash(turn.total_us())) }
            td.n { (tokens(turn)) }
        }
    }
}

// === what was said ===

fn said(turn: &Turn) -> Markup {
    let answer = turn.end.as_ref().and_then(|end| end.answer.as_str());
    html! {
        p.meta { (time(turn.started_us)) " · " bdi { (turn.speaker) } " " (badge(turn.status())) }
        @if let Some(question) = turn.question.as_str() { p.q dir="auto" { (question) } }
        @if let Some(answer) = answer { p.a dir="auto" { (answer) } }
        @if let Some(failure) = turn.failure() {
            p.bad { strong { (failure.class) } " " (failure.message) }
        }
    }
}

fn badge(status: Status) -> Markup {
    html! { span.badge.(status.as_str()) { (status.as_str()) } }
}

fn tokens(turn: &Turn) -> Markup {
    let Some(usage) = turn.end.as_ref().map(|end| end.usage) else { return html! {} };
    html! {
        @if usage.estimated { abbr title="estimated" { "≈" } " " }
        (usage.input) " → " (usage.output)
        @if let Some(cached) = usage.cached_input { small { (cached) " cached" } }
    }
}

// === where the time went ===

fn waterfall(turn: &Turn) -> Markup {
    html! {
        @for bar in bars(turn) {
            div.bar { span { (label(&bar)) } (drawn(&bar)) span.n { (words(&bar)) } }
        }
    }
}

/// The shares of a spoken turn, and how long its sounds were.
fn speech(turn: &Turn) -> Markup {
    let Some(end) = turn.end.as_ref().filter(|end| !end.speech.is_none()) else { return html! {} };
    let mut words: Vec<(&str, String)> =
        shares(turn).iter().map(|share| (share.name, length(share.us))).collect();
    words.extend(end.speech.heard_us.map(|us| ("heard", length(us))));
    words.extend(end.speech.played_us.map(|us| ("played", length(us))));
    words.extend(end.speech.cut_bytes.map(|bytes| ("cut after", format!("{bytes} bytes of the reply"))));
    html! {
        ul.shares aria-label="Speech" { @for (name, value) in words { li { (name) " " b { (value) } } } }
    }
}

fn label(bar: &Bar<'_>) -> String {
    let attempt = bar.attempt.map(|attempt| format!("{} {}", attempt.stage.as_str(), attempt.number));
    attempt.unwrap_or_else(|| "turn".to_owned())
}

/// The bar is a scalable picture, because attributes give its position; a style would violate the policy.
fn drawn(bar: &Bar<'_>) -> Markup {
    let from = (bar.from * WIDTH).min(WIDTH - SHORTEST);
    let until = (bar.until * WIDTH).clamp(from + SHORTEST, WIDTH);
    let first = bar.first_word.map_or(until, |share| (share * WIDTH).clamp(from, until));
    let class = if bar.is_bad { "bad" } else { "good" };
    html! {
        svg.(class) viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            (rect("wait", from, first))
            (rect("run", first, until))
        }
    }
}

fn rect(class: &str, from: f64, until: f64) -> Markup {
    let (x, width) = (format!("{from:.1}"), format!("{:.1}", until - from));
    html! { @if until > from { rect.(class) x=(x) width=(width) height="10" {} } }
}

fn words(bar: &Bar<'_>) -> String {
    let known = bar.attempt.map(status).unwrap_or_default();
    format!("{}{known}", length(bar.length_us))
}

fn status(attempt: &Attempt) -> String {
    let status = attempt.http_status.map(|status| status.to_string());
    let class = attempt
        .error
        .as_ref()
        .map(|error| error.class.clone())
        .filter(|class| status.as_ref() != Some(class));
    let known: Vec<String> = status.map(|status| format!("HTTP {status}")).into_iter().chain(class).collect();
    if known.is_empty() { String::new() } else { format!(" · {}", known.join(" · ")) }
}

fn trace(turn: &Turn, trace_url: Option<&TraceUrl>) -> Markup {
    let end = turn.end.as_ref();
    let reason = end.and_then(|end| end.finish_reason.as_ref()).filter(|reason| *reason != "stop");
    let id = html! { code { (turn.trace_id) } };
    html! {
        p.meta {
            @if let Some(model) = end.and_then(|end| end.model.as_ref()) { (model) " · " }
            @if let Some(reason) = reason { "finish reason " (reason) " · " }
            "trace "
            @if let Some(url) = trace_url {
                a rel="noreferrer" href=(url.link(json::linked(turn))) { (id) }
            } @else {
                (id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use redaction::Recorded;
    use turn_store::samples;

    use super::*;

    #[test]
    fn a_retried_turn_has_a_bar_for_itself_and_each_attempt() {
        let page = waterfall(&samples::retried_turn()).into_string();
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("<span>llm 1</span>") && page.contains("100 ms · HTTP 429"), "{page}");
        assert!(
            page.contains(r#"<rect class="wait" x="500.0" width="100.0""#),
            "until its first word: {page}"
        );
    }

    #[test]
    fn a_spoken_turn_has_bars_of_its_services_and_a_list_of_its_shares() {
        let page = row(&samples::spoken_turn(), None).into_string();
        for stage in ["stt 1", "llm 1", "tts 1"] {
            assert!(page.contains(&format!("<span>{stage}</span>")), "{stage}: {page}");
        }
        assert!(page.contains("<li>end of turn <b>500 ms</b></li><li>STT <b>180 ms</b></li>"), "{page}");
        assert!(page.contains("<li>cut after <b>19 bytes of the reply</b></li>"), "{page}");
        assert!(!row(&samples::retried_turn(), None).into_string().contains("shares"));
    }

    #[test]
    fn what_people_say_stays_text() {
        let mut turn = samples::retried_turn();
        turn.speaker = "<b>ada".to_owned();
        turn.question = Recorded::restored(Some("<script>alert(1)</script>".to_owned()));
        let url = TraceUrl::parse("https://x.test/?a=1&t={trace_id}").unwrap();
        let page = row(&turn, Some(&url)).into_string();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("href=\"https://x.test/?a=1&amp;t=4bf9"), "{page}");
    }
}
