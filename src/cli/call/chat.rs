//! A text chat with the agent, in a terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::caller::{CallError, Caller};
use crate::{output, terminal};

use super::{Line, millis, say};

/// How long a greeting is waited for before the first prompt.
const GREETING_PATIENCE: Duration = Duration::from_millis(700);

pub(super) async fn run(line: Line) -> anyhow::Result<ExitCode> {
    output::line(format!("Calling room {} …", terminal::escaped(&line.room)))?;
    let mut caller = line.dial().await?;
    let ended = tokio::select! {
        ended = converse(&mut caller, &line) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let ended = ended.and_then(|()| Ok(output::line("")?));
    // Leaves also when stdout takes no more words: an agent waits for a caller that vanishes.
    caller.leave().await;
    ended.map(|()| ExitCode::SUCCESS)
}

async fn converse(caller: &mut Caller, line: &Line) -> anyhow::Result<()> {
    let agent = terminal::escaped(caller.agent());
    output::line(format!("{agent} is listening. Ctrl-D or /quit ends the call.\n"))?;
    if let Some(greeting) = caller.greeting(GREETING_PATIENCE).await {
        output::line(format!("{} {}\n", bold("agent"), terminal::text(greeting.expose())))?;
    }
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

async fn prompt(lines: &mut Lines<BufReader<Stdin>>) -> anyhow::Result<Option<String>> {
    output::print(&format!("{}   ", bold("you")))?;
    Ok(lines.next_line().await?)
}

/// One text and its reply. A reply that does not come is reported and the chat goes on.
async fn exchange(caller: &mut Caller, line: &Line, text: &str) -> anyhow::Result<()> {
    output::print(&format!("{} ", bold("agent")))?;
    let printed = match say(caller, line, text).await? {
        Ok(reply) => dim(&format!("first word {}, whole {}", millis(reply.first_word), millis(reply.total))),
        Err(error @ (CallError::NoReply { .. } | CallError::Broken { .. })) => {
            terminal::escaped(&error.to_string()).into_owned()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(output::line(format!("\n      {printed}\n"))?)
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
