//! The headers of every answer: they restrict what a browser may do with it.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;

/// The policy for answers other than pages: they may load nothing, send nothing and be framed nowhere.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const FIXED: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// The router with these headers on every answer of it, refusals and unknown paths included.
pub(super) fn on_every_answer(router: Router) -> Router {
    router.layer(middleware::map_response(hardened))
}

/// Forbids copies in caches, guesses at the type, referrers to other sites and framing by them.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.extend(FIXED);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
    response
}
