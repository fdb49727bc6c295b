//! Behaviours that a request selects by its model name, so that a running process can be made to misbehave without a
//! script.

use std::collections::HashMap;

use crate::script::{Ending, Step};

/// The part of the command line's help about model names.
pub const BEHAVIOURS: &str = "\
Model names that ask for a behaviour (any other name is answered normally):
  echo               says back what the user said
  fail-STATUS        always that HTTP status, e.g. fail-401, fail-404, fail-500
  fail-STATUSxN      that status for N requests, then one good answer, and so on: fail-500x2
  fail-429-after-S   with Retry-After: S seconds (also fail-429x1-after-2)
  hang               accepts the request and never answers
  drop               resets the connection instead of answering
  stall              falls silent after three words
  reset              resets the connection after three words
  malformed          sends a line that is not JSON after three words
  error-in-stream    sends an error object after three words
  truncate           ends the body after three words, without finish reason
  empty              ends well without having said anything
  long               1 MB of reply
  slow               half a second before each word
  split              writes of two bytes, cutting characters in two
  no-usage           never reports usage
  cached             reports half of the prompt as cached
  other-model        says that another model served";

/// The number of failures of each `fail-…xN` so far.
#[derive(Debug, Default)]
pub(crate) struct Named {
    failures: HashMap<String, u32>,
}

/// A parsed `fail-STATUS[xN][-after-SECONDS]`.
#[derive(Debug, PartialEq, Eq)]
struct Failing {
    status: u16,
    times: Option<u32>,
    retry_after: Option<String>,
}

// === impl Named ===

impl Named {
    /// The step that a model name selects; `None` for an ordinary name.
    pub(crate) fn step(&mut self, model: &str) -> Option<Step> {
        match model.strip_prefix("fail-") {
            Some(failing) => self.failing(model, Failing::parse(failing)?),
            None => plain(model),
        }
    }

    fn failing(&mut self, model: &str, failing: Failing) -> Option<Step> {
        if let Some(times) = failing.times {
            let failed = self.failures.entry(model.to_owned()).or_default();
            if *failed >= times {
                *failed = 0;
                return None;
            }
            *failed += 1;
        }
        let step = Step::status(failing.status);
        Some(match failing.retry_after {
            Some(seconds) => step.retry_after(seconds),
            None => step,
        })
    }
}

fn plain(model: &str) -> Option<Step> {
    let broken = |ending| Step::reply("This reply will not be whole.").ending(ending).after(3);
    Some(match model {
        "echo" => Step::echo(),
        "hang" => Step::hang(),
        "drop" => Step::default().ending(Ending::Drop),
        "stall" => broken(Ending::Stall),
        "reset" => broken(Ending::Reset),
        "malformed" => broken(Ending::Malformed),
        "error-in-stream" => broken(Ending::Error),
        "truncate" => broken(Ending::Truncate),
        "empty" => Step::reply(""),
        "long" => Step::bytes(1_000_000),
        "slow" => Step::default().pause_ms(500),
        "split" => Step::reply("Grüße, 你好, 👋🏽!").split_bytes(2),
        "no-usage" => Step::default().no_usage(),
        "cached" => Step::default().cached_usage(40, 10, 20),
        "other-model" => Step::default().model("scripted-other-2026-01-01"),
        _ => return None,
    })
}

// === impl Failing ===

impl Failing {
    fn parse(text: &str) -> Option<Self> {
        let (head, retry_after) = match text.split_once("-after-") {
            Some((head, seconds)) => (head, Some(seconds.to_owned())),
            None => (text, None),
        };
        let (status, times) = match head.split_once('x') {
            Some((status, times)) => (status, Some(times.parse().ok()?)),
            None => (head, None),
        };
        let status = status.parse().ok().filter(|status| (300..600).contains(status))?;
        Some(Self { status, times, retry_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_names_are_parsed() {
        let parsed = Failing::parse("429x2-after-1").unwrap();
        assert_eq!(parsed, Failing { status: 429, times: Some(2), retry_after: Some("1".into()) });
        assert_eq!(Failing::parse("500").unwrap().times, None);
        assert!(Failing::parse("200").is_none() && Failing::parse("x").is_none());
    }

    #[test]
    fn a_counted_failure_gives_way_to_one_good_answer() {
        let mut named = Named::default();
        let failed: Vec<bool> = (0..6).map(|_| named.step("fail-500x2").is_some()).collect();
        assert_eq!(failed, [true, true, false, true, true, false]);
    }

    #[test]
    fn each_documented_behaviour_exists() {
        let names = BEHAVIOURS.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| !name.starts_with("fail-")) {
            assert!(plain(name).is_some(), "{name}");
        }
    }
}
