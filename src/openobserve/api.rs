//! OpenObserve's API, as far as it is needed, and the remedies when a request is refused.

use std::time::Duration;

use conversation::{Secret, Secrets};
use outbound::web::{self, Answer, Web};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use super::target::Target;

const TIMEOUT: Duration = Duration::from_secs(20);
/// The first version with dashboards of version 8.
const OLDEST: (u32, u32) = (0, 40);

/// The reason of a failure: the event, its place, and the remedy.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct ApiError(String);

/// One organisation of one OpenObserve.
pub(super) struct Api {
    web: Web,
    root: Url,
    org: String,
    secrets: Secrets,
}

/// A request, without the server it is for.
pub(super) struct Call<'a> {
    method: Method,
    /// The path below the root.
    path: Vec<&'a str>,
    query: Vec<(&'static str, &'a str)>,
    body: Option<&'a Value>,
}

// === impl ApiError ===

impl ApiError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

// === impl Call ===

impl<'a> Call<'a> {
    pub(super) fn get(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self { method: Method::GET, path: path.into_iter().collect(), query: Vec::new(), body: None }
    }

    pub(super) fn post(path: impl IntoIterator<Item = &'a str>, body: &'a Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }

    pub(super) fn put(path: impl IntoIterator<Item = &'a str>, body: &'a Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(path) }
    }

    pub(super) fn query(mut self, key: &'static str, value: &'a str) -> Self {
        self.query.push((key, value));
        self
    }
}

// === impl Api ===

impl Api {
    /// `hidden` is not repeated in messages, like the credentials.
    pub(super) fn new(target: &Target, hidden: Option<&Secret>) -> Result<Self, ApiError> {
        let unsendable = |_| ApiError::new("the credentials hold characters that no header can carry");
        let mut authorization = HeaderValue::from_str(target.authorization.expose()).map_err(unsendable)?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let web = Web::new(TIMEOUT, headers);
        let secrets = hidden.into_iter().chain([&target.authorization]).cloned().collect();
        Ok(Self { web, root: target.root.clone(), org: target.org.clone(), secrets })
    }

    pub(super) fn org(&self) -> &str {
        &self.org
    }

    /// Checks that an OpenObserve is there that is new enough, and takes our credentials for this organisation.
    pub(super) async fn greet(&self) -> Result<(), ApiError> {
        let config = self.call(Call::get(["config"])).await?;
        let version = config.get("version").and_then(Value::as_str).unwrap_or_default();
        if parsed(version).is_some_and(|version| version < OLDEST) {
            let (url, (major, minor)) = (web::shown(&self.root), OLDEST);
            return Err(ApiError::new(format!(
                "{url} is OpenObserve {version}, which does not know this form of dashboards; {major}.{minor} or later does"
            )));
        }
        self.admit().await
    }

    /// Asks for something that any user may see who may do what we are about to do.
    async fn admit(&self) -> Result<(), ApiError> {
        let call = || Call::get(["api", &self.org, "dashboards"]).query("folder", "default");
        let url = self.url(&call());
        let answer = self.send(call(), &url).await?;
        if !matches!(answer.status, 401 | 403) {
            return self.read(&Method::GET, &url, &answer).map(drop);
        }
        match self.organisations().await {
            Some(ours) if !ours.contains(&self.org) => Err(ApiError::new(format!(
                "the user is no member of the organisation \"{}\" of {} ({}); of these: {}. Choose with --org",
                self.org,
                web::shown(&self.root),
                answer.status,
                ours.join(", ")
            ))),
            _ => Err(self.refusal(&Method::GET, &url, &answer)),
        }
    }

    /// The organisations that the user belongs to; None when the list is not available.
    async fn organisations(&self) -> Option<Vec<String>> {
        let found = self.call(Call::get(["api", "organizations"])).await.ok()?;
        let found = found.get("data")?.as_array()?.iter();
        Some(found.filter_map(|org| org.get("identifier")?.as_str().map(str::to_owned)).take(20).collect())
    }

