//! The choice of the proxy for a URL.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::{Host, Url};

use super::{Names, ProxyUrl, Settings};

/// The proxies of the settings. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Proxies(Option<Arc<Chosen>>);

struct Chosen {
    /// The rules of `NO_PROXY`, and the proxies with their credentials.
    matcher: Matcher,
    https: Option<ProxyUrl>,
    http: Option<ProxyUrl>,
    names: Names,
}

/// The way through a proxy, with the credentials that it wants.
pub(super) fn tunnel(proxy: &Intercept, direct: HttpConnector) -> Tunnel<HttpConnector> {
    let tunnel = Tunnel::new(proxy.uri().clone(), direct);
    match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
}

// === impl Proxies ===

impl Proxies {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { https_proxy: https, http_proxy: http, no_proxy, names, .. } = settings.clone();
        if https.is_none() && http.is_none() {
            return Self::default();
        }
        let whole =
            |proxy: &Option<ProxyUrl>| proxy.as_ref().map_or("", |proxy| proxy.expose().as_str()).to_owned();
        let matcher = Matcher::builder().https(whole(&https)).http(whole(&http)).no(no_proxy).build();
        Self(Some(Arc::new(Chosen { matcher, https, http, names })))
    }

    /// The proxy to `url`; None where there is none.
    pub(super) fn of(&self, url: &Url) -> Option<Intercept> {
        let chosen = self.0.as_ref().filter(|_| !is_this_machine(url))?;
        let scheme = if is_encrypted(url) { "https" } else { "http" };
        let uri =
            Uri::builder().scheme(scheme).authority(url.authority()).path_and_query("/").build().ok()?;
        chosen.matcher.intercept(&uri)
    }

    /// A note that there is a proxy on the way to `url`.
    pub(super) fn through(&self, url: &Url) -> Option<String> {
        let proxy = self.url_of(url)?;
        let names = &self.0.as_ref()?.names;
        let setting = if is_encrypted(url) { names.https_proxy } else { names.http_proxy };
        Some(format!("by way of the proxy {proxy} ({setting})"))
    }

    fn url_of(&self, url: &Url) -> Option<&ProxyUrl> {
        self.of(url)?;
        let chosen = self.0.as_ref()?;
        if is_encrypted(url) { chosen.https.as_ref() } else { chosen.http.as_ref() }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.0.as_ref();
        let https = chosen.and_then(|chosen| chosen.https.as_ref());
        let http = chosen.and_then(|chosen| chosen.http.as_ref());
        f.debug_struct("Proxies").field("https", &https).field("http", &http).finish()
    }
}

fn is_encrypted(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

/// No proxy elsewhere can reach a server that listens on loopback here.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(https: &str, http: &str, no_proxy: &str) -> Proxies {
        let parse = |text: &str| (!text.is_empty()).then(|| ProxyUrl::parse(text).unwrap());
        let (https_proxy, http_proxy, no_proxy) = (parse(https), parse(http), no_proxy.to_owned());
        Proxies::new(&Settings { https_proxy, http_proxy, no_proxy, ..Settings::default() })
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&url.parse().unwrap()).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn the_scheme_chooses_the_proxy() {
        let both = proxies("http://secure.test:1", "plain.test:2", "");
        for (url, expected) in [
            ("https://llm.test/v1", "http://secure.test:1/"),
            ("wss://lk.test", "http://secure.test:1/"),
            ("http://otlp.test:4318", "http://plain.test:2/"),
            ("ws://lk.test", "http://plain.test:2/"),
        ] {
            assert_eq!(way(&both, url).as_deref(), Some(expected), "{url}");
        }
        let one = proxies("http://secure.test:1", "", "");
        assert_eq!(way(&one, "http://otlp.test"), None);
    }

    #[test]
    fn this_machine_and_whom_no_proxy_names_are_reached_directly() {
        let most = proxies("http://p.test:1", "http://p.test:1", "corp.test, 10.0.0.0/8,[2001:db8::1]");
        for url in [
            "http://localhost:4318",
            "http://127.0.0.1:4318",
            "https://127.9.9.9",
            "ws://[::1]:7880",
            "http://[::ffff:127.0.0.1]/",
            "http://app.localhost",
            "https://corp.test",
            "wss://lk.corp.test",
            "http://10.1.2.3",
        ] {
            assert_eq!(way(&most, url), None, "{url}");
        }
        for url in ["https://notcorp.test", "http://11.0.0.1", "http://localhost.evil.test"] {
            assert!(way(&most, url).is_some(), "{url}");
        }
        let none = proxies("http://p.test:1", "", "*");
        assert_eq!(way(&none, "https://llm.test"), None);
    }

    #[test]
    fn a_proxys_password_goes_to_the_proxy_and_is_not_shown() {
        let proxies = proxies("http://ada:open%20sesame@p.test:1", "", "");
        let url = "https://llm.test".parse().unwrap();
        let auth = proxies.of(&url).unwrap().basic_auth().unwrap().to_str().unwrap().to_owned();
        assert_eq!(auth, "Basic YWRhOm9wZW4gc2VzYW1l");
        let shown = format!("{proxies:?} {}", proxies.through(&url).unwrap());
        assert!(
            shown.contains("http://p.test:1") && shown.contains("(https_proxy)") && !shown.contains("sesame"),
            "{shown}"
        );
    }
}
