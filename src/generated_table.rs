//! The tables of documents that are written from the code.

use std::path::Path;

/// Compares the text between `begin` and `end` in a file of the repository with `table`; with `BLESS` set, writes it.
#[track_caller]
pub(crate) fn assert_current(document: &str, [begin, end]: [&str; 2], table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "{document} is out of date; the line above its table renews it");
    }
}
