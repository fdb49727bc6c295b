//! Could traces wait on the disk, and do some already?

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use otlp_spool::Signal;

use super::{Finding, Verdict, disk};
use crate::config::Config;
use crate::telemetry::Survey;

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let telemetry = config.telemetry.settings();
    if !telemetry.exports(Signal::Traces) {
        return Finding::skipped("no trace leaves this process, so none waits");
    }
    let Some(path) = telemetry.spool_dir.clone() else {
        return Finding::skipped(
            "telemetry.spool_dir is off, or there is no directory for it: traces wait in memory, and a crash or a long outage \
             loses them",
        );
    };
    let shown = path.display().to_string();
    let finding = disk::blocking(move || probe(&path)).await;
    finding.with("path", shown)
}

fn probe(path: &Path) -> Finding {
    let shown = path.display();
    let trouble = |error| {
        Finding::failed(format!(
            "{shown}: {error}; see to who may write there, or change telemetry.spool_dir (VOICED_TELEMETRY__SPOOL_DIR)"
        ))
    };
    match disk::can_be_written(path).and_then(|()| Survey::of(path)) {
        Ok(survey) => found(&survey, path),
        Err(error) => trouble(error),
    }
}

fn found(survey: &Survey, path: &Path) -> Finding {
    let Survey { spans, bytes, oldest, rejected } = *survey;
    let shown = path.display();
    let age = oldest.and_then(|oldest| SystemTime::now().duration_since(oldest).ok());
    let waiting = match age {
        Some(age) => format!("{spans} spans wait, {} KiB, the oldest for {} s", bytes / 1024, age.as_secs()),
        None => "nothing waits".to_owned(),
    };
    let finding = if rejected > 0 {
        let message = format!(
            "{shown} can be written to; {waiting}; {rejected} spans that the receiver refused are kept in its rejected \
             directories, each with the reason in a .txt: fix that, then delete them"
        );
        Finding::new(Verdict::Warned, message)
    } else {
        Finding::good(format!("{shown} can be written to; {waiting}"))
    };
    finding
        .with("waiting_spans", spans)
        .with("waiting_bytes", bytes)
        .with("oldest_s", age.map(|age| age.as_secs()))
        .with("rejected_spans", rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_and_what_was_refused_is_warned_of() {
        let path = Path::new("/spool");
        let empty = found(&Survey::default(), path);
        assert_eq!(
            (empty.verdict, empty.message.as_str()),
            (Verdict::Good, "/spool can be written to; nothing waits")
        );
        let oldest = Some(SystemTime::now() - std::time::Duration::from_secs(90));
        let full = Survey { spans: 9, bytes: 8192, oldest, rejected: 2 };
        let warned = found(&full, path);
        assert_eq!(warned.verdict, Verdict::Warned);
        assert!(warned.message.contains("9 spans wait, 8 KiB") && warned.message.contains("2 spans that"));
    }

    #[test]
    fn where_nothing_can_be_written_the_check_fails_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let finding = probe(&file);
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.message.contains("telemetry.spool_dir"), "{}", finding.message);
    }
}
