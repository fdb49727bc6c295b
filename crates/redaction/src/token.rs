//! Keys, tokens and passwords, by the shapes that their issuers give them, and by the word before them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Match, Regex};

/// A shape. Its first group is the secret, else all of it is.
struct Shape {
    regex: Regex,
    /// Whether a find is a secret; words and names may have the same shape.
    check: fn(&str) -> bool,
}

/// Compiled at the first use. No shape begins with a repetition without end, so a search stays linear.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    vec![
        // Keys with a prefix: OpenAI and its like, Stripe, GitHub, GitLab, Slack, Google, Hugging Face, AWS.
        shape(r"(?-u:\b)(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}", has_digit),
        shape(r"(?-u:\b)(?:gh[pousr]_|github_pat_|glpat-|hf_)[A-Za-z0-9_-]{16,}", any),
        shape(r"(?-u:\b)xox[a-z]-[A-Za-z0-9-]{10,}", any),
        shape(r"(?-u:\b)AIza[A-Za-z0-9_-]{30,}", any),
        shape(r"(?-u:\b)A(?:KIA|SIA|GPA|IDA|ROA)[A-Z0-9]{16}(?-u:\b)", any),
        // JSON Web Tokens begin with `{"`.
        shape(r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", any),
        shape(r"(?i)(?-u:\b)(?:bearer|basic)[ ]{1,4}([A-Za-z0-9._~+/=-]{8,})", is_credential),
        shape(
            r#"(?i)(?-u:\b)(?:api[_ -]?key|secret|token|password|passwd|passwort|pwd)["']? ?[:=] ?["']?([^\s"',;]{6,})"#,
            any,
        ),
        shape(r"://[^\s/:@]{0,64}:([^\s/@]{1,128})@", any),
        shape(
            r"(?s)-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|\z)",
            any,
        ),
        // Secrets without a prefix: longer than a trace id in hexadecimal, or mixed as only base64 is.
        shape(r"(?-u:\b)[0-9a-fA-F]{40,}(?-u:\b)", is_mixed_hex),
        shape(r"(?-u:\b)[A-Za-z0-9+_-]{32,}={0,2}", is_mixed),
    ]
});

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    SHAPES.iter().flat_map(|shape| shape.find(text)).collect()
}

/// Compiles the shapes, so that no turn waits for that.
pub(super) fn prepare() {
    LazyLock::force(&SHAPES);
}

// === impl Shape ===

fn shape(text: &str, check: fn(&str) -> bool) -> Shape {
    Shape { regex: Regex::new(text).expect("tests compile every shape"), check }
}

impl Shape {
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let secrets = self.regex.captures_iter(text).filter_map(|found| secret(&found));
        secrets.filter(|secret| (self.check)(secret.as_str())).map(|secret| secret.range()).collect()
    }
}

fn secret<'t>(found: &Captures<'t>) -> Option<Match<'t>> {
    found.get(1).or_else(|| found.get(0))
}

fn any(_: &str) -> bool {
    true
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// "Basic understanding" is no credential.
fn is_credential(text: &str) -> bool {
    has_digit(text) || text.len() >= 20 || text.ends_with('=')
}

/// A long number in decimal is something else.
fn is_mixed_hex(text: &str) -> bool {
    has_digit(text) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Several of each kind of character: no word, UUID or name of a file has them.
fn is_mixed(text: &str) -> bool {
    let count = |kind: fn(&u8) -> bool| text.as_bytes().iter().filter(|byte| kind(byte)).count();
    let kinds = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase];
    kinds.into_iter().all(|kind| count(kind) >= 3)
}
