//! Says the given texts, one after the other, and prints each reply with its times.

use std::process::ExitCode;

use crate::caller::Caller;
use crate::{output, terminal};

use super::{Line, millis, say};

pub(super) async fn run(line: Line, texts: Vec<String>) -> anyhow::Result<ExitCode> {
    let mut caller = line.dial().await?;
    let said = say_all(&mut caller, &line, &texts).await;
    // Leaves also when stdout takes no more words: an agent waits for a caller that vanishes.
    caller.leave().await;
    said.map(|()| ExitCode::SUCCESS)
}

async fn say_all(caller: &mut Caller, line: &Line, texts: &[String]) -> anyhow::Result<()> {
    let names = [&line.room, &line.identity, caller.agent()].map(terminal::escaped);
    output::line(format!("joined {} as {}; {} is listening", names[0], names[1], names[2]))?;
    if let Some(greeting) = line.greeting(caller).await {
        output::line(format!("\n{}", terminal::text(greeting.expose())))?;
    }
    for text in texts {
        output::line(format!("\n> {}", terminal::text(text)))?;
        let reply = say(caller, line, text).await??;
        let (first, whole) = (millis(reply.first_word), millis(reply.total));
        output::line(format!("\n  (first word {first}, whole reply {whole})"))?;
    }
    Ok(())
}
