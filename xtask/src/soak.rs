//! `cargo xtask soak`: thousands of sessions through one worker, and the resources it still holds afterwards.

mod report;
mod sample;
mod session;
mod stage;
mod verdict;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testbed::Process;

use crate::interrupt::Interrupt;
use crate::lanes::side_by_side;
use crate::terminal::{Style, Terminal};
use report::{Report, Row};
use sample::Sample;
use stage::{ASK_FOR_STORY, Programs, Stage};

/// The callers of a peak listen until they are told to leave.
const STORIES: &str = "1000";
/// The number of callers that join a peak together.
const GROUP: u32 = 10;
const GROUP_PATIENCE: Duration = Duration::from_secs(20);
/// How long the peak lasts once all callers have joined.
const PEAK_HOLD: Duration = Duration::from_secs(10);
const PEAK_PATIENCE: Duration = Duration::from_secs(900);
const REST_SAMPLE_EVERY: Duration = Duration::from_secs(30);
/// After the rest the counts may take this long to return to their values; resources held longer are leaked.
const BACK_PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The share of failed sessions that is tolerated: a server that is too busy to assign a job forgets it.
const FAILED_PERCENT: u32 = 2;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sessions one after the other; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 4000)]
    sequence: u32,
    /// How many of those run side by side.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    lanes: u32,
    /// Every so many sessions all callers pause, so that the worker can be looked at while it is at rest.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    sample_every: u32,
    /// Turns of a session in sequence.
    #[arg(long, value_name = "N", default_value_t = 3)]
    turns: u32,
    /// Sessions at the same time.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=1000))]
    at_once: u32,
    /// Seconds to look on when all callers have left. Idle connections to the model are kept for 90.
    #[arg(long, value_name = "SECONDS", default_value_t = 150)]
    rest: u64,
    /// A `voiced` to look at that is built already, such as one with another allocator; it plays the callers, too.
    #[arg(long, value_name = "FILE")]
    worker: Option<PathBuf>,
    /// Where the report goes.
    #[arg(long, value_name = "FILE", default_value = "bench/soak.md")]
    report: PathBuf,
}

/// A soak under way.
struct Soak<'a> {
    options: &'a Options,
    terminal: Terminal,
    interrupt: Interrupt,
    stage: Stage,
    report: Report,
    sessions: u32,
    failed: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let programs = Programs::prepare(options.worker.as_deref())?;
    let interrupt = Interrupt::register()?;
    let terminal = Terminal::detect();
    // The session of a killed caller lasts until the server has noticed.
    let max_sessions = (options.at_once + options.lanes) * 2;
    let stage = Stage::set(&interrupt, &programs, max_sessions)?;
    terminal.step(format!("a worker with {max_sessions} slots is registered: {}", programs.voiced.display()));
    let report = Report::default();
    let mut soak = Soak { options, terminal, interrupt, stage, report, sessions: 0, failed: 0 };
    if let Err(error) = soak.perform() {
        soak.interrupt.check()?;
        eprintln!("{}\n", soak.stage.log_tail());
        return Err(error);
    }
    soak.conclude()
}

// === impl Soak ===

