//! How each request is answered.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;

use crate::speech::SpeechStep;

/// The behaviour of a server: the first steps in order, then the step that the request itself selects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// One for each request, in the order of arrival.
    pub steps: VecDeque<Step>,
    /// After the steps: the first rule whose text is in the last user message.
    pub rules: Vec<Rule>,
    /// Used when there is no step and no rule left, and the model name selects nothing.
    pub otherwise: Step,
    /// The only known models; a request for another is a 404. Empty: every name is known.
    pub models: Vec<String>,
    /// The `shutdown_date` of each model, in OpenAI's format: `YYYY-MM-DD`.
    pub shutdown_dates: BTreeMap<String, String>,
    /// When set, a request with another bearer token is a 401.
    pub api_key: Option<String>,
    /// A request with one of these fields is a 400 that names it.
    pub refused_fields: Vec<String>,
    /// Requests for transcripts. The reply of a step is the transcript.
    pub transcriptions: Steps<Step>,
    /// Requests for speech.
    pub speeches: Steps<SpeechStep>,
}

/// The steps of an endpoint: the first in order, then the last one again and again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steps<S: Default> {
    pub steps: VecDeque<S>,
    pub otherwise: S,
}

/// A step for the requests whose last user message contains a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub contains: String,
    pub step: Step,
}

/// How one request is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// A status other than 200 is answered with an error object and no stream.
    pub status: u16,
    /// `error.message` and `error.code` of an error object, in the body or in the stream.
    pub error_message: String,
    pub error_code: String,
    pub headers: BTreeMap<String, String>,
    pub reply: Reply,
    pub usage: Usage,
    /// The model named in the answer; `None` for the requested one.
    pub model: Option<String>,
    pub finish_reason: String,
    /// The pause before the first byte.
    pub delay_ms: u64,
    /// The pause before each piece of the reply.
    pub pause_ms: u64,
    /// The largest write in bytes, to cut characters and events in two. 0: one write for each event.
    pub split_bytes: usize,
    /// This body, unchanged, in place of a reply; its `content-type` is one of `headers`, or none.
    #[serde(skip)]
    pub body: Option<Vec<u8>>,
    /// Pieces (words) of the reply to send before `ending`; `None` for all.
    pub after: Option<usize>,
    pub ending: Ending,
}

/// The words of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A few friendly rules about the user's words.
    #[default]
    Demo,
    /// "You said: " and the last user message.
    Echo,
    Text(String),
    /// This many bytes of filler, in pieces of 1 KiB.
    Bytes(usize),
}

/// The usage in the server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// One token for each word of the messages and of the reply.
    #[default]
    Counted,
    /// No usage, even if the request asks for it.
    None,
    Exact {
        input: u64,
        output: u64,
        #[serde(default)]
        cached: Option<u64>,
    },
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The finish reason, the usage and `[DONE]`.
    #[default]
    Finish,
    /// No byte of an answer is sent; the connection stays open.
    Hang,
    /// The connection is reset before the first byte of an answer.
    Drop,
    /// The reply stops in its middle; the connection stays open.
    Stall,
    /// The connection is closed in the middle of the chunked body.
    Close,
    /// As `Close`, after the finish reason.
    CloseFinished,
    /// As `Close`, with a TCP reset.
    Reset,
    /// A data line that is not JSON, then the end of the body.
    Malformed,
    /// An error object as a data line, then the end of the body.
    Error,
    /// The body ends properly, without finish reason and `[DONE]`.
    Truncate,
}

// === impl Script ===

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// Answers every request with this step.
    pub fn always(step: Step) -> Self {
        Self { otherwise: step, ..Self::default() }
    }

    pub fn otherwise(mut self, step: Step) -> Self {
        self.otherwise = step;
        self
    }

    pub fn rule(mut self, contains: impl Into<String>, step: Step) -> Self {
        self.rules.push(Rule { contains: contains.into(), step });
        self
    }

    pub fn models<'a>(mut self, models: impl IntoIterator<Item = &'a str>) -> Self {
        self.models = models.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets the `shutdown_date` of a model.
    pub fn shutdown_date(mut self, model: impl Into<String>, date: impl Into<String>) -> Self {
        self.shutdown_dates.insert(model.into(), date.into());
        self
    }

    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The next requests for transcripts.
    pub fn transcriptions(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.transcriptions.steps.extend(steps);
        self
    }

    /// The next requests for speech.
    pub fn speeches(mut self, steps: impl IntoIterator<Item = SpeechStep>) -> Self {
        self.speeches.steps.extend(steps);
        self
    }

    pub fn refusing<'a>(mut self, fields: impl IntoIterator<Item = &'a str>) -> Self {
        self.refused_fields = fields.into_iter().map(str::to_owned).collect();
        self
    }
}

// === impl Steps ===

impl<S: Clone + Default> Steps<S> {
    pub(crate) fn next(&mut self) -> S {
        self.steps.pop_front().unwrap_or_else(|| self.otherwise.clone())
    }
}

// === impl Step ===

impl Default for Step {
    fn default() -> Self {
        Self {
            status: 200,
            error_message: "scripted failure".into(),
            error_code: "scripted".into(),
            headers: BTreeMap::new(),
            reply: Reply::Demo,
            usage: Usage::Counted,
            model: None,
            finish_reason: "stop".into(),
            delay_ms: 0,
            pause_ms: 0,
            split_bytes: 0,
            body: None,
            after: None,
            ending: Ending::Finish,
        }
    }
}

impl Step {
    pub fn reply(text: impl Into<String>) -> Self {
        Self { reply: Reply::Text(text.into()), ..Self::default() }
    }

    pub fn echo() -> Self {
        Self { reply: Reply::Echo, ..Self::default() }
    }

    pub fn bytes(count: usize) -> Self {
        Self { reply: Reply::Bytes(count), ..Self::default() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// This body with status 200, as an event stream.
    pub fn stream(body: impl Into<Vec<u8>>) -> Self {
        Self::body(200, body).header("content-type", "text/event-stream")
    }

    /// This body, unchanged, without a content type.
    pub fn body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: Some(body.into()), ..Self::default() }
    }

    /// Accepts the request and never answers.
    pub fn hang() -> Self {
        Self { ending: Ending::Hang, ..Self::default() }
    }

    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    pub fn after(mut self, pieces: usize) -> Self {
        self.after = Some(pieces);
        self
    }

    pub fn usage(mut self, input: u64, output: u64) -> Self {
        self.usage = Usage::Exact { input, output, cached: None };
        self
    }

    pub fn cached_usage(mut self, input: u64, output: u64, cached: u64) -> Self {
        self.usage = Usage::Exact { input, output, cached: Some(cached) };
        self
    }

    pub fn no_usage(mut self) -> Self {
        self.usage = Usage::None;
        self
    }

    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    pub fn finish_reason(mut self, reason: impl Into<String>) -> Self {
        self.finish_reason = reason.into();
        self
    }

    pub fn error(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.error_code = code.into();
        self.error_message = message.into();
        self
    }

    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Seconds or an HTTP date.
    pub fn retry_after(self, value: impl Into<String>) -> Self {
        self.header("retry-after", value)
    }

    pub fn delay_ms(mut self, delay: u64) -> Self {
        self.delay_ms = delay;
        self
    }

    pub fn pause_ms(mut self, pause: u64) -> Self {
        self.pause_ms = pause;
        self
    }

    pub fn split_bytes(mut self, bytes: usize) -> Self {
        self.split_bytes = bytes;
        self
    }
}
