//! `voiced sessions`: what the local record says of sessions and their turns.

mod show;
mod table;
mod text;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::config::Config;
use crate::record::{Filter, ReadError, Reader, When, Window, json};

use super::{SessionsArgs, SessionsCommand};

pub(super) fn run(config: &Config, args: SessionsArgs) -> anyhow::Result<ExitCode> {
    let reader = Reader::new(config.store.path.as_deref().ok_or(ReadError::Off)?);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = match args.command {
        Some(SessionsCommand::Show(show)) => {
            let trace_url = config.http.trace_url.as_ref();
            show::Show { reader: &reader, trace_url, id: &show.id }.write(show.json, &mut out)
        }
        None => list(&reader, &args, &mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        // `voiced sessions | head` has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

fn list(reader: &Reader, args: &SessionsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let found = reader.sessions(&filter(args)?, None, args.limit)?;
    if args.json {
        writeln!(out, "{:#}", json::found(&found))?;
    } else {
        table::write(&found, out)?;
    }
    Ok(())
}

fn filter(args: &SessionsArgs) -> anyhow::Result<Filter> {
    let since = When::parse(&args.since, When::now()).map_err(|why| anyhow::anyhow!("--since: {why}"))?;
    let window = Window { since_us: since.map(|since| since.0), until_us: None };
    Ok(Filter { window, room: args.room.clone(), status: args.status })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
