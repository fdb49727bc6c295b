//! A text chat with the agent, in a terminal.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::caller::{CallError, Caller};

use super::script::print;
use super::{Line, millis};

/// How long a greeting is waited for before the first prompt.
const GREETING_PATIENCE: Duration = Duration::from_millis(700);

pub(super) async fn run(line: Line) -> anyhow::Result<ExitCode> {
    println!("Calling room {} …", line.room);
    let mut caller = line.dial().await?;
    println!("{} is listening. Ctrl-D or /quit ends the call.\n", caller.agent());
    if let Some(greeting) = caller.greeting(GREETING_PATIENCE).await {
        println!("{} {}\n", bold("agent"), greeting.expose());
    }
    let ended = tokio::select! {
        ended = converse(&mut caller, &line) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    println!();
    caller.leave().await;
    ended.map(|()| ExitCode::SUCCESS)
}

async fn converse(caller: &mut Caller, line: &Line) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(text) = prompt(&mut lines).await? {
        match text.trim() {
            "" => continue,
            "/quit" | "/exit" => break,
            text => exchange(caller, line, text).await?,
        }
    }
    Ok(())
}

async fn prompt(lines: &mut Lines<BufReader<Stdin>>) -> std::io::Result<Option<String>> {
    print!("{}   ", bold("you"));
    std::io::stdout().flush()?;
    lines.next_line().await
}

/// One text and its reply. A reply that does not come is told and the chat goes on.
async fn exchange(caller: &mut Caller, line: &Line, text: &str) -> anyhow::Result<()> {
    print!("{} ", bold("agent"));
    std::io::stdout().flush()?;
    match caller.say(text, line.timeout, print).await {
        Ok(reply) => {
            let times = format!("first word {}, whole {}", millis(reply.first_word), millis(reply.total));
            println!("\n      {}\n", dim(&times));
        }
        Err(error @ (CallError::NoReply { .. } | CallError::Broken { .. })) => println!("\n      {error}\n"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn bold(text: &str) -> String {
    styled("1", text)
}

fn dim(text: &str) -> String {
    styled("2", text)
}

/// Styles text for a terminal, unless <https://no-color.org> asks not to.
fn styled(code: &str, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    format!("\x1b[{code}m{text}\x1b[0m")
}
