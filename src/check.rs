//! The questions of `voiced check`: whether each neighbour of a worker is there and accepts the configuration for it.
//!
//! Every question is asked the way the worker itself asks it: the socket is the worker's, the call is that of a turn,
//! and the span leaves by the exporter. The questions are asked side by side and for a limited time, so one that hangs
//! delays no other answer.

mod clock;
mod disk;
mod listen;
mod livekit;
mod llm;
mod models;
mod otlp;
mod record;
mod recovery;
mod signals;
mod speech;
mod spool;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Secrets;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigError, Loaded};
use crate::terminal;

/// The longest that any question may take. Those with limits of their own in the configuration usually end before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every question, in the order in which a worker meets its neighbours.
const QUESTIONS: &[(&str, Ask)] = &[
    ("livekit", |config| Box::pin(livekit::check(config))),
    ("clock", |config| Box::pin(clock::check(config))),
    ("llm", |config| Box::pin(llm::check(config))),
    ("stt", |config| Box::pin(speech::stt(config))),
    ("tts", |config| Box::pin(speech::tts(config))),
    ("otlp", |config| Box::pin(otlp::check(config))),
    ("metrics", |config| Box::pin(signals::metrics(config))),
    ("logs", |config| Box::pin(signals::logs(config))),
    ("spool", |config| Box::pin(spool::check(config))),
    ("record", |config| Box::pin(record::check(config))),
    ("recovery", |config| Box::pin(recovery::check(config))),
    ("http", |config| Box::pin(listen::check(config))),
];

type Ask = fn(Arc<Config>) -> BoxFuture<'static, Finding>;

/// The outcome of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// It works, and the operator should still know.
    Warned,
    Failed,
    /// The configuration lacks what this neighbour needs.
    Misconfigured,
    /// There is no neighbour to ask, or no way to ask it.
    Skipped,
}

/// A verdict and its explanation.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// The event and its place; of a bad one also the remedy.
    pub(crate) message: String,
    /// The same for scripts.
    pub(crate) details: Map<String, Value>,
}

/// A question under way.
pub(crate) struct Asked {
    name: &'static str,
    secrets: Secrets,
    task: JoinHandle<(Finding, Duration)>,
}

/// One line of the outcome.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) finding: Finding,
}

/// The configuration was read already, in this time; only its warnings are left to be reported.
pub(crate) fn configuration(loaded: &Loaded, took: Duration) -> Checked {
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    let place =
        file.clone().unwrap_or_else(|| "no agent.toml was found; defaults and environment".to_owned());
    let finding = match loaded.warnings.as_slice() {
        [] => Finding::good(place),
        warnings => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            Finding::new(Verdict::Warned, format!("{place}: {}", warnings.join("; ")))
        }
    };
    Checked { name: "config", took, finding: finding.with("file", file) }
}

/// Begins to ask all questions at once.
pub(crate) fn ask(config: &Arc<Config>) -> Vec<Asked> {
    let secrets = config.secrets();
    let begin = |&(name, ask): &(&'static str, Ask)| {
        let answer = ask(config.clone());
        Asked { name, secrets: secrets.clone(), task: tokio::spawn(timed(answer, PATIENCE)) }
    };
    QUESTIONS.iter().map(begin).collect()
}

async fn timed(answer: BoxFuture<'static, Finding>, patience: Duration) -> (Finding, Duration) {
    let started = Instant::now();
    let finding = tokio::time::timeout(patience, answer).await;
    let late = |_| Finding::failed(format!("no answer within {patience:?}: is something between us and it?"));
    (finding.unwrap_or_else(late), started.elapsed())
}

// === impl Asked ===

impl Asked {
    pub(crate) async fn checked(self) -> Checked {
        let broken = |_| (Finding::failed("the check itself panicked: see the log"), Duration::ZERO);
        let (mut finding, took) = self.task.await.unwrap_or_else(broken);
        // A server's words may repeat our request, and an address may hold a key in its path.
        finding.message = self.secrets.taken_out(&one_line(&finding.message)).into_owned();
        finding.details.values_mut().for_each(|detail| clear(detail, &self.secrets));
        Checked { name: self.name, took, finding }
    }
}

fn clear(detail: &mut Value, secrets: &Secrets) {
    match detail {
        Value::String(text) => *text = secrets.taken_out(text).into_owned(),
        Value::Array(details) => details.iter_mut().for_each(|detail| clear(detail, secrets)),
        _ => {}
    }
}

// === impl Finding ===

impl Finding {
    fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), details: Map::new() }
    }

    fn good(message: impl Into<String>) -> Self {
        Self::new(Verdict::Good, message)
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, message)
    }

    fn skipped(message: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, message)
    }

    /// Adds one more statement.
    fn and(mut self, more: impl AsRef<str>) -> Self {
        self.message = format!("{}; {}", self.message, more.as_ref());
        self
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }
}

impl From<ConfigError> for Finding {
    fn from(error: ConfigError) -> Self {
        Self::new(Verdict::Misconfigured, error.to_string())
    }
}

/// The lines of an error message behind one another, without their marks.
fn one_line(text: &str) -> String {
    let bare = |line: &'_ str| {
        let line = line.trim();
        let line = line.strip_prefix("error: ").or_else(|| line.strip_prefix("= ")).unwrap_or(line);
        terminal::line(line, usize::MAX)
    };
    text.lines().map(bare).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_many_lines_becomes_one_line() {
        let text = "error: `a.b` is not set\n  = environment: A_B\n\n  --> agent.toml:3\u{7}";
        assert_eq!(one_line(text), "`a.b` is not set; environment: A_B; --> agent.toml:3\u{fffd}");
    }

    #[tokio::test]
    async fn a_question_without_an_answer_ends() {
        let (finding, _) = timed(Box::pin(std::future::pending()), Duration::from_millis(1)).await;
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.message.contains("within 1ms"), "{}", finding.message);
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_question_and_no_secret_is_repeated() {
        let secrets: Secrets = [conversation::Secret::new("hunter2hunter2")].into_iter().collect();
        let asked = |answer| Asked {
            name: "x",
            secrets: secrets.clone(),
            task: tokio::spawn(timed(answer, PATIENCE)),
        };
        let broken = asked(Box::pin(async { panic!("a slip") })).checked().await;
        assert_eq!(broken.finding.verdict, Verdict::Failed);
        let bad = async { Finding::failed("bad key hunter2hunter2").with("url", "http://x/hunter2hunter2") };
        let text = asked(Box::pin(bad)).checked().await.finding;
        assert_eq!(
            (text.message.as_str(), &text.details["url"]),
            ("bad key [secret]", &"http://x/[secret]".into())
        );
    }
}
