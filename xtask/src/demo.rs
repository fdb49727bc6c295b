//! `cargo xtask demo`: a server, a worker, a caller and their traces on one screen.

mod programs;
mod speech;
mod stage;
mod turns;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::Span;

use crate::interrupt::Interrupt;
use crate::terminal::{Style, Terminal};
use crate::waterfall;
use programs::Programs;
use speech::Speech;
use stage::Stage;
use turns::{Kind, Turn};

/// What a caller who writes says by default.
const WRITTEN: [&str; 3] = [
    "Hello! Who am I talking to?",
    "What is distributed tracing, in one sentence?",
    "Thank you. And what did I ask you first?",
];
/// What one who speaks says: without a pause in its middle, and of words that a small recogniser knows.
const SPOKEN: [&str; 3] = [
    "Good morning, how are you today?",
    "What is distributed tracing in one sentence?",
    "Thank you, and what time is it in London?",
];
/// Where a spoken call is kept, below the target directory.
const RECORDINGS: &str = "demo";
/// A turn's trace is exported within seconds of its end.
const TRACE_PATIENCE: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the caller says, one turn each; may be given several times.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Lets the caller write instead of speak.
    #[arg(long)]
    text: bool,
    /// Leaves everything running until Ctrl-C, and prints the addresses.
    #[arg(long)]
    keep: bool,
}

impl Options {
    fn questions(&self, kind: Kind) -> Vec<&str> {
        let usual = match kind {
            Kind::Written => WRITTEN,
            Kind::Spoken => SPOKEN,
        };
        if self.say.is_empty() { usual.to_vec() } else { self.say.iter().map(String::as_str).collect() }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let terminal = Terminal::detect();
    let programs = Programs::prepare(&terminal)?;
    let interrupt = Interrupt::register()?;
    let speech = if options.text { None } else { Speech::start(&terminal) };
    let mut stage = Stage::set(&terminal, &interrupt, &programs, speech)?;
    if let Err(error) = perform(&terminal, &interrupt, &mut stage, options) {
        interrupt.check()?;
        // The reason comes last, where the user looks for it.
        eprintln!("{}\n", stage.worker_log_tail());
        return Err(error);
    }
    terminal.heading("Next");
    println!(
        "  cargo xtask demo --keep       the same, left running: talk to it yourself with `voiced call`"
    );
    println!("  cargo xtask demo --text       the caller writes, and the agent answers in text");
    println!("  cargo xtask demo --say TEXT   ask your own question");
    println!("  OPENAI_API_KEY=… cargo xtask demo      let a real model answer");
    println!("  cargo xtask test              run every test against these same servers");
    Ok(())
}

fn perform(terminal: &Terminal, interrupt: &Interrupt, stage: &mut Stage, options: &Options) -> Result<()> {
    let questions = options.questions(stage.kind());
    let recording = match stage.kind() {
        Kind::Written => {
            stage.write(terminal, interrupt, &questions)?;
            None
        }
        Kind::Spoken => Some(speak(terminal, interrupt, stage, &questions)?),
    };
    show_turns(terminal, interrupt, stage, &questions)?;
    if let Some(recording) = recording {
        let what = "listen to the call, the caller on the left and the agent on the right:";
        terminal.step(format!("{what} {}", recording.display()));
    }
    if options.keep {
        stage.print_addresses(terminal);
        interrupt.wait();
    }
    stage.drain(terminal)
}

/// Makes recordings of the questions and plays them in a room. Returns the file with both sides.
fn speak(terminal: &Terminal, interrupt: &Interrupt, stage: &Stage, questions: &[&str]) -> Result<PathBuf> {
    let directory = testbed::target_dir().join(RECORDINGS);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let voices = speech::recorded(questions, &directory)?;
    let call = directory.join("call.wav");
    for (number, question) in questions.iter().enumerate() {
        terminal.step(format!("the caller says in caller-{}.wav: {question}", number + 1));
    }
    stage.speak(terminal, interrupt, &voices, &call)?;
    Ok(call)
}

/// Waits until the collector has a complete trace for every question, and draws them.
fn show_turns(terminal: &Terminal, interrupt: &Interrupt, stage: &Stage, questions: &[&str]) -> Result<()> {
    let complete = || {
        let traces = turns::complete(&stage.collector().spans()?, stage.kind());
        Ok((traces.len() >= questions.len()).then_some(traces))
    };
    let Some(traces) = interrupt.wait_for(TRACE_PATIENCE, complete)? else {
        let spans = stage.collector().spans()?;
        bail!(turns::what_is_missing(&spans, stage.kind(), questions.len(), TRACE_PATIENCE));
    };
    terminal.heading("What the collector received");
    println!(
        "{}",
        terminal.paint(
            Style::Faint,
            "  one trace a turn, as posted to it over OTLP; ░ waiting for the first token or sound, █ work"
        )
    );
    for (index, trace) in traces.iter().enumerate() {
        draw_turn(terminal, index + 1, trace);
    }
    println!();
    terminal.step(format!("{} of {} turns have a complete trace", traces.len(), questions.len()));
    Ok(())
}

fn draw_turn(terminal: &Terminal, number: usize, trace: &[Span]) {
    let turn = Turn::of(trace);
    let question = turn.question().unwrap_or("(not recorded)");
    println!(
        "\n  {} {question}  {}",
        terminal.paint(Style::Strong, format!("turn {number}:")),
        terminal.paint(Style::Faint, format!("trace {}", turn.trace_id()))
    );
    print!("{}", waterfall::draw(terminal, trace));
}
