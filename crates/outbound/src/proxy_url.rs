//! The address of a proxy. It may hold a password, so it is shown without one.

use std::borrow::Cow;
use std::fmt;

use conversation::Secret;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

/// An HTTP proxy, with the user and password that it wants, if any.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ProxyUrl(Url);

/// The reason why a text is no proxy of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProxyUrlError {
    #[error(transparent)]
    Invalid(#[from] url::ParseError),
    #[error("{0}:// is no proxy that we speak to; http:// is")]
    Scheme(String),
    #[error("{}", PLACE)]
    Place,
    #[error("the address of a proxy ends with its port")]
    Path,
}

/// The error for a URL in whose host a place is left.
pub const PLACE: &str =
    "its host holds a `$` or a brace, so there is a place in it that nothing has filled in";

/// Whether the host of a URL is a placeholder that was not filled in, as in `http://${HOST}:4318`. No host name holds
/// such letters, though URLs may.
pub fn has_place(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.contains(['$', '{', '}']))
}

// === impl ProxyUrl ===

impl ProxyUrl {
    /// `http://[user:password@]host:port`; other programs write the variables without the scheme, so it may be missing.
    pub fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole)?;
        if url.scheme() != "http" {
            return Err(ProxyUrlError::Scheme(url.scheme().to_owned()));
        }
        if has_place(&url) {
            return Err(ProxyUrlError::Place);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyUrlError::Path);
        }
        Ok(Self(url))
    }

    /// The whole URL, with user and password.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    pub fn password(&self) -> Option<Secret> {
        let password = self.0.password()?;
        let decoded = percent_decode_str(password).decode_utf8();
        Some(Secret::new(decoded.map_or_else(|_| password.to_owned(), Cow::into_owned)))
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = ProxyUrlError;

    fn try_from(text: String) -> Result<Self, ProxyUrlError> {
        Self::parse(&text)
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::web::shown(&self.0))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_kept_and_not_shown() {
        let proxy = ProxyUrl::parse("ada:p%40ss@proxy.test:3128").unwrap();
        assert_eq!(proxy.expose().as_str(), "http://ada:p%40ss@proxy.test:3128/");
        assert_eq!(format!("{proxy} {proxy:?}"), "http://proxy.test:3128 http://proxy.test:3128");
        assert_eq!(proxy.password().unwrap().expose(), "p@ss");
    }

    #[test]
    fn only_http_proxies_without_a_path_are_spoken_to() {
        for (text, why) in [
            ("socks5://proxy.test:1080", "socks5:// is no proxy"),
            ("https://proxy.test", "https:// is no proxy"),
            ("http://proxy.test/pac", "ends with its port"),
            ("http://", "empty host"),
        ] {
            let refused = ProxyUrl::parse(text).unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
