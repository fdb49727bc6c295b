//! The report of a soak, on the terminal and in the repository.

use std::fmt::{self, Display, Write};

use super::Options;
use super::sample::{Outcomes, Sample};
use super::session::Ending;
use super::verdict::Verdict;

/// The report shows at most this many samples of the sequence; the terminal shows all.
const ROWS: usize = 10;
const KIB_IN_MIB: f64 = 1024.0;

/// All samples and results.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// How many sessions ran at the same time.
    pub(crate) peak: u32,
    pub(crate) outcomes: Outcomes,
    pub(crate) verdicts: Vec<Verdict>,
}

/// One sample, and when it was taken.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) when: String,
    pub(crate) sample: Sample,
}

// === impl Report ===

impl Report {
    pub(crate) fn markdown(&self, options: &Options) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text, options);
        text
    }

    fn write(&self, text: &mut String, options: &Options) -> fmt::Result {
        let Options { sequence, lanes, sample_every, turns, at_once, rest, worker, .. } = options;
        let build = if worker.is_some() { "the build that --worker names" } else { "a release build" };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(text, "# Soak\n")?;
        writeln!(
            text,
            "Written by `cargo xtask soak --sequence {sequence} --lanes {lanes} --sample-every {sample_every} --turns {turns} --at-once {at_once} --rest {rest}` \
             on {cores} cores, shared with\nother work: `voiced start` ({build}), a LiveKit server, a collector and a \
             scripted model on loopback; each caller in sequence is a\nprocess of its own.\n"
        )?;
        self.story(text, options)?;
        writeln!(text, "## Verdict\n")?;
        for verdict in &self.verdicts {
            writeln!(text, "- **{}**: {}", if verdict.flat { "flat" } else { "NOT FLAT" }, verdict.line)?;
        }
        writeln!(text, "\n## Samples\n")?;
        writeln!(
            text,
            "Memory in MiB: resident (RSS), and of it what is no file's (heap and stacks). Files include sockets. Some connections to the"
        )?;
        writeln!(text, "model are kept for a next turn; after 90 s without one they are closed.\n")?;
        writeln!(
            text,
            "| sessions | when | running | RSS | anonymous | files | sockets | threads | tasks | CPU s |"
        )?;
        writeln!(text, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let in_sequence = self.rows.iter().filter(|row| row.in_sequence()).count();
        let every = in_sequence.div_ceil(ROWS).max(1);
        // The first row is the sample before the first session.
        let shown = |index: &usize, row: &Row| !row.in_sequence() || index.is_multiple_of(every);
        for (_, row) in self.rows.iter().enumerate().filter(|(index, row)| shown(index, row)) {
            writeln!(text, "{}", row.cells())?;
        }
        Ok(())
    }

    fn story(&self, text: &mut String, options: &Options) -> fmt::Result {
        let count = |ending| (0..options.sequence).filter(|session| Ending::of(*session) == ending).count();
        writeln!(
            text,
            "Of the {} sessions in sequence, {} ended with the caller leaving; {} callers were killed in the middle of a reply and {} at any\n\
             time; {} rooms were deleted in the middle of a reply and {} while the agent joined. Of the {} at the same time a third lost \
             its\ncallers by a kill in the middle of a reply.\n",
            options.sequence,
            count(Ending::Leaves),
            count(Ending::KilledInReply),
            count(Ending::KilledAtAnyTime),
            count(Ending::DeletedInReply),
            count(Ending::CutJoin),
            self.peak
        )?;
        let Outcomes { jobs_succeeded, jobs_failed, answered, interrupted, failed } = self.outcomes;
        writeln!(
            text,
            "The worker counted {jobs_succeeded} jobs that ended well and {jobs_failed} that failed (joins that were cut), {answered} \
             turns answered, {interrupted}\ninterrupted and {failed} failed.\n"
        )
    }
}

// === impl Row ===

impl Row {
    pub(crate) const HEADING: &str =
        "sessions  running   RSS MiB  anon MiB   files  sockets  threads   tasks     CPU s";

    fn in_sequence(&self) -> bool {
        self.when == "in sequence"
    }

    fn cells(&self) -> String {
        let Sample { sessions, running, memory, held, cpu, .. } = self.sample;
        format!(
            "| {sessions} | {} | {running} | {:.1} | {:.1} | {} | {} | {} | {} | {cpu:.1} |",
            self.when,
            memory.resident / KIB_IN_MIB,
            memory.anonymous / KIB_IN_MIB,
            held.files,
            held.sockets,
            held.threads,
            held.tasks
        )
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { sessions, running, memory, held, cpu, .. } = self.sample;
        write!(
            f,
            "{sessions:>8} {running:>8} {:>9.1} {:>9.1} {:>7} {:>8} {:>8} {:>7} {cpu:>9.1}  {}",
            memory.resident / KIB_IN_MIB,
            memory.anonymous / KIB_IN_MIB,
            held.files,
            held.sockets,
            held.threads,
            held.tasks,
            self.when
        )
    }
}
