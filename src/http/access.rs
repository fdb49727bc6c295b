//! The clients that may see people's words.
//!
//! With `[http] token`, a client that sends it: as `Authorization: Bearer`, or once in a form that gives a cookie.
//! Without a token, a client that reaches a loopback address under a loopback name, because a page of the web may have
//! a name of its own lead to 127.0.0.1 and would then be read as ours. On other addresses without a token, no client
//! at all.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use conversation::Secret;
use subtle::ConstantTimeEq;
use tracing::warn;

use super::guesses::Guesses;
use super::host;
use super::origin::Origin;
use crate::config;

/// How the cookie of a signed-in browser begins; our port ends it, because browsers send a host's cookies to all of its
/// ports, and a second worker there has sign-ins of its own.
const COOKIE: &str = "voiced_sign_in_";
/// How long a sign-in lasts, at most until the worker ends.
const SIGNED_IN: Duration = Duration::from_secs(12 * 3600);
/// More browsers than this push out the one that signed in first.
const MOST_SIGNED_IN: usize = 64;

/// Cheap to clone; clones share the sign-ins and the guesses.
#[derive(Clone)]
pub struct Access {
    token: Option<Secret>,
    is_loopback: bool,
    cookie: Arc<str>,
    signed_in: Arc<Mutex<VecDeque<SignIn>>>,
    guesses: Arc<Mutex<Guesses>>,
}

struct SignIn {
    cookie: Secret,
    until: Instant,
}

/// The reason why a client may not see a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is missing or wrong.
    Token,
    /// We listen beyond loopback, and the configuration sets no token.
    Closed,
    /// The request is for a name that is not ours.
    Host,
}

// === impl Access ===

impl Access {
    /// The rules for a listener at this address.
    pub fn new(address: SocketAddr, config: &config::Http) -> Self {
        Self {
            token: config.token.clone(),
            is_loopback: address.ip().is_loopback(),
            cookie: format!("{COOKIE}{}", address.port()).into(),
            signed_in: Arc::default(),
            guesses: Arc::default(),
        }
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.token {
            Some(token) if sent(headers).is_some_and(|sent| is_same(sent, token)) => Ok(()),
            Some(_) if self.has_signed_in(headers) => Ok(()),
            Some(_) => Err(Refusal::Token),
            None if !self.is_loopback => Err(Refusal::Closed),
            None if !is_loopback_name(headers) => Err(Refusal::Host),
            None => Ok(()),
        }
    }

    /// The cookie for a client that knows the token, as a header's value.
    pub(super) fn sign_in(&self, token: &str) -> Option<String> {
        if !self.token.as_ref().is_some_and(|known| is_same(token, known)) {
            return None;
        }
        let cookie = outbound::random_hex()?;
        let mut signed_in = self.lock();
        while signed_in.len() >= MOST_SIGNED_IN {
            signed_in.pop_front();
        }
        let until = Instant::now() + SIGNED_IN;
        signed_in.push_back(SignIn { cookie: Secret::new(cookie.clone()), until });
        let seconds = SIGNED_IN.as_secs();
        let name = &self.cookie;
        Some(format!("{name}={cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}"))
    }

    /// Waits as long as a client has to that sent a wrong token; the caller has to know that one was sent.
    pub(super) async fn hold_up(&self, origin: Origin) {
        let until = self.wrong(origin, Instant::now());
        tokio::time::sleep_until(until.into()).await;
    }

    fn wrong(&self, origin: Origin, now: Instant) -> Instant {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guesses.log_limit.happened(now) {
            warn!(count, address = %origin, "a wrong http.token was sent; each is answered late");
        }
        guesses.wrong(origin, now)
    }

