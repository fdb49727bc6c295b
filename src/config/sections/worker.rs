//! The keys of `[worker]`.

use std::path::PathBuf;
use std::time::Duration;

use agent_worker::Permission;

use crate::config::key::{of, section, unset};
use crate::config::kind::{FilePath, Length, Text, integer, set};
use crate::config::variables::Variable;

section! {
    /// `[worker]`: the offer of this process to take jobs.
    Worker, "worker",
        "How this process offers itself to the server for jobs.";

    agent_name: String = of(&Text, r#""""#)
        .variables(&[Variable::plain("LIVEKIT_AGENT_NAME")])
        .doc("Empty: the server dispatches us to every new room.\n\
             Set: only to rooms that ask for an agent of this name, by token, API or `lk dispatch create`.");

    max_sessions: u32 = of(&integer(1, 10_000), "100").live()
        .doc("How many rooms we serve at the same time. The server sees our load as the part of them in use.");

    drain_timeout: Duration = of(&Length::any(), r#""1h""#).live()
        .doc("After SIGTERM we take no new jobs, and running sessions may go on for this long.\n\
             systemd is asked for the time; another service manager must wait at least as long.");

    permissions: Vec<Permission> =
        of(&set(&["subscribe", "publish", "publish_data", "update_metadata"]), r#"["subscribe", "publish_data", "update_metadata"]"#)
            .doc("What the agent may do in a room: \"subscribe\" to tracks, \"publish\" tracks (added where tts is on), \"publish_data\"\n\
                 (its text replies), \"update_metadata\" (its name and state).");

    /// The directory in which running sessions are written down for the next process; None: they are not.
    recovery_dir: Option<PathBuf> = unset(&FilePath, r#""/var/lib/voiced/rooms""#)
        .state_file("rooms")
        .doc("The directory where running sessions are noted, so that after a crash the next start goes back to the rooms\n\
             where people still wait. Workers that share it take over the rooms of one that died. \"off\": no worker\n\
             goes back. Unset: rooms in $STATE_DIRECTORY, else $XDG_STATE_HOME/voiced, else ~/.local/state/voiced.");
}
