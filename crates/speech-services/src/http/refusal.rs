//! The provider's words in the body of a refusal, in whichever of the usual shapes: OpenAI's `{"error": {…}}`, text in
//! its place, `detail` of FastAPI servers, bare objects, plain text.

use serde_json::Value;

/// The places of an account, the outer before the inner.
const PLACES: [&str; 6] = ["error", "detail", "message", "msg", "reason", "description"];
/// The deepest nesting that servers send: an error within a list within a field.
const MAX_DEPTH: usize = 4;
/// The most characters of a body other than JSON that are repeated.
const MAX_EXCERPT_CHARS: usize = 400;

/// The account in a body. None where there is none, or a page for people.
pub(crate) fn words_of(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim().trim_start_matches('\u{feff}');
    match serde_json::from_str::<Value>(text) {
        Ok(value) => words(&value, 0),
        Err(_) if text.is_empty() || is_page(text) => None,
        Err(_) => Some(text.chars().take(MAX_EXCERPT_CHARS).collect()),
    }
}

/// Whether waiting will not help: the account is used up.
pub(super) fn is_quota(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    ["insufficient_quota", "billing_hard_limit", "exceeded your current quota"]
        .iter()
        .any(|word| body.contains(word))
}

/// Whether a text is a page of a website.
pub(crate) fn is_page(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(16).collect();
    let start = start.to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml")
}

fn words(value: &Value, depth: usize) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Array(items) if depth < MAX_DEPTH => items.iter().find_map(|item| words(item, depth + 1)),
        Value::Object(fields) if depth < MAX_DEPTH => {
            PLACES.iter().filter_map(|place| fields.get(*place)).find_map(|value| words(value, depth + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_in_the_usual_shapes() {
        for (body, said) in [
            (r#"{"error":{"message":"no such model","code":"model_not_found"}}"#, "no such model"),
            (r#"{"error":"no such model"}"#, "no such model"),
            (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, "field required"),
            (r#"{"detail":"not found"}"#, "not found"),
            (r#"[{"error":{"message":"deep"}}]"#, "deep"),
            ("plain words", "plain words"),
        ] {
            assert_eq!(words_of(body.as_bytes()).as_deref(), Some(said), "{body}");
        }
    }

    #[test]
    fn a_page_or_an_empty_body_tells_nothing() {
        for body in
            ["", "  ", "<!DOCTYPE html><p>404", "<html></html>", r#"{"ok":true}"#, "[[[[[[\"x\"]]]]]]"]
        {
            assert_eq!(words_of(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_used_up_quota_is_told_from_a_rate_limit() {
        assert!(is_quota(br#"{"error":{"code":"insufficient_quota"}}"#));
        assert!(!is_quota(br#"{"error":{"code":"rate_limit_exceeded"}}"#));
    }
}
