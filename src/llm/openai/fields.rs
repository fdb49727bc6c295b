//! The optional fields of a request that a server takes: guessed from its host, learnt from its refusals.

use std::sync::{Mutex, PoisonError};

use url::Url;

use super::body::Ask;
use super::error_body::Said;
use crate::config::{self, MaxTokensField, UsageInStream};

/// The most fields that can be left out of a request or renamed, each with an attempt that does not count: the limit
/// twice, usage, temperature and top_p.
pub(in crate::llm) const MAX_ADAPTATIONS: u32 = 5;

/// A provider's name for the limit of a reply's tokens.
///
/// OpenAI's newer models refuse `max_tokens`; many compatible servers know nothing else, and either refuse the newer
/// name (Mistral: HTTP 422) or ignore it (Ollama, LM Studio), so that a reply has no limit at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitField {
    MaxTokens,
    MaxCompletionTokens,
}

/// The optional fields that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    /// None: the server takes no limit.
    pub(super) limit: Option<LimitField>,
    /// `stream_options`.
    pub(super) usage: bool,
    pub(super) temperature: bool,
    pub(super) top_p: bool,
}

/// The knowledge about one server, for all of its sessions.
#[derive(Debug)]
pub(super) struct Accepted {
    known: Mutex<Known>,
    /// A key of the configuration names the field of the limit.
    limit_is_set: bool,
    /// A key of the configuration decides whether usage is asked for.
    usage_is_set: bool,
}

#[derive(Debug)]
struct Known {
    fields: Fields,
    /// The limit has been sent by both names.
    renamed: bool,
    guess: Guess,
    /// The fields that were sent before the last refusal that was learnt from, and its words, until an answer comes.
    untried: Option<(Fields, String)>,
    /// The words of refusals that leaving fields out did not help against.
    in_vain: Vec<String>,
}

/// The most refusals in vain that are remembered.
const MAX_IN_VAIN: usize = 8;

/// The answer to a refusal without a reason: usage is left out, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    Free,
    /// Usage is left out, and no answer has come since.
    Tried,
    Over,
}

// === impl LimitField ===

impl LimitField {
    fn of(config: &config::Llm) -> Self {
        match config.max_tokens_field {
            MaxTokensField::Auto => Self::of_host(&config.base_url),
            MaxTokensField::MaxTokens => Self::MaxTokens,
            MaxTokensField::MaxCompletionTokens => Self::MaxCompletionTokens,
        }
    }

