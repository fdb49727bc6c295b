//! The OpenObserve, the organisation and the user: mostly taken from the OTLP settings.

use conversation::Secret;
use outbound::web;
use thiserror::Error;
use url::Url;

use crate::config;

/// The stream in which OpenObserve puts traces when no header names another.
const DEFAULT_STREAM: &str = "default";

/// The requested values, which override the OTLP settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) url: Option<Url>,
    pub(crate) org: Option<String>,
    /// `OPENOBSERVE_TOKEN`: base64 of `user:password`.
    pub(crate) token: Option<Secret>,
}

/// The target of an installation, and the names there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The URL before `/api/…` and `/web/…`; without a last slash in its path.
    pub(crate) root: Url,
    pub(crate) org: String,
    /// The value of the header `Authorization`.
    pub(crate) authorization: Secret,
    pub(crate) stream: String,
    pub(crate) service: String,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum TargetError {
    #[error(
        "which OpenObserve? Set [telemetry] otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) to https://…/api/<organisation>, or give \
         --url and --org"
    )]
    NoUrl,
    #[error(
        "{0} is not OpenObserve's own address, which has /api/<organisation> in it (a collector?): give --url, the address of its web \
         page, and --org"
    )]
    NotOpenObserve(String),
    #[error("which organisation of {0}? Give --org")]
    NoOrg(String),
    #[error(
        "no credentials for {0}: set OPENOBSERVE_TOKEN to the base64 of user:password, of a user who may edit dashboards there"
    )]
    NoCredentials(String),
    #[error(
        "OPENOBSERVE_TOKEN holds characters that no header can carry: it is to be base64, without quotes"
    )]
    BadToken,
}

// === impl Target ===

impl Target {
    pub(crate) fn new(wanted: Wanted, telemetry: &config::Telemetry) -> Result<Self, TargetError> {
        let endpoint = telemetry.otlp_endpoint.as_ref();
        let read = endpoint.and_then(split);
        let root = match (wanted.url, &read, endpoint) {
            (Some(url), _, _) => bare(url),
            (None, Some((root, _)), _) => root.clone(),
            (None, None, Some(endpoint)) => return Err(TargetError::NotOpenObserve(web::shown(endpoint))),
            (None, None, None) => return Err(TargetError::NoUrl),
        };
        let same = read.as_ref().filter(|(theirs, _)| *theirs == root);
        let org = wanted.org.or_else(|| same.map(|(_, org)| org.clone()));
        let org = org.ok_or_else(|| TargetError::NoOrg(web::shown(&root)))?;
        // Credentials that were given for one server are not sent to another.
        let configured = same.and_then(|_| header(telemetry, "authorization"));
        let authorization = match wanted.token {
            Some(token) => basic(&token)?,
            None => configured.ok_or_else(|| TargetError::NoCredentials(web::shown(&root)))?.clone(),
        };
        let stream = header(telemetry, "stream-name").map_or(DEFAULT_STREAM, Secret::expose).to_owned();
        Ok(Self { root, org, authorization, stream, service: telemetry.service_name.clone() })
    }
}

fn header<'a>(telemetry: &'a config::Telemetry, name: &str) -> Option<&'a Secret> {
    let mut headers = telemetry.otlp_headers.iter();
    headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn basic(token: &Secret) -> Result<Secret, TargetError> {
    let token = token.expose().trim();
    let token = token.strip_prefix("Basic ").unwrap_or(token);
    // `base64` breaks long lines.
    let token: String = token.split_whitespace().collect();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'')
    {
        return Err(TargetError::BadToken);
    }
    Ok(Secret::new(format!("Basic {token}")))
}

/// `https://host/prefix/api/ORG/v1/traces` as `https://host/prefix` and `ORG`.
fn split(endpoint: &Url) -> Option<(Url, String)> {
    let segments: Vec<&str> = endpoint.path_segments()?.collect();
    let api = segments.iter().position(|segment| *segment == "api")?;
    let org = segments.get(api + 1).filter(|org| !org.is_empty() && **org != "v1")?;
    let org = String::from_utf8(crate::telemetry::endpoint::percent_decode(org)?).ok()?;
    let mut root = endpoint.clone();
    root.set_path(&segments[..api].join("/"));
    Some((bare(root), org))
}

