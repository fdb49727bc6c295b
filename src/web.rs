//! A small HTTP client for the few things that are asked of a server now and then, and not with every turn: bounded in time and
//! in bytes, without redirects and without proxies, like the connections to LiveKit.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

/// The longest answer that is read; what is past it is an error, since half a JSON text is none.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Asks servers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    client: Client,
    headers: HeaderMap,
}

/// What a server said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The server's clock, in whole seconds.
    pub(crate) date: Option<SystemTime>,
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

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, String> {
        let sent = request.headers(self.headers.clone()).send().await;
        let response = sent.map_err(|error| causes(&error.without_url()))?;
        let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        Ok(Answer {
            date: header(DATE).and_then(|date| httpdate::parse_http_date(&date).ok()),
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

    #[test]
    fn the_shown_url_holds_neither_password_nor_query() {
        let url = "https://user:secret@host:8443/v1/?api-key=secret".parse().unwrap();
        assert_eq!(shown(&url), "https://host:8443/v1");
    }
}
