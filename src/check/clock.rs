//! Does the LiveKit server's clock agree with ours? Tokens say when they are valid, so a clock that is wrong by more
//! than the server tolerates looks like a wrong key.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent_worker::TOKEN_LIFETIME;
use outbound::web::{Web, http_url};
use reqwest::header::HeaderMap;
use url::Url;

use super::{Finding, Verdict};
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(10);
/// From this difference on, in seconds, the operator should look after the clocks.
const NOTEWORTHY: f64 = 5.0;
/// How far ahead of its own clock a LiveKit server lets the beginning of a token be.
const LEEWAY: f64 = 60.0;

const REMEDY: &str = "set both clocks by NTP (timedatectl set-ntp true)";

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let url = http_url(&config.livekit.url);
    let asked = SystemTime::now();
    let answer = Web::new(TIMEOUT, HeaderMap::new()).get(url.clone()).await;
    let answered = SystemTime::now();
    match answer.map(|answer| answer.date) {
        Ok(Some(theirs)) => judge(ahead(asked, answered, theirs), &url),
        Ok(None) => Finding::skipped(format!("{url} does not say what time it is")),
        Err(reason) => Finding::skipped(format!("{url} did not say what time it is: {reason}")),
    }
}

/// By how many seconds our clock is ahead of theirs, give or take a second.
fn ahead(asked: SystemTime, answered: SystemTime, theirs: SystemTime) -> f64 {
    let middle = (seconds(asked) + seconds(answered)) / 2.0;
    // The header has whole seconds: on average half of one is missing.
    middle - (seconds(theirs) + 0.5)
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn judge(ahead: f64, url: &Url) -> Finding {
    let what = match ahead {
        _ if ahead.abs() <= 1.0 => format!("our clock and that of {url} agree within a second or two"),
        _ if ahead > 0.0 => format!("our clock is about {ahead:.0} s ahead of that of {url}"),
        _ => format!("our clock is about {:.0} s behind that of {url}", -ahead),
    };
    let finding = if ahead > LEEWAY || -ahead > TOKEN_LIFETIME.as_secs_f64() {
        Finding::failed(format!("{what}, which makes our tokens invalid there: {REMEDY}"))
    } else if ahead.abs() > NOTEWORTHY {
        Finding::new(Verdict::Warned, format!("{what}: {REMEDY}"))
    } else {
        Finding::good(what)
    };
    finding.with("ahead_s", (ahead * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ahead: f64) -> (Verdict, String) {
        let finding = judge(ahead, &Url::parse("http://lk.test").unwrap());
        (finding.verdict, finding.message)
    }

    #[test]
    fn small_differences_are_good_larger_ones_warned_of_and_fatal_ones_fail() {
        for (ahead, expected) in [
            (0.0, Verdict::Good),
            (-4.9, Verdict::Good),
            (5.1, Verdict::Warned),
            (-599.0, Verdict::Warned),
            (59.0, Verdict::Warned),
            (61.0, Verdict::Failed),
            (-601.0, Verdict::Failed),
        ] {
            assert_eq!(verdict(ahead).0, expected, "{ahead}");
        }
        assert!(verdict(61.0).1.contains("61 s ahead") && verdict(-61.0).1.contains("61 s behind"));
    }

    #[test]
    fn the_time_of_the_answer_is_taken_in_the_middle() {
        let at = |seconds: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        assert!((ahead(at(100.0), at(102.0), at(100.0)) - 0.5).abs() < 1e-6);
        assert!((ahead(at(100.0), at(100.0), at(160.0)) + 60.5).abs() < 1e-6);
    }
}
