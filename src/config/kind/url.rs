//! Addresses: URLs, proxies, and the address to listen at.

use std::net::SocketAddr;
use std::path::Path;

use figment::value::{Empty, Value};
use outbound::ProxyUrl;
use serde_json::json;
use turn_store::TraceUrl;
use url::Url;

use super::{Fit, Kind, Misfit, OFF, Raw, either};
use crate::config::listing::Shown;
use crate::telemetry::endpoint::{self, EndpointError};

/// A URL with one of these schemes, without a slash at its end.
pub(in crate::config) struct BaseUrl {
    pub(in crate::config) schemes: &'static [&'static str],
}

/// The URL that traces are posted to; empty is nowhere.
pub(in crate::config) struct TracesEndpoint;

/// The URL that another signal is posted to, as it is; empty is unset.
pub(in crate::config) struct SignalEndpoint;

/// A URL with places for the ids of a trace; empty is none.
pub(in crate::config) struct TraceLink;

/// An HTTP proxy, or "off". It may hold a password.
pub(in crate::config) struct Proxy;

/// An address and port, or "off".
pub(in crate::config) struct Listen;

// === impl BaseUrl ===

impl Kind for BaseUrl {
    type Value = Url;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Url>, Misfit> {
        let text = raw.text()?.trim();
        // `localhost:7880` parses as a URL of the scheme `localhost`, so the scheme is looked at first.
        match text.split_once("://") {
            Some((scheme, _)) if self.schemes.contains(&scheme.to_ascii_lowercase().as_str()) => (),
            _ => return Err(Misfit::FORM),
        }
        let url = Url::parse(text)?;
        refuse_parts(&url)?;
        let text = url.as_str().trim_end_matches('/');
        Fit::of(&Url::parse(text)?, text)
    }

    fn expected(&self) -> String {
        let schemes: Vec<String> = self.schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        format!("a URL that begins with {}", either(&schemes))
    }
}

/// URLs are shown and logged, so none of their parts may be secret.
fn refuse_parts(url: &Url) -> Result<(), Misfit> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Misfit::because("a user or password in it would be shown in logs"));
    }
    if outbound::has_place(url) {
        return Err(EndpointError::Place.into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Misfit::because("a base URL ends before any `?` or `#`"));
    }
    Ok(())
}

// === impl TracesEndpoint ===

impl Kind for TracesEndpoint {
    type Value = Option<Url>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<Url>>, Misfit> {
        let text = raw.text().map_err(|_| Misfit::because("it is no string"))?;
        if text.trim().is_empty() {
            return Ok(Fit::none(""));
        }
        let url = endpoint::traces_url(text, matches!(raw, Raw::TracesUrl(_)))?;
        Ok(Fit::carried(url.as_str(), url.as_str()))
    }

    fn expected(&self) -> String {
        "a URL like \"http://127.0.0.1:4318\", or \"\" for no export".to_owned()
    }
}

// === impl SignalEndpoint ===

impl Kind for SignalEndpoint {
    type Value = Option<Url>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<Url>>, Misfit> {
        match raw.text()?.trim() {
            "" => Ok(Fit::none(Empty::None)),
            text => {
                let url = endpoint::traces_url(text, true)?;
                Ok(Fit::carried(url.as_str(), url.as_str()))
            }
        }
    }

    fn expected(&self) -> String {
        "a URL like \"http://127.0.0.1:4318/v1/metrics\"".to_owned()
    }
}

// === impl TraceLink ===

impl Kind for TraceLink {
    type Value = Option<TraceUrl>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<TraceUrl>>, Misfit> {
        match raw.text()?.trim() {
            "" => Ok(Fit::none("")),
            text => {
                TraceUrl::parse(text)?;
                Ok(Fit::carried(text, text))
            }
        }
    }

    fn expected(&self) -> String {
        "a URL like \"https://traces.example.com/trace/{trace_id}\"".to_owned()
    }
}

// === impl Proxy ===

impl Kind for Proxy {
    type Value = Option<ProxyUrl>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<ProxyUrl>>, Misfit> {
        match raw.text()?.trim() {
            "" | OFF => Ok(Fit::none(OFF)),
            text => {
                let proxy = ProxyUrl::parse(text)?;
                Ok(Fit::carried(proxy.expose().as_str(), proxy.expose().as_str()))
            }
        }
    }

    fn expected(&self) -> String {
        "a proxy like \"http://proxy.example.com:3128\", or \"off\"".to_owned()
    }

    fn shown(&self, notation: &Value) -> Shown {
        match notation.as_str().map(|text| (text, ProxyUrl::parse(text))) {
            Some((text, _)) if text == OFF => Shown::Plain(json!(OFF)),
            Some((_, Ok(proxy))) => Shown::Plain(json!(proxy.to_string())),
            _ => Shown::Secret,
        }
    }
}

// === impl Listen ===

impl Kind for Listen {
    type Value = Option<SocketAddr>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<SocketAddr>>, Misfit> {
        let text = raw.text()?.trim();
        if text == OFF {
            return Ok(Fit::none(OFF));
        }
        let address: SocketAddr = text.parse().map_err(|_| Misfit {
            why: text
                .strip_prefix("localhost")
                .map(|port| format!("write 127.0.0.1{port}, names are not looked up")),
        })?;
        Fit::of(&Some(address), text)
    }

    fn expected(&self) -> String {
        "an address and port like \"127.0.0.1:8081\", or \"off\"".to_owned()
    }
}