fn bare(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    // People copy the address of the page that they see.
    let path = path.strip_suffix("/web").unwrap_or(path).to_owned();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry(endpoint: &str, headers: &str) -> config::Telemetry {
        let env = config::Env::new(
            std::env::temp_dir(),
            [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
                ("OTEL_EXPORTER_OTLP_HEADERS", headers),
                ("OTEL_SERVICE_NAME", "support"),
            ],
        );
        let env = env.with_system_file("/nonexistent");
        config::load(&config::LoadArgs::default(), &env).unwrap().config.telemetry
    }

    fn wanted(url: &str, org: &str, token: &str) -> Wanted {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Wanted {
            url: given(url).map(|url| url.parse().unwrap()),
            org: given(org),
            token: given(token).map(Secret::new),
        }
    }

    fn target(
        wanted: Wanted,
        telemetry: &config::Telemetry,
    ) -> Result<(String, String, String, String), TargetError> {
        let Target { root, org, authorization, stream, .. } = Target::new(wanted, telemetry)?;
        Ok((web::shown(&root), org, authorization.expose().to_owned(), stream))
    }

    fn found(
        root: &str,
        org: &str,
        authorization: &str,
        stream: &str,
    ) -> Result<(String, String, String, String), TargetError> {
        Ok((root.into(), org.into(), authorization.into(), stream.into()))
    }

    #[test]
    fn the_otlp_settings_say_everything() {
        let seed = telemetry("https://api.openobserve.ai/api/my%20org/v1/traces", "Authorization=Basic YTpi");
        let expected = found("https://api.openobserve.ai", "my org", "Basic YTpi", "default");
        assert_eq!(target(Wanted::default(), &seed), expected);
        let base =
            telemetry("http://o2.test:5080/o2/api/default", "authorization=Basic YTpi,stream-name=calls");
        assert_eq!(
            target(Wanted::default(), &base),
            found("http://o2.test:5080/o2", "default", "Basic YTpi", "calls")
        );
    }

    #[test]
    fn flags_and_the_variable_win() {
        let seed = telemetry("https://o2.test/api/default", "Authorization=Basic YTpi");
        let asked = wanted("https://o2.test/", "other", "Basic Yzpk");
        assert_eq!(target(asked, &seed), found("https://o2.test", "other", "Basic Yzpk", "default"));
        let page = wanted("https://o2.test/web/?org_identifier=x", "", "Yzpk");
        assert_eq!(target(page, &seed), found("https://o2.test", "default", "Basic Yzpk", "default"));
    }

    #[test]
    fn a_token_of_several_lines_is_one_token() {
        let given = wanted("http://o2.test", "o", "YWFh\nYWFh\n");
        let found = found("http://o2.test", "o", "Basic YWFhYWFh", "default");
        assert_eq!(target(given, &telemetry("", "")), found);
    }

    #[test]
    fn credentials_do_not_go_to_another_server() {
        let seed = telemetry("https://o2.test/api/default", "Authorization=Basic YTpi");
        let elsewhere = target(wanted("https://evil.test", "default", ""), &seed);
        assert_eq!(elsewhere, Err(TargetError::NoCredentials("https://evil.test".into())));
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        let none = telemetry("", "");
        assert_eq!(target(Wanted::default(), &none), Err(TargetError::NoUrl));
        let collector = telemetry("http://127.0.0.1:4318", "Authorization=Basic YTpi");
        let refused = TargetError::NotOpenObserve("http://127.0.0.1:4318/v1/traces".into());
        assert_eq!(target(Wanted::default(), &collector), Err(refused));
        assert_eq!(
            target(wanted("http://o2.test", "", "x"), &none),
            Err(TargetError::NoOrg("http://o2.test".into()))
        );
        assert_eq!(target(wanted("http://o2.test", "o", "aé"), &none), Err(TargetError::BadToken));
        assert_eq!(target(wanted("http://o2.test", "o", "\"YQ==\""), &none), Err(TargetError::BadToken));
    }
}
