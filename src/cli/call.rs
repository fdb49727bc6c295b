//! `voiced call`: the caller's side, as a script, a text chat or a load generator.

mod chat;
mod load;
mod script;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use conversation::Text;
use tokio::sync::oneshot;

use crate::caller::{CallError, Caller, Reply};
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
    if !args.wav.is_empty() {
        bail!("--wav is not available in this version: the worker does not hear speech yet; use --say");
    }
    let line = Line {
        credentials: config.livekit_credentials()?,
        room: args.room,
        identity: args.identity.unwrap_or_else(|| super::random_identity("caller")),
        agent_name: Some(config.worker.agent_name).filter(|name| !name.is_empty()),
        timeout: args.timeout,
        expects_greeting: !config.agent.greeting.is_empty(),
    };
    if args.rooms > 1 {
        return load::run(line, args.rooms, args.turns.unwrap_or(1), args.say).await;
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
        let dispatch = self.agent_name.as_deref();
        let token = token::caller(&self.credentials, &self.room, &self.identity, dispatch)?;
        let options =
            JoinOptions { url: self.credentials.url.clone(), token, max_text_bytes: MAX_REPLY_BYTES };
        Caller::join(options, self.timeout).await.map_err(|error| self.explain(error))
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

fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