impl Soak<'_> {
    fn perform(&mut self) -> Result<()> {
        println!("{}", Row::HEADING);
        let before = self.stage.settled(&self.interrupt, 0)?;
        self.look("before the first session", before);
        let mut at_rest = vec![before];
        while self.sessions < self.options.sequence {
            at_rest.push(self.round()?);
        }
        self.report.verdicts.extend((at_rest.len() > 1).then(|| verdict::memory_in_sequence(&at_rest)));
        let peak = self.peak()?;
        let end = self.rest(before)?;
        let last = at_rest.last().unwrap_or(&before);
        self.report.verdicts.push(verdict::memory_after_peak(last, &peak, &end));
        self.report.verdicts.extend(verdict::counts(before.held, end.held));
        self.report.outcomes = self.stage.worker().outcomes()?;
        let (failed, sessions) = (self.failed, self.sessions);
        ensure!(
            failed * 100 <= sessions * FAILED_PERCENT,
            "{failed} of {sessions} sessions did not end as they were to; is the machine too busy for --lanes {}?",
            self.options.lanes
        );
        Ok(())
    }

    /// The next sessions in sequence, and the worker at rest after them.
    fn round(&mut self) -> Result<Sample> {
        let over = (self.sessions + self.options.sample_every).min(self.options.sequence);
        let (next, failed) = (AtomicU32::new(self.sessions), AtomicU32::new(0));
        let lane = || self.lane(&next, over, &failed);
        side_by_side(vec![lane; self.options.lanes as usize])?;
        self.sessions = over;
        self.failed += failed.into_inner();
        let sample = self.stage.settled(&self.interrupt, over)?;
        self.look("in sequence", sample);
        Ok(sample)
    }

    fn lane(&self, next: &AtomicU32, over: u32, failed: &AtomicU32) -> Result<()> {
        loop {
            let session = next.fetch_add(1, Ordering::Relaxed);
            if session >= over {
                return Ok(());
            }
            if !session::hold(&self.stage, &self.interrupt, session, self.options.turns)? {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Many sessions at the same time; a third of them lose their callers in the middle of a reply.
    fn peak(&mut self) -> Result<Sample> {
        let mut groups = self.all_come()?;
        let at_once = self.options.at_once;
        self.sessions += at_once;
        let peak = self.largest_until(Instant::now() + PEAK_HOLD)?;
        self.look("at the peak", peak);
        for (number, (callers, _)) in groups.iter_mut().enumerate() {
            if number % 3 == 0 { callers.kill() } else { callers.terminate()? }
        }
        for (callers, _) in &mut groups {
            let ended = self.interrupt.wait_for(PEAK_PATIENCE, || callers.exit_status())?;
            ensure!(ended.is_some(), "the callers of the peak do not leave");
        }
        self.report.peak = peak.running;
        Ok(peak)
    }

    /// Starts the callers in groups, each after the one before has joined. A server that is too busy forgets to send
    /// the agent to some: others come in their place.
    fn all_come(&self) -> Result<Vec<(Process, PathBuf)>> {
        let at_once = self.options.at_once;
        let (mut groups, mut called, mut running) = (Vec::new(), 0, 0);
        while running < at_once {
            ensure!(
                called < at_once * 2,
                "only {running} sessions ran at the same time: --at-once {at_once} is too much for this machine"
            );
            let more = GROUP.min(at_once - running);
            called += more;
            let (name, rooms) = (format!("peak-{called}"), more.to_string());
            let arguments = ["--rooms", &rooms, "--turns", STORIES, "--say", ASK_FOR_STORY];
            groups.push(self.stage.call(&name, &arguments)?);
            running = self.wait_for(running + more)?;
        }
        Ok(groups)
    }

    /// Waits for `expected` sessions; returns how many run then, or when the time is over.
    fn wait_for(&self, expected: u32) -> Result<u32> {
        let mut running = 0;
        self.interrupt.wait_for(GROUP_PATIENCE, || {
            std::thread::sleep(LOOK_EVERY);
            running = self.stage.worker().sample(self.sessions).map_or(running, |sample| sample.running);
            Ok((running >= expected).then_some(()))
        })?;
        Ok(running)
    }

    /// The sample with the most memory.
    fn largest_until(&self, over: Instant) -> Result<Sample> {
        let mut largest = Sample::default();
        while Instant::now() < over {
            stage::pause(&self.interrupt, LOOK_EVERY)?;
            if let Ok(sample) = self.stage.worker().sample(self.sessions)
                && sample.memory.anonymous > largest.memory.anonymous
            {
                largest = sample;
            }
        }
        Ok(largest)
    }

    /// Takes samples while there are no callers, until everything is as before or the time is over.
    fn rest(&mut self, before: Sample) -> Result<Sample> {
        let sample = self.stage.at_rest(&self.interrupt, self.sessions)?;
        self.look("everybody left", sample);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(self.options.rest) {
            stage::pause(&self.interrupt, REST_SAMPLE_EVERY)?;
            let sample = self.stage.at_rest(&self.interrupt, self.sessions)?;
            self.look(&format!("{} s later", started.elapsed().as_secs()), sample);
        }
        let back = self.interrupt.wait_for(BACK_PATIENCE, || {
            std::thread::sleep(LOOK_EVERY);
            Ok(self.stage.worker().sample(self.sessions).ok().filter(|sample| sample.held == before.held))
        })?;
        let end = back.map_or_else(|| self.stage.at_rest(&self.interrupt, self.sessions), Ok)?;
        self.look("at the end", end);
        Ok(end)
    }

    fn look(&mut self, when: &str, sample: Sample) {
        let row = Row { when: when.to_owned(), sample };
        println!("{row}");
        self.report.rows.push(row);
    }

    fn conclude(self) -> Result<()> {
        for verdict in &self.report.verdicts {
            let (style, word) =
                if verdict.flat { (Style::Good, "flat    ") } else { (Style::Bad, "NOT FLAT") };
            println!("{} {}", self.terminal.paint(style, word), verdict.line);
        }
        let path = testbed::root().join(&self.options.report);
        std::fs::write(&path, self.report.markdown(self.options))
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.terminal.step(format!("the report is {}", path.display()));
        ensure!(self.report.verdicts.iter().all(|verdict| verdict.flat), "something does not stay flat");
        Ok(())
    }
}