    /// The JSON of an answer that went well.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, ApiError> {
        let (method, url) = (call.method.clone(), self.url(&call));
        let answer = self.send(call, &url).await?;
        self.read(&method, &url, &answer)
    }

    /// [`Api::call`]; None when the thing does not exist.
    pub(super) async fn find(&self, call: Call<'_>) -> Result<Option<Value>, ApiError> {
        let (method, url) = (call.method.clone(), self.url(&call));
        let answer = self.send(call, &url).await?;
        if answer.status == 404 { Ok(None) } else { self.read(&method, &url, &answer).map(Some) }
    }

    async fn send(&self, call: Call<'_>, url: &Url) -> Result<Answer, ApiError> {
        let sent = self.web.send(call.method, url.clone(), call.body).await;
        sent.map_err(|cause| {
            let url = web::shown(url);
            ApiError::new(format!(
                "cannot reach {url}: {cause}; is OpenObserve running there? Else give --url"
            ))
        })
    }

    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    fn read(&self, method: &Method, url: &Url, answer: &Answer) -> Result<Value, ApiError> {
        if !(200..300).contains(&answer.status) {
            return Err(self.refusal(method, url, answer));
        }
        let no_json = || {
            let (url, root) = (web::shown(url), web::shown(&self.root));
            ApiError::new(format!(
                "{url} is no part of OpenObserve's API: is {root} its address? Else give --url"
            ))
        };
        answer.json().ok_or_else(no_json)
    }

    fn refusal(&self, method: &Method, url: &Url, answer: &Answer) -> ApiError {
        let words = answer.quoted();
        let advice = self.advice(answer, &words);
        let text = format!("{method} {} was answered {}{words}; {advice}", web::shown(url), answer.status);
        ApiError::new(self.secrets.taken_out(&text))
    }

    fn advice(&self, answer: &Answer, words: &str) -> String {
        let words = words.to_ascii_lowercase();
        match answer.status {
            300..400 => {
                let target = answer.location.as_deref().unwrap_or("another address");
                format!("it points to {target}: give that server's address with --url")
            }
            401 => {
                "the credentials are wrong, or only good for writing traces, as tokens of the ingestion page are: set OPENOBSERVE_TOKEN to \
                 the base64 of user:password"
                    .to_owned()
            }
            403 => format!("the user may not do that in \"{}\": ask for the right to edit dashboards and alerts", self.org),
            404 if words.contains("stream") => {
                "no trace has arrived there yet: let `voiced check` send a first one, then install again".to_owned()
            }
            404 if words.contains("destination") => {
                "name one that is there with --destination, or have one made with --webhook".to_owned()
            }
            404 => "this OpenObserve may be too old, or --url not its address".to_owned(),
            409 => "it was changed at the same time: look at it, then install again".to_owned(),
            400 | 422 if words.contains("version") => "this OpenObserve is too old for it".to_owned(),
            429 | 500.. => "see OpenObserve's own log, then install again: what is done is not done twice".to_owned(),
            _ => "see OpenObserve's own log".to_owned(),
        }
    }
}

/// `v0.92.2-rc1` as 0.92; None when it is no version of that kind, as of a build of one's own.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(root: &str) -> Api {
        let target = Target {
            root: root.parse().unwrap(),
            org: "my org/x".to_owned(),
            authorization: Secret::new("Basic dXNlcjpwYXNz"),
            stream: "default".to_owned(),
            service: "voiced".to_owned(),
        };
        Api::new(&target, None).unwrap()
    }

    #[test]
    fn paths_go_below_the_root_and_names_cannot_leave_theirs() {
        let api = api("http://o2.test:5080/o2");
        let call = Call::get(["api", api.org(), "dashboards"]).query("folder", "a&b");
        let expected = "http://o2.test:5080/o2/api/my%20org%2Fx/dashboards?folder=a%26b";
        assert_eq!(api.url(&call).as_str(), expected);
        assert_eq!(
            super::tests::api("http://o2.test").url(&Call::get(["config"])).as_str(),
            "http://o2.test/config"
        );
    }

    #[test]
    fn a_refusal_repeats_no_credentials() {
        let body = br#"{"message":"bad dXNlcjpwYXNz"}"#.to_vec();
        let answer = Answer { status: 401, body, ..Answer::default() };
        let refusal =
            api("http://o2.test").refusal(&Method::GET, &"http://o2.test/x".parse().unwrap(), &answer);
        assert!(refusal.0.contains("401: \"bad [secret]\"; the credentials"), "{refusal}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parsed("v0.9.1").unwrap() < OLDEST && parsed("v0.40.0-rc1").unwrap() >= OLDEST);
        assert!(parsed("v1.0.0").unwrap() > OLDEST);
        assert_eq!(parsed("main"), None);
    }
}
