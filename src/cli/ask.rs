//! `voiced ask`: one traced call to the model, without a LiveKit server.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use conversation::{Message, Role, Text, TurnOutcome, Usage};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::llm::{self, Answer, Answerer, Question};
use crate::output::{self, StdoutError};
use crate::telemetry::Telemetry;
use crate::telemetry::signals::{LogQueue, Signals};
use crate::telemetry::spans::{Conversation, SpokenFigures, Tracer, TurnEnd, TurnStart};
use crate::terminal;

use super::AskArgs;

const DELTAS: usize = 64;

/// One question and its outcome.
struct Asked {
    answer: Answer,
    trace_id: String,
    span_id: String,
    total: Duration,
    /// Whether stdout took the words.
    printed: Result<(), StdoutError>,
}

pub(super) async fn run(config: Config, args: AskArgs, logs: Option<LogQueue>) -> anyhow::Result<ExitCode> {
    config.require_llm()?;
    let question = question(args.text, config.agent.max_turn_bytes).await?;
    let instance_id = super::random_identity("ask");
    let telemetry = Telemetry::start(&config.telemetry.settings(), &config.worker.agent_name, &instance_id)?;
    let signals = Signals::start(&config.telemetry.settings(), &instance_id, logs)?;
    let answerer = llm::answerer(&config, signals.metrics())?;
    let asked = ask(&config, answerer.as_ref(), &telemetry.tracer(), question, !args.json).await;
    let reported = report(asked, args.json);
    super::flush(telemetry, signals).await;
    reported
}

async fn question(text: Option<String>, max_bytes: usize) -> anyhow::Result<Text> {
    let text = match text {
        Some(text) if text != "-" => text,
        None if std::io::stdin().is_terminal() => {
            bail!("nothing was asked; give the question as an argument or on stdin")
        }
        _ => read_stdin(max_bytes).await?,
    };
    if text.len() > max_bytes {
        bail!("the question has {} bytes; agent.max_turn_bytes allows {max_bytes}", text.len());
    }
    match text.trim() {
        "" => bail!("the question is empty"),
        text => Ok(text.into()),
    }
}

async fn read_stdin(max_bytes: usize) -> anyhow::Result<String> {
    let mut text = Vec::new();
    // One byte more than allowed is enough to know that it is too long.
    tokio::io::stdin().take(max_bytes as u64 + 1).read_to_end(&mut text).await.context("reading stdin")?;
    String::from_utf8(text).context("the question on stdin is not UTF-8")
}

async fn ask(
    config: &Config,
    answerer: &dyn Answerer,
    tracer: &Tracer,
    question: Text,
    print: bool,
) -> Asked {
    let started = Instant::now();
    // There is no room; the call has a session of its own.
    let conversation = Conversation { id: super::random_identity("ask"), user: "cli".to_owned() };
    let recorded = tracer.privacy().record(&question).await;
    let turn = tracer
        .turn(&conversation, TurnStart { index: 0, question: &recorded, traceparent: None, began: None });
    let (trace_id, span_id) = (turn.trace_id(), turn.span_id());
    let (sender, mut deltas) = mpsc::channel(DELTAS);
    let cancel = CancellationToken::new();
    let answering = answerer.answer(
        Question { messages: messages(config, &question), context: turn.context(), cancel: cancel.clone() },
        sender,
    );
    let printing = async {
        let (mut first, mut printed) = (None, Ok(()));
        while let Some(text) = deltas.recv().await {
            first.get_or_insert_with(|| started.elapsed());
            if print && printed.is_ok() {
                printed = output::print(&terminal::text(text.expose()));
                if printed.is_err() {
                    // No reader would see the rest of the words.
                    cancel.cancel();
                }
            }
        }
        (first, printed)
    };
    let interrupted = async {
        // Ctrl-C ends the call, not the process: the trace must still be exported.
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
        std::future::pending::<()>().await
    };
    let (answer, (first, printed)) = tokio::select! {
        done = async { tokio::join!(answering, printing) } => done,
        () = interrupted => unreachable!("pending for ever"),
    };
    let total = started.elapsed();
    turn.end(TurnEnd {
        outcome: answer.outcome.clone(),
        answer: &tracer.privacy().record(&answer.text).await,
        usage: answer.usage,
        discarded: Usage::default(),
        e2e_latency: first,
        spoken: SpokenFigures::default(),
    });
    Asked { answer, trace_id, span_id, total, printed }
}

