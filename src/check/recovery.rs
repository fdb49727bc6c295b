//! Could running sessions be noted, so that a crash ends no call?

use std::path::Path;
use std::sync::Arc;

use super::{Finding, disk};
use crate::config::Config;

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let Some(path) = config.worker.recovery_dir.clone() else {
        return Finding::skipped(
            "worker.recovery_dir is off, or there is no directory for it: after a crash no worker goes back to the rooms",
        );
    };
    let shown = path.display().to_string();
    let finding = disk::blocking(move || probe(&path)).await;
    finding.with("path", shown)
}

fn probe(path: &Path) -> Finding {
    let shown = path.display();
    match disk::can_be_written(path) {
        Ok(()) => Finding::good(format!("{shown} can be written to")),
        Err(error) => Finding::failed(format!(
            "{shown}: {error}; see to who may write there, or change worker.recovery_dir (VOICED_WORKER__RECOVERY_DIR)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn a_place_that_could_be_made_is_good_and_one_that_could_not_fails_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(probe(&dir.path().join("state/rooms")).verdict, Verdict::Good);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let finding = probe(&file.join("rooms"));
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.message.contains("worker.recovery_dir"), "{}", finding.message);
    }
}
