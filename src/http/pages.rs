//! The record as pages for people, rendered here and readable without scripts. All their parts come with them or from
//! our own paths, and the browser is told to load nothing from anywhere else.

mod list;
mod session;
mod sign_in;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use turn_store::{Direction, Turns, When};

use super::query::Query;
use super::record::{MAX_PAGE_BYTES, Sessions, Trouble};

#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(super) use self::sign_in::is_ours;
pub(super) use self::sign_in::{ask_for_token, sign_in};

const STYLE: &str = include_str!("pages/style.css");
const SCRIPT: &str = include_str!("pages/live.js");
/// The path of the script; the pages name it.
pub(super) const SCRIPT_PATH: &str = "/sessions.js";

const SESSIONS: usize = 50;
const TURNS: usize = 100;
/// Longer texts are cut on the page; `/api/sessions/{id}` has them whole.
const MAX_TEXT: usize = 2_000;

/// One page, before it is a document.
struct Page {
    title: String,
    body: Markup,
}

pub(super) async fn list(State(sessions): State<Sessions>, RawQuery(query): RawQuery) -> Response {
    let page = async {
        let query = Query::parse(query.as_deref().unwrap_or_default(), When::now(), SESSIONS);
        let query = query.map_err(Trouble::Asked)?;
        let asked = query.clone();
        let found = sessions
            .ask(move |record| record.sessions(&asked.filter, asked.cursor.as_ref(), asked.limit))
            .await?;
        Ok(list::page(&query, &found))
    };
    answer(page.await)
}

pub(super) async fn session(
    State(sessions): State<Sessions>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let query = Query::of_turns(query.as_deref().unwrap_or_default(), TURNS);
        let query = query.map_err(Trouble::Asked)?;
        let direction = Direction::Before(query.cursor.clone());
        let (limit, max_text, max_bytes) = (query.limit, MAX_TEXT, MAX_PAGE_BYTES);
        let wanted = Turns { direction, limit, max_text, max_bytes };
        let (session, found) = sessions.session(id, wanted).await?;
        Ok(session::page(&session, &found, &query, sessions.trace_url.as_deref()))
    };
    answer(page.await)
}

pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], SCRIPT)
}

fn answer(page: Result<Page, Trouble>) -> Response {
    match page {
        Ok(page) => document(StatusCode::OK, page),
        Err(trouble) => document(trouble.status(), explained(&trouble)),
    }
}

fn explained(trouble: &Trouble) -> Page {
    let body = html! {
        h1 { "Nothing to show" }
        p.note { (trouble.message()) }
        p { a href="/sessions" { "All sessions" } }
    };
    Page { title: "Nothing to show".to_owned(), body }
}

/// The whole document, with the headers that keep a browser from doing more than show it.
fn document(status: StatusCode, page: Page) -> Response {
    // Without randomness the page has no styles, rather than styles that are allowed without a nonce.
    let nonce = outbound::random_hex().unwrap_or_default();
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (page.title) " – voiced" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                style nonce=(nonce) { (PreEscaped(STYLE)) }
                script src=(SCRIPT_PATH) defer {}
            }
            body { (page.body) }
        }
    };
    (status, headers(&nonce), legible(&document)).into_response()
}

/// Without the characters that HTML does not allow; our own markup has none of them.
fn legible(markup: &Markup) -> String {
    let is_forbidden = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    markup.0.replace(is_forbidden, "\u{fffd}")
}

fn headers(nonce: &str) -> HeaderMap {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'self'; connect-src 'self'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let fixed = HeaderValue::from_static;
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
    ])
}

// === parts of both pages ===

/// The part that the script keeps up to date if `is_live`.
fn main_part(is_live: bool, content: &Markup) -> Markup {
    html! {
        @if is_live {
            p.stale role="status" hidden {
                "This page could not be brought up to date: what is below may be old."
            }
        }
        main #live data-live[is_live] { (content) }
    }
}

/// A figure with its meaning.
fn tile(name: &str, value: &str, is_bad: bool) -> Markup {
    html! { div.tile.bad[is_bad] { dt { (name) } dd { (value) } } }
}

/// A point in time for people and for programs.
fn time(us: i64) -> Markup {
    html! { time datetime=(When(us).exact()) { (When(us).readable()) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_where_the_pages_look_for_it() {
        let page = Page { title: "t".to_owned(), body: html! {} };
        let response = document(StatusCode::OK, page);
        assert!(response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("'nonce-"));
        assert_eq!(SCRIPT_PATH, "/sessions.js");
    }

    #[test]
    fn values_are_escaped_and_forbidden_characters_replaced() {
        let hostile = "<script>alert('1')</script>\" onload=\"x&y\u{0}\u{1b}";
        let page = html! { td title=(hostile) { (hostile) } };
        let text = "&lt;script&gt;alert('1')&lt;/script&gt;&quot; onload=&quot;x&amp;y\u{fffd}\u{fffd}";
        assert_eq!(legible(&page), format!("<td title=\"{text}\">{text}</td>"));
    }

    #[test]
    fn no_literal_of_ours_asks_for_what_the_policy_forbids() {
        for forbidden in ["style=", "onclick", "innerHTML", "http://", "https://", "eval("] {
            assert!(!STYLE.contains(forbidden) && !SCRIPT.contains(forbidden), "{forbidden}");
        }
    }
}
