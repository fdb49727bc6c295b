//! Could turns be recorded? An existing file is opened in the writer's way; nothing is made or changed, so that a
//! check run by another user leaves no file behind that the worker may not write to.

use std::path::Path;
use std::sync::Arc;

use super::{Finding, disk};
use crate::config::{Config, STORE_NAMES};

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let Some(path) = config.store.path.clone() else {
        return Finding::skipped("store.path is off, or there is no directory for it: no turn is recorded");
    };
    let shown = path.display().to_string();
    let finding = disk::blocking(move || probe(&path)).await;
    finding.with("path", shown)
}

fn probe(path: &Path) -> Finding {
    let shown = path.display();
    if path.exists() {
        return match turn_store::probe(path, STORE_NAMES) {
            Ok(turns) => Finding::good(format!("{shown} can be written to and holds {turns} turns")),
            Err(trouble) => Finding::failed(trouble.to_string()),
        };
    }
    // The parent of a bare name is the empty path.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match disk::can_be_written(parent.unwrap_or(Path::new("."))) {
        Ok(()) => Finding::good(format!("{shown} can be made")),
        Err(error) => Finding::failed(format!(
            "{shown} cannot be made: {error}; see to who may write there, or change store.path (VOICED_STORE__PATH)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::check::Verdict;

    #[test]
    fn a_record_that_could_be_made_is_good_and_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let finding = probe(&dir.path().join("state/voiced/record.sqlite"));
        assert_eq!(finding.verdict, Verdict::Good, "{}", finding.message);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_no_file_can_be_made_the_check_fails_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let finding = probe(&file.join("record.sqlite"));
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.message.contains("store.path"), "{}", finding.message);
    }

    #[test]
    fn a_file_that_is_no_record_fails() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("record.sqlite");
        fs::write(&file, "not a database, not at all".repeat(100)).unwrap();
        let finding = probe(&file);
        assert_eq!(finding.verdict, Verdict::Failed, "{}", finding.message);
        assert!(finding.message.contains("record.sqlite"), "{}", finding.message);
    }
}
