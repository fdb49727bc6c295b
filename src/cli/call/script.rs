//! Says what it was given, one text after the other, and prints each reply with its times.

use std::io::Write;
use std::process::ExitCode;

use crate::caller::Caller;

use super::{Line, millis};

pub(super) async fn run(line: Line, texts: Vec<String>) -> anyhow::Result<ExitCode> {
    let mut caller = line.dial().await?;
    println!("joined {} as {}; {} is listening", line.room, line.identity, caller.agent());
    if let Some(greeting) = line.greeting(&mut caller).await {
        println!("\n{}", greeting.expose());
    }
    let said = say_all(&mut caller, &line, &texts).await;
    caller.leave().await;
    said.map(|()| ExitCode::SUCCESS)
}

async fn say_all(caller: &mut Caller, line: &Line, texts: &[String]) -> anyhow::Result<()> {
    for text in texts {
        println!("\n> {text}");
        let reply = caller.say(text, line.timeout, print).await?;
        println!("\n  (first word {}, whole reply {})", millis(reply.first_word), millis(reply.total));
    }
    Ok(())
}

pub(super) fn print(words: &str) {
    print!("{words}");
    // Words must be seen as they come; a closed stdout is noticed by the next println.
    let _ = std::io::stdout().flush();
}
