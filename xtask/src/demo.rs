//! `cargo xtask demo`: a server, a worker, a caller and their traces on one screen.

mod programs;
mod stage;
mod turns;

use std::time::Duration;

use anyhow::{Result, bail};
use testbed::Span;

use crate::interrupt::Interrupt;
use crate::terminal::{Style, Terminal};
use crate::waterfall;
use programs::Programs;
use stage::Stage;
use turns::Turn;

/// The caller's default questions.
const QUESTIONS: [&str; 3] = [
    "Hello! Who am I talking to?",
    "What is distributed tracing, in one sentence?",
    "Thank you. And what did I ask you first?",
];
/// A turn's trace is exported within seconds of its end.
const TRACE_PATIENCE: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the caller says, one turn each; may be given several times.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Leaves everything running until Ctrl-C, and prints the addresses.
    #[arg(long)]
    keep: bool,
}

impl Options {
    fn questions(&self) -> Vec<&str> {
        if self.say.is_empty() { QUESTIONS.to_vec() } else { self.say.iter().map(String::as_str).collect() }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let terminal = Terminal::detect();
    let programs = Programs::prepare(&terminal)?;
    let interrupt = Interrupt::register()?;
    let mut stage = Stage::set(&terminal, &interrupt, &programs)?;
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
    println!("  cargo xtask demo --say TEXT   ask your own question");
    println!("  OPENAI_API_KEY=… cargo xtask demo      let a real model answer");
    println!("  cargo xtask test              run every test against these same servers");
    Ok(())
}

fn perform(terminal: &Terminal, interrupt: &Interrupt, stage: &mut Stage, options: &Options) -> Result<()> {
    let questions = options.questions();
    stage.call(terminal, interrupt, &questions)?;
    show_turns(terminal, interrupt, stage, &questions)?;
    if options.keep {
        stage.print_addresses(terminal);
        interrupt.wait();
    }
    stage.drain(terminal)
}

/// Waits until the collector has a complete trace for every question, and draws them.
fn show_turns(terminal: &Terminal, interrupt: &Interrupt, stage: &Stage, questions: &[&str]) -> Result<()> {
    let complete = || {
        let traces = turns::complete(&stage.collector().spans()?);
        Ok((traces.len() >= questions.len()).then_some(traces))
    };
    let Some(traces) = interrupt.wait_for(TRACE_PATIENCE, complete)? else {
        let spans = stage.collector().spans()?;
        bail!(turns::what_is_missing(&spans, questions.len(), TRACE_PATIENCE));
    };
    terminal.heading("What the collector received");
    println!(
        "{}",
        terminal.paint(
            Style::Faint,
            "  one trace a turn, as posted to it over OTLP; ░ waiting for the first token, █ work"
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
