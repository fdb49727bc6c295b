//! The resources of the worker at one moment, as its `/metrics` report them.

use std::fs;

use anyhow::{Context, Result};
use testbed::http;

/// One scrape of the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// The number of sessions that were asked for so far.
    pub(crate) sessions: u32,
    /// The number of running sessions.
    pub(crate) running: u32,
    pub(crate) memory: Memory,
    pub(crate) held: Held,
    /// Processor time since the start, in seconds.
    pub(crate) cpu: f64,
    /// Items that wait to be delivered or recorded. They are work in progress, so the worker is at rest only when there
    /// are none.
    pub(crate) waiting: u32,
}

/// In KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The part that belongs to no file: the heap and the stacks. The pages of the program itself stay once they were
    /// needed.
    pub(crate) anonymous: f64,
}

/// The resources that a session takes and has to give back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) files: u32,
    pub(crate) sockets: u32,
    pub(crate) threads: u32,
    pub(crate) tasks: u32,
}

/// The results of sessions and turns since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) jobs_succeeded: u32,
    pub(crate) jobs_failed: u32,
    pub(crate) answered: u32,
    pub(crate) interrupted: u32,
    pub(crate) failed: u32,
}

/// The address of the worker's HTTP endpoints, and its process id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) http_port: u16,
    pub(crate) id: u32,
}

/// The text that Prometheus would read.
struct Exposition(String);

// === impl Worker ===

impl Worker {
    pub(crate) fn sample(self, sessions: u32) -> Result<Sample> {
        let metrics = self.scrape()?;
        let whole = |name: &str| Ok::<u32, anyhow::Error>(metrics.get(name)? as u32);
        Ok(Sample {
            sessions,
            running: whole("voiced_worker_slots_used")?,
            memory: Memory {
                resident: metrics.get("process_resident_memory_bytes")? / 1024.0,
                anonymous: self.anonymous()?,
            },
            held: Held {
                files: whole("process_open_fds")?,
                sockets: whole("process_open_sockets")?,
                threads: whole("process_threads")?,
                tasks: whole("voiced_tasks")?,
            },
            cpu: metrics.get("process_cpu_seconds_total")?,
            waiting: whole("voiced_export_spans_waiting")? + whole("voiced_record_turns_waiting")?,
        })
    }

    pub(crate) fn outcomes(self) -> Result<Outcomes> {
        let metrics = self.scrape()?;
        let jobs = |result| metrics.count("voiced_worker_jobs_total", "result", result);
        let turns = |outcome| metrics.count("voiced_turns_total", "outcome", outcome);
        Ok(Outcomes {
            jobs_succeeded: jobs("success")?,
            jobs_failed: jobs("failed")? + jobs("panicked")? + jobs("aborted")?,
            answered: turns("answered")?,
            interrupted: turns("interrupted")?,
            failed: turns("failed")? + turns("aborted")?,
        })
    }

    fn scrape(self) -> Result<Exposition> {
        let answer = http::get(self.http_port, "/metrics").context("the worker does not answer")?;
        Ok(Exposition(answer.body))
    }

    fn anonymous(self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number =
            line.and_then(|line| line.split_whitespace().next()).context("this needs Linux' RssAnon")?;
        Ok(number.parse()?)
    }
}

// === impl Exposition ===

impl Exposition {
    /// The value of a metric without labels.
    fn get(&self, name: &str) -> Result<f64> {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.with_context(|| format!("/metrics has no {name}; is the worker an older one?"))?;
        value.trim().parse().with_context(|| format!("{name} is {value:?}"))
    }

    fn count(&self, name: &str, label: &str, value: &str) -> Result<u32> {
        Ok(self.get(&format!("{name}{{{label}=\"{value}\"}}"))? as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let text = "process_open_fds 12\nprocess_open_fds_limit 99\njobs_total{result=\"failed\"} 3\n";
        let metrics = Exposition(text.to_owned());
        assert_eq!(metrics.get("process_open_fds").unwrap(), 12.0);
        assert_eq!(metrics.count("jobs_total", "result", "failed").unwrap(), 3);
        assert!(metrics.get("process_open").unwrap_err().to_string().contains("process_open"));
    }
}
