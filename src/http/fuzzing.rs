//! Fuzzing: the requests of browsers and other clients.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use conversation::Secret;
use maud::html;
use turn_store::When;

use super::access::Access;
use super::pages::is_ours;
use super::query::Query;
use crate::config;
use crate::fuzzing::text;

const NOW: When = When(1_764_097_307_000_000);

/// A query that is accepted means the same when a page links to it.
pub(crate) fn query(bytes: &[u8]) {
    let asked = text(bytes);
    if let Ok(query) = Query::parse(&asked, NOW, 50) {
        let again = query.at(query.cursor.as_ref());
        assert_eq!(Query::parse(&again, NOW, 50).as_ref().map(|query| &query.cursor), Ok(&query.cursor));
    }
    let _ = Query::of_turns(&asked, 50);
    let shown = html! { (asked) }.into_string();
    assert!(!shown.contains(['<', '>', '"']), "text became markup");
}

/// Headers, a line each: Authorization, Cookie, Host, and the page to go to after the sign-in.
pub(crate) fn access(bytes: &[u8]) {
    let token = "a-token-that-nobody-guesses-0123456789";
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let names = [header::AUTHORIZATION, header::COOKIE, header::HOST];
    let given = |name: HeaderName| Some((name, HeaderValue::from_bytes(lines.next()?).ok()?));
    let headers: HeaderMap = names.into_iter().filter_map(given).collect();
    for (address, token) in [("127.0.0.1:8081", None), ("0.0.0.0:8081", Some(token))] {
        let config = config::Http { listen: None, token: token.map(Secret::new), trace_url: None };
        let access = Access::new(address.parse().expect("an address"), &config);
        let is_in = access.check(&headers).is_ok();
        let knows = token.is_none_or(|token| bytes.windows(token.len()).any(|part| part == token.as_bytes()));
        assert!(!is_in || knows, "whoever does not know the token is not let in");
    }
    let to = lines.next().map(text).unwrap_or_default();
    assert!(!is_ours(&to) || to.starts_with("/sessions"), "nobody is led elsewhere");
}
