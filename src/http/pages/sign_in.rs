//! The sign-in for a browser: a form that takes the token and gives a cookie.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use url::form_urlencoded;

use super::{Page, document};
use crate::http::access::Access;
use crate::http::origin;

const MAX_FORM_BYTES: usize = 4096;
const FORM_TIMEOUT: Duration = Duration::from_secs(5);

/// The fields of the form.
#[derive(Default)]
struct Form {
    token: String,
    /// The page to go to.
    to: String,
}

/// The form, instead of the page at `to`.
pub(in crate::http) fn ask_for_token(to: &str) -> Response {
    form(to, None)
}

/// Takes the form.
pub(in crate::http) async fn sign_in(State(access): State<Access>, request: Request) -> Response {
    let origin = origin::of(&request);
    let Some(sent) = read(request.into_body()).await else { return StatusCode::BAD_REQUEST.into_response() };
    let to = if is_ours(&sent.to) { sent.to.as_str() } else { "/sessions" };
    match access.sign_in(sent.token.trim()) {
        Some(cookie) => {
            let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, to.to_owned())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        None => {
            access.hold_up(origin).await;
            form(to, Some("That is not the token."))
        }
    }
}

async fn read(body: Body) -> Option<Form> {
    let bytes = tokio::time::timeout(FORM_TIMEOUT, to_bytes(body, MAX_FORM_BYTES)).await.ok()?.ok()?;
    let mut form = Form::default();
    for (name, value) in form_urlencoded::parse(&bytes) {
        match &*name {
            "token" => form.token = value.into_owned(),
            "to" => form.to = value.into_owned(),
            _ => {}
        }
    }
    Some(form)
}

/// Whether a place is one of our pages: a form that any client can fill in must not lead anywhere else.
pub(in crate::http) fn is_ours(to: &str) -> bool {
    let rest = to.strip_prefix("/sessions");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) && !to.contains(char::is_control)
}

fn form(to: &str, trouble: Option<&'static str>) -> Response {
    let body = html! {
        main.sign-in {
            h1 { "Sign in" }
            p.note {
                "What people said here is behind a token: " code { "[http] token" } " of the worker."
            }
            form method="post" action="/sign-in" {
                label {
                    "Token "
                    input type="password" name="token" required autofocus autocomplete="current-password";
                }
                input type="hidden" name="to" value=(to);
                button { "Sign in" }
            }
            p.bad role="alert" { @if let Some(trouble) = trouble { (trouble) } }
        }
    };
    document(StatusCode::UNAUTHORIZED, Page { title: "Sign in".to_owned(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_gone_to() {
        for to in ["/sessions", "/sessions?room=a", "/sessions/RM_1"] {
            assert!(is_ours(to), "{to}");
        }
        for to in [
            "",
            "/",
            "//evil.example",
            "/sessions.evil",
            "https://evil.example/sessions",
            "/sessions\r\nX: y",
        ] {
            assert!(!is_ours(to), "{to}");
        }
    }
}
