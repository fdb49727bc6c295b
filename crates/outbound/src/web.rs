//! A small HTTP client for the few occasional requests to a server that do not come with every turn: bounded in time
//! and in bytes, and without redirects.

use std::time::{Duration, SystemTime};

use bounded::text::within_chars;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Request, Response};
use thiserror::Error;
use url::Url;

use crate::client::HttpClient;
use crate::network;

/// See [`Web::at_most`].
const MAX_BODY_BYTES: usize = 16 << 20;
/// How much of an answer's text is repeated in a message.
const QUOTED_CHARS: usize = 160;

/// A client for such requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Web {
    client: HttpClient,
    /// The limit of each request, with its answer.
    timeout: Duration,
    headers: HeaderMap,
    /// The longest answer that is read; a longer one is an error, since half a JSON text is none.
    most_bytes: usize,
}

/// A server's answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// The server's clock, in whole seconds.
    pub date: Option<SystemTime>,
    /// Where a redirect points.
    pub location: Option<String>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoAnswer {
    #[error("there was no whole answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// The failure of a connection, with its causes.
    #[error("{0}")]
    Broken(String),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

// === impl Web ===

impl Web {
    /// `timeout` is that of each request, `headers` go with each.
    pub fn new(timeout: Duration, headers: HeaderMap) -> Self {
        Self { client: network().http(None), timeout, headers, most_bytes: MAX_BODY_BYTES }
    }

    /// Reads answers of this many bytes and no longer ones.
    pub fn at_most(self, bytes: usize) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    pub async fn get(&self, url: Url) -> Result<Answer, NoAnswer> {
        self.request(Method::GET, url, None).await
    }

    /// Sends a JSON body; None sends none.
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::new(method, url);
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        self.answer(request).await
    }

    /// Sends bytes; None sends none.
    pub async fn request(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<Answer, NoAnswer> {
        let mut request = Request::new(method, url);
        *request.body_mut() = body.map(Into::into);
        self.answer(request).await
    }

    async fn answer(&self, mut request: Request) -> Result<Answer, NoAnswer> {
        request.headers_mut().extend(self.headers.clone());
        let answer = tokio::time::timeout(self.timeout, self.answer_at_last(request)).await;
        answer.map_err(|_| NoAnswer::Late(self.timeout))?
    }

    async fn answer_at_last(&self, request: Request) -> Result<Answer, NoAnswer> {
        let url = request.url().clone();
        let sent = self.client.send(request).await;
        let response = sent.map_err(|error| NoAnswer::Broken(network().causes(&url, &error)))?;
        let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            date: header(DATE).and_then(|date| httpdate::parse_http_date(&date).ok()),
            location: header(LOCATION),
            headers: response.headers().clone(),
            body: read(response, self.most_bytes).await?,
        })
    }
}

async fn read(mut response: Response, most_bytes: usize) -> Result<Vec<u8>, NoAnswer> {
    let broken = |error: reqwest::Error| NoAnswer::Broken(causes(&error.without_url()));
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(broken)? {
        if body.len() + bytes.len() > most_bytes {
            return Err(NoAnswer::TooLong(most_bytes));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// The first `most_bytes` of an answer's body, or as much as comes of it: what a refusal says, where its end is not
/// needed.
pub async fn beginning(mut response: Response, most_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = most_bytes - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            break;
        }
    }
    body
}

// === impl Answer ===

impl Answer {
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// `: "<first words>"`: of the `message` or `error` in a JSON body, else of the body. Empty when there are none.
    pub fn quoted(&self) -> String {
        let json = self.json();
        let message = ["message", "error"].iter().find_map(|key| json.as_ref()?.get(key)?.as_str());
        let text = message.map_or_else(|| String::from_utf8_lossy(&self.body), Into::into);
        match first_words(&text).as_str() {
            "" => String::new(),
            words => format!(": \"{words}\""),
        }
    }
}

/// The start of a text, on one line and without control characters: the part of a server's answer that a message
/// repeats.
pub fn first_words(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    within_chars(&words.collect::<Vec<_>>().join(" "), QUOTED_CHARS).into_owned()
}

/// A URL as it may be shown: without user, password, query and the last slash.
pub fn shown(base_url: &Url) -> String {
    let mut url = base_url.clone();
    // These refuse URLs that have no host, which hold no password either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The URL of a server's pages, from that of its websockets.
pub fn http_url(base: &Url) -> Url {
    let text = base.as_str();
    let swapped = match text.split_once("://") {
        Some(("ws", rest)) => Url::parse(&format!("http://{rest}")),
        Some(("wss", rest)) => Url::parse(&format!("https://{rest}")),
        _ => Ok(base.clone()),
    };
    let mut url = swapped.unwrap_or_else(|_| base.clone());
    // These could only fail for a URL without a host, and ours has one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url
}

/// An error and its causes, the innermost last.
pub fn chain<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The innermost cause of an error: the outer ones say where it happened.
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// An error with its causes; reqwest's own text stops before the interesting one.
pub fn causes(error: &dyn std::error::Error) -> String {
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
        Answer { status: 400, body: body.as_bytes().to_vec(), ..Answer::default() }.quoted()
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

    #[test]
    fn the_servers_page_is_where_its_sockets_are() {
        let http = |text: &str| http_url(&Url::parse(text).unwrap()).to_string();
        assert_eq!(http("ws://127.0.0.1:7880"), "http://127.0.0.1:7880/");
        assert_eq!(http("wss://me:pw@lk.example/path?x=1"), "https://lk.example/path");
        assert_eq!(http("http://lk.example"), "http://lk.example/");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_an_error_at_its_bound_and_one_that_drips_at_its_time() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            for (mut stream, pause) in listener.incoming().flatten().zip([0, 100]) {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&[b'x'; 1000]).is_ok() {
                    std::thread::sleep(Duration::from_millis(pause));
                }
            }
        });
        let web = Web::new(Duration::from_secs(10), HeaderMap::new()).at_most(1 << 20);
        assert_eq!(web.get(url.clone()).await.unwrap_err(), NoAnswer::TooLong(1 << 20));
        let web = Web::new(Duration::from_secs(1), HeaderMap::new());
        assert_eq!(web.get(url).await.unwrap_err(), NoAnswer::Late(Duration::from_secs(1)));
    }
}
