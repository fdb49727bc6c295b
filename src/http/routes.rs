//! The handlers of our paths.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::access::{self, Access, Refusal};
use super::origin;
use super::record::Sessions;
use super::{pages, prometheus, record};
use crate::metrics::Metrics;

const NOTHING: &str =
    "nothing is here; there is /healthz, /readyz, /worker, /metrics, /sessions, /api/sessions\n";

/// The paths that show the worker's use and people's words: for clients that `access` lets through only.
pub fn guarded(access: Access, metrics: Metrics, sessions: Sessions) -> Router {
    let guard = middleware::from_fn_with_state(access.clone(), guard);
    let seen = Router::new()
        .route("/sessions", get(pages::list))
        .route("/sessions/{id}", get(pages::session))
        .route("/api/sessions", get(record::list))
        .route("/api/sessions/{id}", get(record::show))
        .with_state(sessions)
        .route("/metrics", get(async move || prometheus(&metrics)))
        .route_layer(guard);
    Router::new()
        // A browser whose user types the address, or comes back to it, is led to where the form is.
        .route("/sign-in", post(pages::sign_in).get(async || Redirect::to("/sessions")))
        .with_state(access)
        .route(pages::SCRIPT_PATH, get(pages::script))
        .merge(seen)
        .fallback(async || (StatusCode::NOT_FOUND, NOTHING))
}

async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            if refusal == Refusal::Token && access::sent(request.headers()).is_some() {
                access.hold_up(origin::of(&request)).await;
            }
            refused(refusal, &request)
        }
    }
}

fn refused(refusal: Refusal, request: &Request) -> Response {
    let path = request.uri().path();
    match refusal {
        Refusal::Token if path.starts_with("/sessions") => {
            pages::ask_for_token(request.uri().path_and_query().map_or(path, |whole| whole.as_str()))
        }
        Refusal::Token => {
            let headers = [(header::WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, headers, "send [http] token as Authorization: Bearer\n")
                .into_response()
        }
        Refusal::Closed => {
            let why = "closed, because [http] listen is beyond loopback: set [http] token to open it to those who know it\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
        Refusal::Host => {
            let why = "the Host header names no loopback address; behind a proxy set [http] token\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
    }
}
