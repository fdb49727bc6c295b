//! The name that a request is for. A proxy in front of us and we must read the same one, so a request that can be read
//! in two ways is refused.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

/// The port of http, the only scheme that we speak.
const DEFAULT_PORT: &str = "80";

const TWO: &str = "the request has more than one Host header; send one\n";
const NO_NAME: &str = "the Host header is no name with or without a port\n";
const DIFFERENT: &str = "the request's target names another host than its Host header; send a path alone\n";

/// The router, for requests that are for one host.
pub(super) fn checked(router: Router) -> Router {
    router.layer(middleware::from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    match trouble(request.headers(), request.uri()) {
        Some(why) => (StatusCode::BAD_REQUEST, why).into_response(),
        None => next.run(request).await,
    }
}

/// The reason why it is unclear which host is meant. None also for a request without a Host: no browser sends it.
fn trouble(headers: &HeaderMap, uri: &Uri) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.to_str().ok().and_then(split));
    let target = uri.authority().map(|authority| split(authority.as_str()));
    match (host, target) {
        _ if hosts.next().is_some() => Some(TWO),
        (Some(None), _) => Some(NO_NAME),
        (host, Some(target)) if !host.flatten().is_some_and(|host| is_same(host, target)) => Some(DIFFERENT),
        _ => None,
    }
}

/// The name in a Host header, without port and brackets. None: the header holds no name.
pub(super) fn name(host: &str) -> Option<&str> {
    split(host).map(|(name, _)| name)
}

/// Name and port; the port is empty where there is none.
fn split(host: &str) -> Option<(&str, &str)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_v6 = host.starts_with('[');
    // This is narrower than the RFC's grammar: no host's name has its commas and quotes, and two hosts may hide behind
    // one.
    let is_good =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) || is_v6 && byte == b':';
    let port = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
    let is_name = name.bytes().all(is_good) && port.bytes().all(|byte| byte.is_ascii_digit());
    is_name.then_some((name, port))
}

fn is_same(host: (&str, &str), target: Option<(&str, &str)>) -> bool {
    let is_same = |target: (&str, &str)| {
        host.0.eq_ignore_ascii_case(target.0) && port_or_default(host.1) == port_or_default(target.1)
    };
    target.is_some_and(is_same)
}

fn port_or_default(port: &str) -> &str {
    if port.is_empty() { DEFAULT_PORT } else { port }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hosts: &[&str], target: &str) -> Option<&'static str> {
        let headers = hosts.iter().map(|host| (header::HOST, host.parse().unwrap()));
        trouble(&headers.collect(), &target.parse().unwrap())
    }

    #[test]
    fn one_host_or_none_is_clear() {
        let good =
            ["localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "my_pod.ns.svc.", "", "x:"];
        for host in good {
            assert_eq!(of(&[host], "/"), None, "{host}");
        }
        assert_eq!(of(&[], "/healthz"), None);
    }

    #[test]
    fn two_hosts_are_refused_also_when_they_are_equal_or_in_one_line() {
        assert_eq!(of(&["localhost", "evil.example"], "/"), Some(TWO));
        assert_eq!(of(&["localhost", "localhost"], "/"), Some(TWO));
        for host in [
            "127.0.0.1:8081, evil.example",
            "127.0.0.1,evil.example",
            "127.0.0.1:8081,evil.example",
            "user@localhost",
            "localhost:80:81",
            "localhost:80a",
            "[::1",
            "[::1]evil.example",
            "localhost/x",
            "localhost evil.example",
            "http://localhost",
        ] {
            assert_eq!(of(&[host], "/"), Some(NO_NAME), "{host}");
        }
    }

    #[test]
    fn a_target_with_a_host_must_name_the_same() {
        for (host, target) in [
            ("localhost:8081", "http://localhost:8081/sessions"),
            ("localhost:8081", "http://LOCALHOST:8081/"),
            ("localhost", "http://localhost:80/"),
            ("[::1]:8081", "http://[::1]:8081/"),
        ] {
            assert_eq!(of(&[host], target), None, "{host} {target}");
        }
        for (host, target) in [
            ("localhost", "http://evil.example/sessions"),
            ("localhost:8081", "http://localhost:8082/"),
            ("localhost", "http://user@localhost/"),
            ("", "http://localhost/"),
            ("localhost", "evil.example:80"),
        ] {
            assert_eq!(of(&[host], target), Some(DIFFERENT), "{host} {target}");
        }
        assert_eq!(of(&[], "http://localhost/"), Some(DIFFERENT));
    }
}
