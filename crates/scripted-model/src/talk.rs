//! The words of the demo's model: a few rules about the user's words.

use serde_json::Value;

const INTRODUCTION: &str = "I am a small scripted responder that comes with voiced, not a language model: I answer from a \
    handful of rules. Set OPENAI_API_KEY (and OPENAI_BASE_URL for another provider) to talk with a real one.";

/// The answer to a request's messages.
pub(crate) fn demo(messages: &[Value]) -> String {
    let said = last_user_text(messages);
    let words = Words::new(&said);
    let turn = messages.iter().filter(|message| message["role"] == "user").count();
    let answer = by_rule(&words, turn).unwrap_or_else(|| fallback(&said, turn));
    if turn <= 1 && !answer.contains(INTRODUCTION) { format!("{answer} {INTRODUCTION}") } else { answer }
}

/// The text of the last user message; empty when there is none.
pub(crate) fn last_user_text(messages: &[Value]) -> String {
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    last.map(|message| text_of(&message["content"])).unwrap_or_default()
}

/// The text of a message's content, which is a string or a list of parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The user's words, in lower case and without punctuation.
struct Words(Vec<String>);

impl Words {
    fn new(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
        Self(words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect())
    }

    fn any(&self, wanted: &[&str]) -> bool {
        self.0.iter().any(|word| wanted.contains(&word.as_str()))
    }

    fn after(&self, phrase: &[&str]) -> Option<&str> {
        let at = self.0.windows(phrase.len()).position(|window| window == phrase)?;
        self.0.get(at + phrase.len()).map(String::as_str)
    }
}

fn by_rule(words: &Words, turn: usize) -> Option<String> {
    if let Some(name) = words.after(&["my", "name", "is"]) {
        return Some(format!("Nice to meet you, {}!", capitalised(name)));
    }
    let asks_who = words.any(&["who", "what"]) && words.any(&["you"]);
    if asks_who || words.any(&["model", "llm", "ai", "robot", "human"]) {
        return Some(INTRODUCTION.to_owned());
    }
    let fixed = if words.any(&["hello", "hi", "hey", "hallo", "morning", "evening"]) {
        "Hello! It is good to hear from you."
    } else if words.any(&["thanks", "thank", "cheers"]) {
        "You are very welcome."
    } else if words.any(&["bye", "goodbye"]) {
        "Goodbye! Your turns are waiting for you in the traces."
    } else if words.any(&["trace", "traces", "tracing", "span", "spans", "opentelemetry"]) {
        "A trace is the story of one piece of work, told in spans that know their parents. This very turn \
            becomes one: livekit.llm_call, llm_request, and one llm_request_run for each attempt."
    } else if words.any(&["livekit", "room", "webrtc"]) {
        "LiveKit keeps us in one room over WebRTC; your words reach me as a text stream, and mine go back the same way."
    } else if words.any(&["weather", "rain", "sun"]) {
        "I have no window, I am afraid. In here it is always a pleasant 21 degrees."
    } else if words.any(&["joke", "funny"]) {
        "A packet walks into a bar, and the bartender says: I heard you might not arrive."
    } else if words.any(&["count", "many", "turn", "turns"]) {
        return Some(format!("This is turn number {turn} that I can see of our conversation."));
    } else {
        return None;
    };
    Some(fixed.to_owned())
}

fn fallback(said: &str, turn: usize) -> String {
    let said = said.trim();
    if said.is_empty() {
        return "I did not catch any words there.".to_owned();
    }
    let shown: String = said.chars().take(120).collect();
    let openings = ["I heard you say", "You told me", "Got it:"];
    format!("{} \"{shown}\". My rules know no more about that.", openings[turn % openings.len()])
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    #[test]
    fn the_first_answer_says_that_this_is_no_model() {
        assert!(demo(&[user("hello")]).contains("not a language model"));
        assert!(!demo(&[user("a"), user("hello")]).contains("not a language model"));
        assert!(demo(&[user("a"), user("Who are you?")]).contains("not a language model"));
    }

    #[test]
    fn names_are_picked_up() {
        assert!(demo(&[user("Hi, my name is ada.")]).starts_with("Nice to meet you, Ada!"));
    }

    #[test]
    fn content_may_be_a_list_of_parts() {
        let content = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        assert_eq!(text_of(&content), "ab");
    }
}
