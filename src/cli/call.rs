//! `voiced call`: the caller's side, as a script, a text chat or a load generator.

mod chat;
mod load;
mod script;
mod voice;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use conversation::Text;
use tokio::sync::oneshot;

use crate::caller::{CallError, Caller, Recording, Reply, SpokenCaller};
use crate::config::{Config, Credentials};
use crate::output::{self, StdoutError};
use crate::room::{JoinOptions, token};
use crate::terminal;

use super::CallArgs;

/// Replies may be far longer than what people write.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// How long an expected greeting is waited for.
const GREETING_PATIENCE: Duration = Duration::from_secs(2);

/// The place of the call, and the caller's patience.
#[derive(Clone)]
struct Line {
    credentials: Credentials,
    room: String,
    identity: String,
    /// None: the server dispatches to every new room by itself.
    agent_name: Option<String>,
    timeout: Duration,
    /// The agent is configured to speak first; those words are no reply to the caller.
    expects_greeting: bool,
}

pub(super) async fn run(config: Config, args: CallArgs) -> anyhow::Result<ExitCode> {
    // A file that cannot be played is told before a room is joined.
    let voices = voice::read(&args.wav)?;
    let line = Line {
        credentials: config.livekit_credentials()?,
        room: args.room,
        identity: args.identity.unwrap_or_else(|| super::random_identity("caller")),
        agent_name: Some(config.worker.agent_name).filter(|name| !name.is_empty()),
        timeout: args.timeout,
        expects_greeting: !config.agent.greeting.is_empty(),
    };
    if !voices.is_empty() {
        let voices = voice::round(voices, args.turns);
        return match args.rooms {
            1 => voice::run(line, voices, args.record).await,
            rooms => load::speak(line, rooms, voices, args.record).await,
        };
    }
    if args.rooms > 1 {
        return load::write(line, args.rooms, load::texts(args.say, Some(args.turns.unwrap_or(1)))).await;
    }
    if args.say.is_empty() && args.turns.is_none() {
        if !std::io::stdin().is_terminal() {
            bail!("there is nothing to say; use --say TEXT, or run this in a terminal to chat");
        }
        return chat::run(line).await;
    }
    script::run(line, load::texts(args.say, args.turns)).await
}

/// Says `text` and prints the words of the reply as they come. Ends at once when stdout takes no more of them.
async fn say(caller: &mut Caller, line: &Line, text: &str) -> Result<Result<Reply, CallError>, StdoutError> {
    let (fail, failed) = oneshot::channel();
    let mut fail = Some(fail);
    let print = |words: &str| {
        if fail.is_some()
            && let Err(error) = output::print(&terminal::text(words))
            && let Some(fail) = fail.take()
        {
            let _ = fail.send(error);
        }
    };
    tokio::select! {
        biased;
        Ok(error) = failed => Err(error),
        said = caller.say(text, line.timeout, print) => Ok(said),
    }
}

// === impl Line ===

impl Line {
    async fn dial(&self) -> anyhow::Result<Caller> {
        Caller::join(self.options()?, self.timeout).await.map_err(|error| self.explain(error))
    }

    /// The same with a microphone.
    async fn dial_spoken(&self, recording: Option<Recording>) -> anyhow::Result<SpokenCaller> {
        let joined = SpokenCaller::join(self.options()?, self.timeout, recording).await;
        joined.map_err(|error| self.explain(error))
    }

    fn options(&self) -> anyhow::Result<JoinOptions> {
        let dispatch = self.agent_name.as_deref();
        let token = token::caller(&self.credentials, &self.room, &self.identity, dispatch)?;
        Ok(JoinOptions { url: self.credentials.url.clone(), token, max_text_bytes: MAX_REPLY_BYTES })
    }

    /// The agent's greeting, if it is configured to give one.
    async fn greeting(&self, caller: &mut Caller) -> Option<Text> {
        if self.expects_greeting { caller.greeting(GREETING_PATIENCE).await } else { None }
    }

    /// The same call in another room.
    fn in_room(&self, number: u32) -> Self {
        Self {
            room: format!("{}-{number}", self.room),
            identity: format!("{}-{number}", self.identity),
            ..self.clone()
        }
    }

    fn explain(&self, error: CallError) -> anyhow::Error {
        let context = match (&error, &self.agent_name) {
            (CallError::NoAgent { .. }, Some(name)) => format!(
                "the dispatch asked for agent_name {name:?}, which only works for a new room; start a worker with that name, or choose another room"
            ),
            (CallError::NoAgent { .. }, None) => {
                "worker.agent_name is empty here, so the call relies on automatic dispatch; start a worker that has none either".to_owned()
            }
            _ => return error.into(),
        };
        anyhow::Error::from(error).context(context)
    }
}

/// The file of one of several rooms: its number stands before the ending.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{number}{ending}"))
}

fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_has_a_file_of_its_own() {
        assert_eq!(numbered(Path::new("calls/a.b.wav"), 3), Path::new("calls/a.b-3.wav"));
        assert_eq!(numbered(Path::new("call"), 12), Path::new("call-12"));
    }
}
