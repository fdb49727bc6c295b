//! A disk of a few megabytes that one worker sees and a test can fill: a tmpfs in a mount namespace of its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::skipped;
use super::world::Worker;

/// Room for a record, a spool and what SQLite keeps beside its file.
const MEGABYTES: u32 = 8;
const PAGE: [u8; 4096] = [0x20; 4096];

/// The arguments to enter a new mount namespace, and that of a running process: for root, and for an unprivileged user
/// where the kernel allows user namespaces.
const WAYS: [Way; 2] = [
    Way { unshare: &["--mount"], enter: &["--mount"] },
    Way {
        unshare: &["--user", "--map-root-user", "--mount"],
        enter: &["--user", "--preserve-credentials", "--mount"],
    },
];

#[derive(Clone, Copy)]
struct Way {
    unshare: &'static [&'static str],
    enter: &'static [&'static str],
}

/// Where it will be mounted, and how.
pub(crate) struct SmallDisk {
    place: PathBuf,
    way: Way,
}

impl SmallDisk {
    /// A disk for the directory `place`. `None`, with a line about it, where no tmpfs may be mounted.
    pub(crate) fn at(place: &Path) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let disk = |way: &Way| Self { place: place.to_owned(), way: *way };
        let found = WAYS.iter().map(disk).find(SmallDisk::works);
        if found.is_none() {
            skipped("neither root nor user namespaces may mount a tmpfs here, so no disk can be full");
        }
        found
    }

    fn works(&self) -> bool {
        let tried = self.seeing(&Command::new("true")).stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    }

    /// `command`, which sees the disk. It keeps its process id.
    pub(crate) fn seeing(&self, command: &Command) -> Command {
        let mount = format!("mount -t tmpfs -o size={MEGABYTES}m,mode=700 tmpfs \"$0\" && exec \"$@\"");
        let place = self.place.to_str().unwrap();
        let arguments = [self.way.unshare, &["sh", "-c", &mount, place]].concat();
        through("unshare", &arguments, command)
    }

    /// `command`, which sees the disk of `worker`.
    pub(crate) fn beside(&self, worker: &Worker, command: &Command) -> Command {
        let process = worker.process.id().to_string();
        through("nsenter", &[self.way.enter, &["--target", &process]].concat(), command)
    }

    /// Fills the disk.
    pub(crate) fn fill(&self, worker: &Worker) {
        let mut filler = File::create(self.filler(worker)).unwrap();
        let error = std::iter::repeat_with(|| filler.write_all(&PAGE)).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    /// Empties it again.
    pub(crate) fn make_room(&self, worker: &Worker) {
        fs::remove_file(self.filler(worker)).unwrap();
    }

    /// A copy of an SQLite database on the disk, in the directory `to`: SQLite itself would look for the file at a path
    /// that only the worker sees.
    pub(crate) fn copy(&self, worker: &Worker, database: &str, to: &Path) -> PathBuf {
        for name in [database.to_owned(), format!("{database}-wal")] {
            let _ = fs::copy(self.seen(worker).join(&name), to.join(name));
        }
        to.join(database)
    }

    fn filler(&self, worker: &Worker) -> PathBuf {
        self.seen(worker).join("filler")
    }

    /// The path at which this process can reach the disk.
    fn seen(&self, worker: &Worker) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", worker.process.id()));
        root.join(self.place.strip_prefix("/").unwrap())
    }
}

/// `command`, started by `program` with these arguments.
pub(crate) fn through(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut through = Command::new(program);
    through.args(arguments).arg(command.get_program()).args(command.get_args()).env_clear();
    through.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        through.current_dir(directory);
    }
    through.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    through
}
