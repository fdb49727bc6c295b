//! The page of one session: its conversation turn by turn, and the time that each part took.

use turn_store::{
    Attempt, Bar, FoundTurns, Place, Session, Status, Turn, bars, json, length, length_or_dash,
};

use super::list::{figures, path};
use super::{Page, begin_main, tile, time};
use crate::config::TraceUrl;
use crate::http::html::{Html, html};
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
    let mut body = Html::default();
    html!(&mut body;
        "<header><nav aria-label=Breadcrumb><a href=/sessions>Sessions</a></nav><h1><bdi>" (session.room)
        "</bdi></h1><p class=sub>" (time(session.started_us)) " UTC · session <code>" (session.id)
        "</code> · agent <bdi>" (session.agent) "</bdi></p></header>");
    begin_main(&mut body, query.cursor.is_none());
    html!(&mut body; "<dl class=tiles>");
    tile(&mut body, "Length", &length(session.length_us()), "");
    figures(&mut body, &session.figures);
    html!(&mut body; "</dl>" (pages(session, found, query)) (turns(found, trace_url)) "</main>");
    Page { title: session.room.clone(), body }
}

fn pages(session: &Session, found: &FoundTurns, query: &Query) -> Html {
    let mut out = Html::default();
    let limit = query.chosen_limit.map(|limit| format!("&limit={limit}"));
    html!(&mut out; "<nav class=pages aria-label=Pages>");
    if let Some(first) = found.turns.first().filter(|_| found.more) {
        html!(&mut out;
            "<a rel=prev href=\"/sessions/" (path(&session.id)) "?cursor=" (path(&Place::of(first).token())) (limit)
            "\">Earlier turns</a>");
    }
    if query.cursor.is_some() {
        let limit = query.chosen_limit.map(|limit| format!("?limit={limit}"));
        html!(&mut out; "<a href=\"/sessions/" (path(&session.id)) (limit) "\">The latest turns</a>");
    }
    html!(&mut out; "</nav>");
    out
}

fn turns(found: &FoundTurns, trace_url: Option<&TraceUrl>) -> Html {
    let mut out = Html::default();
    html!(&mut out;
        "<div class=scroll tabindex=0 role=region aria-label=Turns><table class=turns>"
        "<caption>Turns. Bars: pale until the first word, full from then on.</caption>"
        "<thead><tr><th scope=col class=n>Turn<th scope=col>Said<th scope=col>Where the time went"
        "<th scope=col class=n>First word<th scope=col class=n>TTFT<th scope=col class=n>Total"
        "<th scope=col class=n>Tokens</tr></thead><tbody>");
    for turn in &found.turns {
        html!(&mut out; (row(turn, trace_url)));
    }
    html!(&mut out; "</tbody></table></div>");
    out
}

fn row(turn: &Turn, trace_url: Option<&TraceUrl>) -> Html {
    let mut out = Html::default();
    let end = turn.end.as_ref();
    html!(&mut out;
        "<tr><th scope=row class=n>" (turn.index)
        "<td class=said>" (said(turn)) "<td class=when>" (waterfall(turn)) (trace(turn, trace_url))
        "<td class=n>" (length_or_dash(end.and_then(|end| end.e2e_us)))
        "<td class=n>" (length_or_dash(end.and_then(|end| end.ttft_us)))
        "<td class=n>" (length_or_dash(turn.total_us()))
        "<td class=n>" (tokens(turn)) "</tr>");
    out
}

// === what was said ===

fn said(turn: &Turn) -> Html {
    let mut out = Html::default();
    html!(&mut out;
        "<p class=meta>" (time(turn.started_us)) " · <bdi>" (turn.speaker) "</bdi> "
        (badge(turn.status())) "</p>");
    if let Some(question) = turn.question.as_str() {
        html!(&mut out; "<p class=q dir=auto>" (question) "</p>");
    }
    if let Some(answer) = turn.end.as_ref().and_then(|end| end.answer.as_str()) {
        html!(&mut out; "<p class=a dir=auto>" (answer) "</p>");
    }
    if let Some(failure) = turn.failure() {
        html!(&mut out; "<p class=bad><strong>" (failure.class) "</strong> " (failure.message) "</p>");
    }
    out
}

fn badge(status: Status) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<span class=\"badge " (status.as_str()) "\">" (status.as_str()) "</span>");
    out
}

fn tokens(turn: &Turn) -> Html {
    let mut out = Html::default();
    let Some(usage) = turn.end.as_ref().map(|end| end.usage) else { return out };
    if usage.estimated {
        html!(&mut out; "<abbr title=estimated>≈</abbr> ");
    }
    html!(&mut out; (usage.input) " → " (usage.output));
    if let Some(cached) = usage.cached_input {
        html!(&mut out; "<small>" (cached) " cached</small>");
    }
    out
}

// === where the time went ===

fn waterfall(turn: &Turn) -> Html {
    let mut out = Html::default();
    for bar in bars(turn) {
        html!(&mut out; "<div class=bar><span>" (label(&bar)) "</span>" (drawn(&bar)) "<span class=n>" (words(&bar)) "</span></div>");
    }
    out
}

fn label(bar: &Bar<'_>) -> String {
    let attempt = bar.attempt.map(|attempt| format!("{} {}", attempt.stage.as_str(), attempt.number));
    attempt.unwrap_or_else(|| "turn".to_owned())
}

/// The bar is a scalable picture, because attributes give its position; a style would violate the policy.
fn drawn(bar: &Bar<'_>) -> Html {
    let mut out = Html::default();
    let from = (bar.from * WIDTH).min(WIDTH - SHORTEST);
    let until = (bar.until * WIDTH).clamp(from + SHORTEST, WIDTH);
    let first = bar.first_word.map_or(until, |share| (share * WIDTH).clamp(from, until));
    let class = if bar.is_bad { "bad" } else { "good" };
    html!(&mut out;
        "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=none aria-hidden=true class=" (class) ">"
        (rect("wait", from, first)) (rect("run", first, until)) "</svg>");
    out
}

fn rect(class: &'static str, from: f64, until: f64) -> Html {
    let mut out = Html::default();
    if until > from {
        html!(&mut out;
            "<rect class=" (class) " x=\"" (format!("{from:.1}")) "\" width=\"" (format!("{:.1}", until - from))
            "\" height=\"10\"/>");
    }
    out
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

fn trace(turn: &Turn, trace_url: Option<&TraceUrl>) -> Html {
    let mut out = Html::default();
    html!(&mut out; "<p class=meta>");
    if let Some(model) = turn.end.as_ref().and_then(|end| end.model.as_ref()) {
        html!(&mut out; (model) " · ");
    }
    let reason = turn.end.as_ref().and_then(|end| end.finish_reason.as_ref());
    if let Some(reason) = reason.filter(|reason| *reason != "stop") {
        html!(&mut out; "finish reason " (reason) " · ");
    }
    html!(&mut out; "trace ");
    match trace_url {
        Some(url) => html!(&mut out;
            "<a rel=noreferrer href=\"" (url.link(json::linked(turn))) "\"><code>" (turn.trace_id) "</code></a>"),
        None => html!(&mut out; "<code>" (turn.trace_id) "</code>"),
    }
    html!(&mut out; "</p>");
    out
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
        assert!(page.contains(r#"<rect class=wait x="500.0" width="100.0""#), "until its first word: {page}");
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