    fn has_signed_in(&self, headers: &HeaderMap) -> bool {
        let now = Instant::now();
        let mut signed_in = self.lock();
        signed_in.retain(|sign_in| sign_in.until > now);
        cookies(headers, &self.cookie)
            .any(|cookie| signed_in.iter().any(|known| is_same(cookie, &known.cookie)))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SignIn>> {
        self.signed_in.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn sent(headers: &HeaderMap) -> Option<&str> {
    // `to_str` takes ASCII only, but a token may hold anything that people type.
    let sent = std::str::from_utf8(headers.get(header::AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = sent.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies<'a>(headers: &'a HeaderMap, wanted: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Takes as long for a guess that is nearly right as for any other of its length.
fn is_same(guess: &str, secret: &Secret) -> bool {
    guess.as_bytes().ct_eq(secret.expose().as_bytes()).into()
}

/// A client that sends no name at all is no browser, and no name has led it here.
fn is_loopback_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Some(name) = host.to_str().ok().and_then(host::name) else { return false };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1";

    fn access(address: &str, token: Option<&str>) -> Access {
        let config = config::Http { listen: None, token: token.map(Secret::new), trace_url: None };
        Access::new(SocketAddr::new(address.parse().unwrap(), 8081), &config)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_a_token_only_loopback_names_on_a_loopback_address_get_through() {
        let open = access(LOOPBACK, None);
        for host in ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "127.8.8.8"] {
            assert_eq!(open.check(&headers(&[("host", host)])), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "127.0.0.1:80, evil.example",
            "10.0.0.1",
            "",
        ] {
            assert_eq!(open.check(&headers(&[("host", host)])), Err(Refusal::Host), "{host}");
        }
        assert_eq!(open.check(&HeaderMap::new()), Ok(()));
        assert_eq!(access("0.0.0.0", None).check(&headers(&[("host", "localhost")])), Err(Refusal::Closed));
    }

    #[test]
    fn with_a_token_it_alone_counts_wherever_we_listen() {
        for address in [LOOPBACK, "0.0.0.0"] {
            let access = access(address, Some("open sesame"));
            let check =
                |value: &str| access.check(&headers(&[("authorization", value), ("host", "localhost")]));
            assert_eq!(check("Bearer open sesame"), Ok(()));
            assert_eq!(check("bearer open sesame"), Ok(()));
            for wrong in
                ["Bearer open sesam", "Bearer open sesame!", "Bearer ", "Basic open sesame", "open sesame"]
            {
                assert_eq!(check(wrong), Err(Refusal::Token), "{wrong}");
            }
        }
    }

    #[test]
    fn a_sign_in_gives_a_cookie_that_counts_here_and_is_not_the_token() {
        let here = access("0.0.0.0", Some("open sesame"));
        assert_eq!(here.sign_in("close sesame"), None);
        let cookie = here.sign_in("open sesame").unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict; ") && !cookie.contains("sesame"), "{cookie}");
        let sent = headers(&[("cookie", &format!("a=b; {}", cookie.split(';').next().unwrap()))]);
        assert_eq!(here.check(&sent), Ok(()));
        let elsewhere = access("0.0.0.0", Some("open sesame"));
        assert_eq!(elsewhere.check(&sent), Err(Refusal::Token));
        for _ in 0..MOST_SIGNED_IN {
            here.sign_in("open sesame").unwrap();
        }
        assert_eq!(here.check(&sent), Err(Refusal::Token), "the oldest makes room");
    }

    #[test]
    fn two_workers_of_one_host_do_not_take_each_other_s_sign_ins_away() {
        let config = config::Http { listen: None, token: Some(Secret::new("open sesame")), trace_url: None };
        let [one, other] =
            ["0.0.0.0:8081", "0.0.0.0:8082"].map(|address| Access::new(address.parse().unwrap(), &config));
        let [here, there] = [&one, &other].map(|access| access.sign_in("open sesame").unwrap());
        let pair = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
        let name = |cookie: &str| pair(cookie).split('=').next().unwrap().to_owned();
        assert_ne!(name(&here), name(&there), "a browser keeps one cookie of a name");
        let both = headers(&[("cookie", &format!("{}; {}", pair(&here), pair(&there)))]);
        assert_eq!((one.check(&both), other.check(&both)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_token_may_hold_any_letters() {
        let access = access("0.0.0.0", Some("Öffne dich"));
        let sent = HeaderMap::from_iter([(
            header::AUTHORIZATION,
            axum::http::HeaderValue::from_bytes("Bearer Öffne dich".as_bytes()).unwrap(),
        )]);
        assert_eq!(access.check(&sent), Ok(()));
    }

    #[test]
    fn nothing_can_be_signed_in_to_where_there_is_no_token() {
        assert_eq!(access(LOOPBACK, None).sign_in(""), None);
    }
}
