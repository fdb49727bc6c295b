//! The command line: the demo's model.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use scripted_model::{BEHAVIOURS, Script, ScriptedModel};

/// A small OpenAI-compatible server that answers from rules, not from a language model. Its speech is a tone, and its
/// transcripts are those of its script, else "hello".
///
/// It is the model of `cargo xtask demo` when no real one is configured. The first line on stdout is
/// `listening on http://ADDRESS/v1`: the base URL to give to a client.
#[derive(Debug, Parser)]
#[command(version, after_help = BEHAVIOURS)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// What to do with each request, as JSON: {"steps": [{"status": 500}, {"reply": {"text": "Hi"}, "ending": "stall",
    /// "after": 1}], "rules": [{"contains": "bye", "step": {"status": 429}}], "otherwise": {"reply": "echo"},
    /// "transcriptions": {"steps": [{"reply": {"text": "Hi"}}]}, "speeches": {"otherwise": {"form": "wav", "pace": 1}}}.
    #[arg(long, env = "SCRIPTED_MODEL_SCRIPT", value_name = "FILE")]
    script: Option<PathBuf>,

    /// Know only these models and answer 404 for others.
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,

    /// Ask for this key and answer 401 for others.
    #[arg(long, env = "SCRIPTED_MODEL_API_KEY", value_name = "KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Wait before each word, so that streaming can be seen. Milliseconds.
    #[arg(long, default_value_t = 40, value_name = "MS")]
    pause: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scripted-model: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let listen = arguments.listen;
    let script = script(arguments)?;
    let model = ScriptedModel::listen(listen, script)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}. Choose another --listen address."))?;
    println!("listening on {}", model.base_url());
    stopped().await?;
    Ok(())
}

fn script(arguments: Arguments) -> Result<Script, String> {
    let mut script = match &arguments.script {
        None => Script::default(),
        Some(path) => {
            let shown = path.display();
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
            serde_json::from_str(&text).map_err(|error| format!("{shown} is no script: {error}"))?
        }
    };
    if script.otherwise.pause_ms == 0 {
        script.otherwise.pause_ms = arguments.pause;
    }
    script.models.extend(arguments.model);
    script.api_key = arguments.api_key.or(script.api_key);
    Ok(script)
}

/// Returns on Ctrl-C or SIGTERM.
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
