//! `voiced replay`: why the turns of a recorded session began, ended and were interrupted.

use std::process::ExitCode;

use anyhow::bail;

use super::ReplayArgs;
use crate::event_log::line::Header;
use crate::output;
use crate::replay::{LogFile, Played, Replay};
use crate::terminal;

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    output::with_stdout(|out| {
        let (header, mut log) = LogFile::open(&args.file)?;
        writeln!(out, "{}", title(&header))?;
        let (mut replay, mut events) = (Replay::new(header), 0_u64);
        while let Some(line) = log.next()? {
            events += 1;
            let Played { notes, difference } = replay.play(&line);
            for note in notes {
                let at = std::time::Duration::from_micros(line.at_us.unsigned_abs()).as_secs_f64();
                writeln!(out, "{at:>9.3}  {}", terminal::escaped(&note))?;
            }
            if let Some(difference) = difference {
                bail!(
                    "line {} of {} has {}, and the same events lead to {} now: another version of voiced recorded it, \
                     or lines are missing",
                    log.number(),
                    args.file.display(),
                    terminal::escaped(&difference.recorded),
                    terminal::escaped(&difference.replayed)
                );
            }
        }
        writeln!(out, "{events} events, replayed to the same actions")?;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn title(header: &Header) -> String {
    let session = terminal::escaped(&header.session).into_owned();
    let voiced = terminal::escaped(&header.voiced).into_owned();
    format!("session {session}, recorded by voiced {voiced}; seconds since it began")
}