    fn of_host(base_url: &Url) -> Self {
        let host = base_url.host_str().unwrap_or_default();
        let openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
        if openai || host.ends_with(".openai.azure.com") {
            Self::MaxCompletionTokens
        } else {
            Self::MaxTokens
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

// === impl Accepted ===

impl Accepted {
    pub(super) fn new(config: &config::Llm) -> Self {
        let fields = Fields {
            limit: Some(LimitField::of(config)),
            usage: config.usage_in_stream != UsageInStream::Never,
            temperature: true,
            top_p: true,
        };
        Self {
            known: Mutex::new(Known {
                fields,
                renamed: false,
                guess: Guess::Free,
                untried: None,
                in_vain: Vec::new(),
            }),
            limit_is_set: config.max_tokens_field != MaxTokensField::Auto,
            usage_is_set: config.usage_in_stream != UsageInStream::Auto,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).fields
    }

    /// Takes note of an answer.
    pub(super) fn answered(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.untried = None;
        if known.guess == Guess::Tried {
            known.guess = Guess::Over;
        }
    }

    /// Learns from a refusal of the fields in `sent`; true when the same question may now be accepted.
    pub(super) fn refused(&self, sent: Fields, ask: &Ask<'_>, status: u16, said: Option<&Said>) -> bool {
        if !matches!(status, 400 | 422) {
            return false;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.fields != sent {
            // Another session has learnt it meanwhile.
            return true;
        }
        let learnt = match said.filter(|said| !said.is_bare()) {
            Some(said) => self.refused_field(&mut known, ask, said),
            None => self.guess(&mut known),
        };
        if let Some(what) = learnt {
            tracing::warn!("the model's server refuses a field of ours: from now on {what}");
        }
        learnt.is_some()
    }

    /// The same, where the refusal has a reason. A reason that is repeated word by word was about another field.
    fn refused_field(&self, known: &mut Known, ask: &Ask<'_>, said: &Said) -> Option<&'static str> {
        let words = said.words(None).unwrap_or_default();
        if let Some((before, _)) = known.untried.take_if(|(_, refused)| *refused == words) {
            known.fields = before;
            known.in_vain.truncate(MAX_IN_VAIN - 1);
            known.in_vain.insert(0, words);
            return None;
        }
        if known.in_vain.contains(&words) {
            return None;
        }
        let before = known.fields;
        let learnt = self.named(known, ask, said);
        known.untried = learnt.map(|_| (before, words));
        learnt
    }

    /// The same, where the refusal names a field.
    fn named(&self, known: &mut Known, ask: &Ask<'_>, said: &Said) -> Option<&'static str> {
        let limit = known.fields.limit.filter(|_| ask.parameters.max_tokens.is_some() && !self.limit_is_set);
        if let Some(limit) = limit.filter(|limit| said.refuses(limit.name())) {
            return Some(rename(known, limit));
        }
        let names = ["stream_options", "streamOptions", "include_usage"];
        if known.fields.usage && !self.usage_is_set && names.iter().any(|name| said.refuses(name)) {
            known.fields.usage = false;
            return Some("no usage is asked for (stream_options), and tokens are estimated");
        }
        if known.fields.temperature && ask.parameters.temperature.is_some() && said.refuses("temperature") {
            known.fields.temperature = false;
            return Some("[llm] temperature is left out");
        }
        if known.fields.top_p && ask.parameters.top_p.is_some() && said.refuses("top_p") {
            known.fields.top_p = false;
            return Some("[llm] top_p is left out");
        }
        None
    }

    /// A refusal without a reason is tried once without the one field that no key asked for.
    fn guess(&self, known: &mut Known) -> Option<&'static str> {
        match known.guess {
            Guess::Free if known.fields.usage && !self.usage_is_set => {
                known.guess = Guess::Tried;
                known.fields.usage = false;
                Some("no usage is asked for (stream_options), as it gave no reason")
            }
            Guess::Tried => {
                // Usage was not the reason.
                known.guess = Guess::Over;
                known.fields.usage = true;
                None
            }
            _ => None,
        }
    }
}

/// The limit by its other name, or not at all where both were refused.
fn rename(known: &mut Known, limit: LimitField) -> &'static str {
    if std::mem::replace(&mut known.renamed, true) {
        known.fields.limit = None;
        return "[llm] max_tokens is left out";
    }
    known.fields.limit = Some(limit.other());
    match limit.other() {
        LimitField::MaxTokens => "[llm] max_tokens is sent as max_tokens",
        LimitField::MaxCompletionTokens => "[llm] max_tokens is sent as max_completion_tokens",
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::Parameters;
    use super::super::error_body::explain;
    use super::*;

    const ASK: Ask<'_> = Ask {
        messages: &[],
        model: "m",
        parameters: Parameters { temperature: Some(0.2), top_p: Some(0.5), max_tokens: Some(50) },
    };

    fn config(base_url: &str) -> config::Llm {
        config::Llm::at(base_url)
    }

    /// The fields that are sent after refusals with these bodies, and whether each was learnt from.
    fn after(config: &config::Llm, bodies: &[&str]) -> (Fields, Vec<bool>) {
        let accepted = Accepted::new(config);
        let learnt = bodies
            .iter()
            .map(|body| accepted.refused(accepted.fields(), &ASK, 400, explain(body.as_bytes()).as_ref()));
        let learnt = learnt.collect();
        (accepted.fields(), learnt)
    }

    fn local(bodies: &[&str]) -> (Fields, Vec<bool>) {
        after(&config("http://localhost/v1"), bodies)
    }

    #[test]
    fn openai_gets_the_newer_name_of_the_token_limit_and_others_the_one_they_know() {
        let limit = |url| Accepted::new(&config(url)).fields().limit;
        for url in [
            "https://api.openai.com/v1",
            "https://eu.api.openai.com/v1",
            "https://x.openai.azure.com/openai/v1",
        ] {
            assert_eq!(limit(url), Some(LimitField::MaxCompletionTokens), "{url}");
        }
        for url in [
            "http://localhost:11434/v1",
            "https://api.mistral.ai/v1",
            "https://notapi.openai.com.evil.test/v1",
        ] {
            assert_eq!(limit(url), Some(LimitField::MaxTokens), "{url}");
        }
    }

    #[test]
    fn the_limit_gets_its_other_name_once_and_then_is_left_out() {
        let first = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens","code":"unsupported_parameter"}}"#;
        let second = r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted"}]}}"#;
        assert_eq!(local(&[first]).0.limit, Some(LimitField::MaxCompletionTokens));
        let (fields, learnt) = local(&[first, second]);
        assert_eq!((fields.limit, learnt), (None, vec![true, true]));
        assert!(fields.usage && fields.temperature);
    }

    #[test]
    fn usage_and_sampling_are_left_out_however_the_server_names_them() {
        for body in [
            r#"{"error":{"message":"Unknown parameter: 'stream_options'.","param":"stream_options"}}"#,
            r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","param":null}}"#,
            r##"{"error":{"code":400,"message":"Validation error at #/stream_options: Extra inputs are not permitted"}}"##,
            r#"{"error_code":"BAD_REQUEST","message":"Bad request: json: unknown field \"stream_options\"\n"}"#,
            r#"{"detail":[{"loc":["body","stream_options"],"msg":"extra fields not permitted"}]}"#,
            "stream_options is not supported",
        ] {
            let (fields, learnt) = local(&[body]);
            assert_eq!((fields.usage, fields.temperature, learnt), (false, true, vec![true]), "{body}");
        }
        for body in [
            r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model.","param":"temperature"}}"#,
            r#"{"error":{"message":"invalid temperature: only 1 is allowed for this model"}}"#,
        ] {
            assert!(!local(&[body]).0.temperature, "{body}");
        }
        let body = r#"{"error":{"message":"Unsupported parameter: 'top_p' is not supported with this model.","param":"top_p"}}"#;
        let (fields, learnt) = local(&[body]);
        assert_eq!((fields.top_p, fields.temperature, learnt), (false, true, vec![true]));
    }

    #[test]
    fn a_message_about_a_value_or_another_thing_changes_nothing() {
        for body in [
            r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens","param":"max_tokens"}}"#,
            r#"{"error":{"message":"the key is not one of ours"}}"#,
            r#"{"error":{"message":"Unknown parameter: 'max_tokens_total'."}}"#,
        ] {
            assert_eq!(local(&[body]).1, [false], "{body}");
        }
    }

    #[test]
    fn a_bare_refusal_is_tried_once_without_usage_and_undone_where_that_was_not_it() {
        let (fields, learnt) = local(&[""]);
        assert_eq!((fields.usage, learnt), (false, vec![true]));
        let (fields, learnt) = local(&["", "", ""]);
        assert_eq!((fields.usage, learnt), (true, vec![true, false, false]));
        let accepted = Accepted::new(&config("http://localhost/v1"));
        assert!(accepted.refused(accepted.fields(), &ASK, 422, None));
        accepted.answered();
        assert!(!accepted.refused(accepted.fields(), &ASK, 422, None));
        assert!(!accepted.fields().usage);
    }

    #[test]
    fn what_did_not_help_is_taken_back_and_not_tried_again() {
        let body = r#"{"error":{"message":"Unknown model 'x' (request: max_tokens=50, temperature=0.2)"}}"#;
        let (fields, learnt) = local(&[body, body, body]);
        assert_eq!(
            (fields, learnt),
            (Accepted::new(&config("http://localhost/v1")).fields(), vec![true, false, false])
        );
    }

    #[test]
    fn refusals_are_known_in_other_words_too() {
        for body in [
            "max_tokens is deprecated, use max_completion_tokens",
            "Please use max_completion_tokens instead of max_tokens",
            "Invalid parameter 'max_tokens'",
        ] {
            assert_eq!(local(&[body]).0.limit, Some(LimitField::MaxCompletionTokens), "{body}");
        }
        for body in ["property stream_options should not exist", "include_usage is not supported"] {
            assert!(!local(&[body]).0.usage, "{body}");
        }
        for body in ["`temperature` is deprecated for this model.", "temperature must be 1 for this model"] {
            assert!(!local(&[body]).0.temperature, "{body}");
        }
        for body in ["Bad Request", r#"{"error":"Unprocessable Entity"}"#, "{}"] {
            assert!(!local(&[body]).0.usage, "{body}");
        }
    }

    #[test]
    fn what_a_key_sets_stays() {
        let set = config::Llm {
            max_tokens_field: MaxTokensField::MaxTokens,
            usage_in_stream: UsageInStream::Always,
            ..config("https://api.openai.com/v1")
        };
        let bodies = ["max_tokens is not supported", "stream_options is not supported", ""];
        let (fields, learnt) = after(&set, &bodies);
        assert_eq!((fields.limit, fields.usage), (Some(LimitField::MaxTokens), true));
        assert_eq!(learnt, [false, false, false]);
        let never = config::Llm { usage_in_stream: UsageInStream::Never, ..config("http://localhost/v1") };
        assert!(!Accepted::new(&never).fields().usage);
    }

    #[test]
    fn what_another_session_has_learnt_is_not_learnt_twice() {
        let accepted = Accepted::new(&config("http://localhost/v1"));
        let sent = accepted.fields();
        let said = explain(b"stream_options is not supported");
        assert!(accepted.refused(sent, &ASK, 400, said.as_ref()));
        assert!(accepted.refused(sent, &ASK, 400, said.as_ref()));
        assert!(!accepted.refused(accepted.fields(), &ASK, 503, said.as_ref()));
    }
}