fn messages(config: &Config, question: &Text) -> Arc<[Message]> {
    let instructions = config.agent.instructions.trim();
    let system = (!instructions.is_empty()).then(|| Message::new(Role::System, instructions));
    system.into_iter().chain([Message::new(Role::User, question.clone())]).collect()
}

/// The exit code is that of the answer; words that stdout did not take are an error, unless its reader has gone.
fn report(asked: Asked, as_json: bool) -> anyhow::Result<ExitCode> {
    let code = log(&asked);
    let rest = match as_json {
        true => terminal::json(&to_json(&asked).to_string()).into_owned() + "\n",
        false if asked.answer.text.is_empty() => String::new(),
        false => "\n".to_owned(),
    };
    match asked.printed {
        // The question was interrupted because the reader of stdout is gone.
        Err(error) if error.is_closed() && asked.answer.outcome == TurnOutcome::Interrupted => {
            return Ok(ExitCode::SUCCESS);
        }
        printed => or_closed(printed)?,
    }
    or_closed(output::print(&rest))?;
    Ok(code)
}

/// A reader that has gone, as in `voiced ask … | head`, is no failure.
fn or_closed(printed: Result<(), StdoutError>) -> Result<(), StdoutError> {
    printed.or_else(|error| if error.is_closed() { Ok(()) } else { Err(error) })
}

fn log(asked: &Asked) -> ExitCode {
    let Asked { answer, trace_id, span_id, total, .. } = asked;
    match &answer.outcome {
        TurnOutcome::Failed(failure) | TurnOutcome::Aborted(failure) => {
            let (class, attempts) = (&failure.class, answer.attempts.len());
            tracing::error!(trace_id, span_id, class, attempts, "{}", failure.message);
            return ExitCode::FAILURE;
        }
        TurnOutcome::Interrupted => return ExitCode::FAILURE,
        TurnOutcome::Answered => {}
    }
    let first_word_ms = answer.time_to_first_token.map(|first| first.as_millis());
    let total_ms = total.as_millis();
    let Usage { input, output, .. } = answer.usage;
    let finish_reason = answer.finish_reason.as_deref().filter(|reason| *reason != "stop");
    let skipped =
        (!answer.skipped.is_empty()).then(|| answer.skipped.iter().copied().collect::<Vec<_>>().join(", "));
    tracing::info!(
        trace_id,
        span_id,
        first_word_ms,
        total_ms,
        input,
        output,
        finish_reason,
        skipped,
        "answered"
    );
    ExitCode::SUCCESS
}

fn to_json(asked: &Asked) -> serde_json::Value {
    let Asked { answer, trace_id, total, .. } = asked;
    let (status, error) = match &answer.outcome {
        TurnOutcome::Answered => ("ok", None),
        TurnOutcome::Interrupted => ("interrupted", None),
        TurnOutcome::Failed(failure) | TurnOutcome::Aborted(failure) => {
            ("error", Some(json!({ "type": failure.class, "message": failure.message })))
        }
    };
    json!({
        "status": status,
        "error": error,
        "answer": answer.text.expose(),
        "input_tokens": answer.usage.input,
        "output_tokens": answer.usage.output,
        "usage_estimated": answer.usage.estimated,
        "finish_reason": answer.finish_reason,
        "attempts": answer.attempts.len(),
        "time_to_first_token_s": answer.time_to_first_token.map(|first| first.as_secs_f64()),
        "total_s": total.as_secs_f64(),
        "trace_id": trace_id,
    })
}
