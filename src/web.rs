//! A small HTTP client for the few things that are asked of a server now and then, and not with every turn: bounded in time and
//! in bytes, without redirects and without proxies, like the connections to LiveKit.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use url::Url;

/// The longest answer that is read; what is past it is an error, since half a JSON text is none.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How much of an answer's text is repeated in a message.
const QUOTED_CHARS: usize = 160;

/// Asks servers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    client: Client,
    headers: HeaderMap,
}

/// What a server said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server's clock, in whole seconds.
    pub(crate) date: Option<SystemTime>,
    /// Where a redirect points.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

// === impl Web ===

impl Web {
    /// `timeout` is that of each request, `headers` go with each.
    pub(crate) fn new(timeout: Duration, headers: HeaderMap) -> Result<Self, String> {
        let builder = Client::builder().timeout(timeout).redirect(Policy::none()).no_proxy();
        let client = builder.build().map_err(|error| causes(&error))?;
        Ok(Self { client, headers })
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Answer, String> {
        self.answer(self.client.get(url)).await
    }

    /// Sends a JSON body; None sends none.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, String> {
        let request = self.client.request(method, url);
        self.answer(match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
        .await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, String> {
        let sent = request.headers(self.headers.clone()).send().await;
        let response = sent.map_err(|error| causes(&error.without_url()))?;
        let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            date: header(DATE).and_then(|date| httpdate::parse_http_date(&date).ok()),
            location: header(LOCATION),
            body: read(response).await?,
        })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| causes(&error.without_url()))? {
        if body.len() + bytes.len() > MAX_BODY_BYTES {
            return Err(format!("the answer is longer than {MAX_BODY_BYTES} bytes"));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// `: "<first words>"`: of the `message` or `error` in a JSON body, else of the body. Empty when there are none.
    pub(crate) fn quoted(&self) -> String {
        let json = self.json();
        let message = ["message", "error"].iter().find_map(|key| json.as_ref()?.get(key)?.as_str());
        let text = message.map_or_else(|| String::from_utf8_lossy(&self.body), Into::into);
        match first_words(&text).as_str() {
            "" => String::new(),
            words => format!(": \"{words}\""),
        }
    }
}

/// The start of a text, on one line and without control characters: what of a server's answer a message repeats.
pub(crate) fn first_words(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// A URL as it may be shown: without user, password, query and the last slash.
pub(crate) fn shown(base_url: &Url) -> String {
    let mut url = base_url.clone();
    // These refuse URLs that have no host, which hold no password either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// An error with its causes; reqwest's own text stops before the interesting one.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(body: &str) -> String {
        Answer { status: 400, date: None, location: None, body: body.as_bytes().to_vec() }.quoted()
    }

    #[test]
    fn the_shown_url_holds_neither_password_nor_query() {
        let url = "https://user:secret@host:8443/v1/?api-key=secret".parse().unwrap();
        assert_eq!(shown(&url), "https://host:8443/v1");
    }

    #[test]
    fn the_servers_words_are_found_and_cut() {
        assert_eq!(quoted(r#"{"code":401,"message":"Unauthorized\n Access"}"#), ": \"Unauthorized Access\"");
        assert_eq!(quoted(r#"{"error":"no"}"#), ": \"no\"");
        assert_eq!(quoted("plain  words\u{7}"), ": \"plain words\"");
        assert_eq!(quoted(" \n"), "");
        let long = quoted(&"é".repeat(500));
        assert!(long.ends_with("…\"") && long.chars().count() < 170, "{long}");
    }
}
