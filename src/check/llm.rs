//! Does the model answer? One call as small as a call can be, made as a turn makes it, with the same limits but a
//! single attempt, and without a trace: it belongs to no turn.

use std::sync::Arc;
use std::time::Duration;

use conversation::{Failure, Message, Role, Text, TurnOutcome};
use outbound::web;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::models::{Catalogue, Subject};
use super::{Finding, Verdict};
use crate::config::{CaptureContent, Config, Llm, LlmProvider};
use crate::llm::{self, Answer, Answerer, Question};
use crate::metrics::Metrics;
use crate::telemetry::spans::{Conversation, Tracer, TurnStart};

const SAID: &str = "Answer with the one word: ready";
/// Some providers refuse smaller values.
const MAX_TOKENS: u32 = 16;
const LONGEST: Duration = Duration::from_secs(25);
/// This ends before the whole check, so that the message can say that a model may be loading.
const LONGEST_COLD: Duration = Duration::from_secs(24);
/// The class of a reply without words, which is how a reasoning model runs out of [`MAX_TOKENS`].
const EMPTY_REPLY: &str = "empty_reply";

pub(super) async fn check(config: Arc<Config>) -> Finding {
    if let Err(error) = config.require_llm() {
        return error.into();
    }
    let finding = match llm::answerer(&tiny(&config), &Metrics::default()) {
        Ok(answerer) => judged(answerer.as_ref(), &config.llm).await,
        Err(error) => Finding::new(Verdict::Misconfigured, error.to_string()),
    };
    finding.with("model", config.llm.model.as_str()).with("base_url", web::shown(&config.llm.base_url))
}

async fn judged(answerer: &dyn Answerer, config: &Llm) -> Finding {
    let subject = Subject {
        base_url: &config.base_url,
        // The key is not for LiveKit, where that answers.
        api_key: config.api_key.as_ref().filter(|_| config.provider == LlmProvider::Openai),
        model: &config.model,
        setting: "[llm] model",
        purpose: "chat",
        past_its_end: Verdict::Failed,
    };
    let call = async {
        let answer = ask(answerer).await;
        let class = answer.outcome.failure().map(|failure| failure.class.clone());
        (judge(&answer, config), class)
    };
    Catalogue::of(subject).weigh(call).await
}

fn tiny(config: &Config) -> Config {
    let llm = &config.llm;
    let llm = Llm {
        max_tokens: Some(llm.max_tokens.unwrap_or(MAX_TOKENS).min(MAX_TOKENS)),
        max_attempts: 1,
        cold_first_token_timeout: llm.cold_first_token_timeout.min(LONGEST_COLD),
        total_timeout: llm.total_timeout.min(LONGEST),
        ..llm.clone()
    };
    Config { llm, ..config.clone() }
}

async fn ask(answerer: &dyn Answerer) -> Answer {
    let said = Text::from(SAID);
    let conversation = Conversation { id: "check".to_owned(), user: "check".to_owned() };
    // The words are ours, so everything that the provider says about them may be shown.
    let tracer = Tracer::silent(CaptureContent::Full.into());
    let recorded = tracer.privacy().record(&said).await;
    let turn = tracer
        .turn(&conversation, TurnStart { index: 0, question: &recorded, traceparent: None, began: None });
    let messages = [Message::new(Role::User, said.clone())];
    let question =
        Question { messages: messages.into(), context: turn.context(), cancel: CancellationToken::new() };
    let (sender, mut deltas) = mpsc::channel(16);
    let answering = answerer.answer(question, sender);
    tokio::join!(answering, async { while deltas.recv().await.is_some() {} }).0
}

fn judge(answer: &Answer, config: &Llm) -> Finding {
    let (model, url) = (&config.model, web::shown(&config.base_url));
    match &answer.outcome {
        TurnOutcome::Failed(Failure { class, .. }) if class == EMPTY_REPLY => Finding::new(
            Verdict::Warned,
            format!(
                "{model} at {url} took the call, but said nothing within {MAX_TOKENS} tokens; one that thinks first does \
                 that, of another it is odd: try `voiced ask hello`"
            ),
        ),
        TurnOutcome::Failed(Failure { class, message })
        | TurnOutcome::Aborted(Failure { class, message }) => {
            Finding::failed(message.as_str()).with("error", class.as_str())
        }
        TurnOutcome::Interrupted | TurnOutcome::Answered => good(answer, model, &url),
    }
}

fn good(answer: &Answer, model: &str, url: &str) -> Finding {
    let first = answer.time_to_first_token.unwrap_or_default();
    let usage = answer.usage;
    let estimated = if usage.estimated { ", by our estimate" } else { "" };
    let message = format!(
        "{model} at {url} answers, the first word after {} ms; {} tokens in, {} out{estimated}",
        first.as_millis(),
        usage.input,
        usage.output
    );
    Finding::good(message)
        .with("time_to_first_token_s", first.as_secs_f64())
        .with("input_tokens", usage.input)
        .with("output_tokens", usage.output)
}
