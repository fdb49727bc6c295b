//! `voiced sessions`: the sessions and turns of the local record.

mod show;
mod table;

use std::io::Write;
use std::process::ExitCode;

use turn_store::{Filter, Reader, When, Window, json};

use crate::config::{Config, parse_duration};
use crate::output;
use crate::terminal;

use super::{SessionsArgs, SessionsCommand};

pub(super) fn run(config: &Config, args: SessionsArgs) -> anyhow::Result<ExitCode> {
    let reader = Reader::of(&config.store.settings())?;
    output::with_stdout(|out| match &args.command {
        Some(SessionsCommand::Show(show)) => {
            let trace_url = config.http.trace_url.as_ref();
            show::Show { reader: &reader, trace_url, id: &show.id }.write(show.json, out)
        }
        None => list(&reader, &args, out),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn list(reader: &Reader, args: &SessionsArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = reader.sessions(&filter(args)?, None, args.limit)?;
    if args.json {
        writeln!(out, "{}", terminal::json(&format!("{:#}", json::found(&found))))?;
    } else {
        table::write(&found, out)?;
    }
    Ok(())
}

fn filter(args: &SessionsArgs) -> anyhow::Result<Filter> {
    let since = When::parse(&args.since, When::now(), parse_duration)
        .map_err(|why| anyhow::anyhow!("--since: {why}"))?;
    let window = Window { since_us: since.map(|since| since.0), until_us: None };
    Ok(Filter { window, room: args.room.clone(), status: args.status })
}
