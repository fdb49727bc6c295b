//! The keys of `[store]`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::key::{of, section, unset};
use crate::config::kind::{FilePath, Length, integer};

section! {
    /// `[store]`: the local record of sessions and turns.
    Store, "store",
        "The local record of sessions and turns.";

    /// None: nothing is recorded.
    path: Option<PathBuf> = unset(&FilePath, r#""/var/lib/voiced/record.sqlite""#)
        .state_file("record.sqlite")
        .doc("The SQLite file in which every turn is recorded; \"off\" for none. Several workers may share one.\n\
             Unset: record.sqlite in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.\n\
             What people and the model said is in it as telemetry.capture_content allows. Only its owner can read it.");

    retention: Duration = of(&Length::above_zero(), r#""30d""#)
        .doc("Turns that are older are deleted.");

    max_bytes: u64 = of(&integer(1 << 20, 1 << 40), "1073741824")
        .doc("When the record is larger, its oldest turns are deleted.");

    /// None: no events are recorded.
    events_dir: Option<PathBuf> = unset(&FilePath, r#""/var/lib/voiced/events""#)
        .doc("The directory for a file of each session, with the events by which its turns began, ended and were interrupted;\n\
             `voiced replay FILE` explains them. Unset: none. What people said is in it when telemetry.capture_content is \"full\".\n\
             Files that are older than store.retention are deleted, and the oldest of more than 1000.");
}
