//! A worker's directories belong to another user.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use scripted_model::{Script, Step};

use crate::support::skipped;
use crate::support::small_disk::through;
use crate::support::world::{World, say, wait_until};

/// A user that the worker runs as, and another one. Neither needs an account.
const OURS: u32 = 61_001;
const THEIRS: u32 = 61_002;

/// `command` as [`OURS`]; `None`, with a line about it, where that is not possible.
fn as_user(command: &Command) -> Option<Command> {
    let (user, group) = (format!("--reuid={OURS}"), format!("--regid={OURS}"));
    let arguments = [user.as_str(), group.as_str(), "--clear-groups"];
    let mut trial = Command::new(command.get_program());
    let works = through("setpriv", &arguments, trial.arg("--version")).output();
    if !works.is_ok_and(|output| output.status.success()) {
        skipped(
            "voiced cannot be run as another user here: that takes root, setpriv and a program that users can read",
        );
        return None;
    }
    Some(through("setpriv", &arguments, command))
}

fn make(path: &Path, owner: u32, mode: u32) {
    std::fs::create_dir_all(path).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts a worker as [`OURS`] with this spool, has a turn exported, and ends it; returns its log.
async fn talk(world: &World, spool: &Path, room: &str) -> Option<String> {
    let spool = format!("telemetry.spool_dir={}", spool.display());
    let settings = [spool.as_str(), "store.path=off", "worker.recovery_dir=off"];
    let worker = world.worker_of(as_user(&world.voiced())?, &settings);
    let mut caller = world.call(room).await;
    say(&mut caller, room).await;
    caller.leave().await;
    let log = worker.log_file();
    assert_eq!(worker.drain(), Some(0));
    let exported =
        || world.collector.spans().unwrap().iter().any(|span| span.text("livekit.question") == Some(room));
    wait_until("the turn is exported", exported, || std::fs::read_to_string(&log).unwrap());
    Some(std::fs::read_to_string(log).unwrap())
}

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_is_closed_to_us_costs_no_trace_and_is_said() {
    let world = world().await;
    let spool = world.dir().join("closed");
    make(&spool, THEIRS, 0o700);
    let Some(log) = talk(&world, &spool, "closed").await else { return };
    assert!(log.contains("cannot be used: Permission denied"), "{log}");
    let spool = format!("telemetry.spool_dir={}", spool.display());
    let mut check = as_user(&world.voiced()).unwrap();
    let checked = check.args(["--set", &spool, "--set", "store.path=off", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("Permission denied") && said.contains("telemetry.spool_dir"), "{said}");
}

/// Another user has made the slot that the worker would take, with links to a file of ours where its files would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_another_user_has_laid_out_is_left_alone() {
    let world = world().await;
    let (ours, theirs) = (world.dir().join("ours"), world.dir().join("theirs"));
    make(&ours, OURS, 0o700);
    make(&theirs, THEIRS, 0o777);
    if talk(&world, &ours, "ours").await.is_none() {
        return;
    }
    let slot = std::fs::read_dir(&ours).unwrap().next().unwrap().unwrap().file_name();
    let precious = ours.join("precious");
    std::fs::write(&precious, "untouched").unwrap();
    chown(&precious, Some(OURS), Some(OURS)).unwrap();
    let trap = theirs.join(&slot);
    for directory in [trap.clone(), trap.join("batches"), trap.join("rejected")] {
        make(&directory, THEIRS, 0o777);
    }
    for name in ["journal", "lock"] {
        symlink(&precious, trap.join(name)).unwrap();
    }
    let log = talk(&world, &theirs, "theirs").await.unwrap();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "untouched");
    assert!(log.contains(&format!("belongs to user {THEIRS}")), "{log}");
    let made: Vec<_> = std::fs::read_dir(&theirs).unwrap().map(|entry| entry.unwrap().path()).collect();
    let second = made.iter().find(|path| **path != trap).expect("a slot of our own");
    let about = std::fs::metadata(second).unwrap();
    assert_eq!((about.uid(), about.permissions().mode() & 0o777), (OURS, 0o700));
    assert_eq!(std::fs::read_dir(trap.join("batches")).unwrap().count(), 0);
}
