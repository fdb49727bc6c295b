//! URLs of ICE servers (RFC 7064 and RFC 7065).

use std::{fmt, net::Ipv6Addr};

use thiserror::Error;

const PLAIN_PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    pub(crate) kind: ServerKind,
    /// A name, or an address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Stun,
    Turn(TurnTransport),
}

/// Why a URL is not used: completes the sentence "the ICE server `text` is not used: ...".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    #[error("it has no scheme, write stun:HOST or turn:HOST")]
    NoScheme,
    #[error("its scheme {0:?} is none of stun, turn and turns")]
    Scheme(String),
    #[error("TURN over DTLS is not spoken, use transport=tcp")]
    TurnOverDtls,
    #[error("STUN over TLS tells no UDP address, use stun: or turns:")]
    StunOverTls,
    #[error("{0:?} is not transport=udp or tcp")]
    Query(String),
    #[error("its IPv6 address has no closing bracket")]
    Bracket,
    #[error("{0:?} is no IPv6 address")]
    Ipv6(String),
    #[error("{0:?} is no host name")]
    Host(String),
    #[error("{0:?} is no port")]
    Port(String),
}

/// The transport between us and the TURN server; between server and peer it is always UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnTransport {
    Udp,
    Tcp,
    Tls,
}

impl ServerUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::NoScheme)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        let kind = kind_of(&scheme, query)?;
        let (host, port) = host_and_port(authority)?;
        let default = if scheme == "turns" { TLS_PORT } else { PLAIN_PORT };
        Ok(Self { kind, host, port: port.unwrap_or(default), text: text.to_owned() })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn kind_of(scheme: &str, query: Option<&str>) -> Result<ServerKind, UrlError> {
    match (scheme, query) {
        ("stun", None) => Ok(ServerKind::Stun),
        ("turn", None | Some("transport=udp")) => Ok(ServerKind::Turn(TurnTransport::Udp)),
        ("turn", Some("transport=tcp")) => Ok(ServerKind::Turn(TurnTransport::Tcp)),
        ("turns", None | Some("transport=tcp")) => Ok(ServerKind::Turn(TurnTransport::Tls)),
        ("turns", Some("transport=udp")) => Err(UrlError::TurnOverDtls),
        ("stuns", _) => Err(UrlError::StunOverTls),
        ("stun" | "turn" | "turns", Some(query)) => Err(UrlError::Query(query.to_owned())),
        _ => Err(UrlError::Scheme(scheme.to_owned())),
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UrlError::Bracket)?;
            host.parse::<Ipv6Addr>().map_err(|_| UrlError::Ipv6(host.to_owned()))?;
            let port = rest.strip_prefix(':').or((!rest.is_empty()).then_some("?"));
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(UrlError::Host(host.to_owned()));
    }
    let port = port.map(|port| match port.parse() {
        Ok(0) | Err(_) => Err(UrlError::Port(port.to_owned())),
        Ok(port) => Ok(port),
    });
    Ok((host.to_owned(), port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (ServerKind, String, u16) {
        let url = ServerUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), text);
        (url.kind, url.host, url.port)
    }

    #[test]
    fn every_form_of_the_standards_is_read() {
        use ServerKind::{Stun, Turn};
        use TurnTransport::{Tcp, Tls, Udp};
        assert_eq!(parse("stun:example.org"), (Stun, "example.org".into(), 3478));
        assert_eq!(parse("STUN:192.0.2.1:19302"), (Stun, "192.0.2.1".into(), 19302));
        assert_eq!(parse("turn:[2001:db8::1]:3479"), (Turn(Udp), "2001:db8::1".into(), 3479));
        assert_eq!(parse("turn:example.org:443?transport=tcp"), (Turn(Tcp), "example.org".into(), 443));
        assert_eq!(parse("turn:[::1]?transport=udp"), (Turn(Udp), "::1".into(), 3478));
        assert_eq!(parse("turns:example.org"), (Turn(Tls), "example.org".into(), 5349));
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, why) in [
            ("example.org", "scheme"),
            ("http://example.org", "\"http\""),
            ("stun:", "host name"),
            ("stun:example.org?transport=tcp", "transport"),
            ("turn:example.org:0", "port"),
            ("turn:example.org:99999", "port"),
            ("turn:[::1", "bracket"),
            ("turn:[::1]3478", "port"),
            ("turn:[example]:1", "IPv6"),
            ("turn:user@example.org", "host name"),
            ("turns:example.org?transport=udp", "DTLS"),
            ("stuns:example.org", "TLS"),
        ] {
            let error = ServerUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
