//! A child process that never outlives us.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often `wait` and `join` look at the child.
const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 30;
/// The unit of processor time in `/proc/PID/stat`, in which Linux counts on all architectures of today.
const TICK: Duration = Duration::from_millis(10);

/// A child in a process group of its own. It is killed, with all its descendants in the group, when this value is
/// dropped, and also when this process dies without dropping anything.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    watcher: Child,
    log: Option<PathBuf>,
    exit: Option<ExitStatus>,
    processor_time: Duration,
}

impl Process {
    /// Starts `command`; its standard output and error go to the file `log`, after what is already there.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut process = Self::attached(name, command.stdout(output.try_clone()?).stderr(output))?;
        process.log = Some(log.to_owned());
        Ok(process)
    }

    /// Starts `command` with the standard output and error that it sets: ours by default.
    pub fn attached(name: &str, command: &mut Command) -> Result<Self> {
        let (child, watcher) = spawn_watched(command)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            watcher,
            log: None,
            exit: None,
            processor_time: Duration::ZERO,
        })
    }

    /// The process id, which is also the id of its process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The reading end of the standard output, once, when the command asked for a pipe.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// How the process ended, if it has.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.exit.is_none() {
            // Once the child is waited for, the kernel forgets it.
            self.processor_time = processor_time(self.id()).unwrap_or(self.processor_time);
            self.exit = self.child.try_wait()?;
        }
        Ok(self.exit)
    }

    /// What the process and its descendants have used, as of the last look by `exit_status` or `wait`. Descendants count
    /// once they have ended and their parent has waited for them.
    pub fn processor_time(&self) -> Duration {
        self.processor_time
    }

    /// Asks the process to end, as an operator would: SIGTERM to it alone.
    pub fn terminate(&mut self) -> Result<()> {
        if self.exit_status()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        Ok(())
    }

    /// Asks a daemon to read its configuration again: SIGHUP to it alone.
    pub fn hang_up(&mut self) -> Result<()> {
        if self.exit_status()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::HUP)?;
        }
        Ok(())
    }

    /// Waits for the process to end by itself; `None` when it runs on after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        while self.exit_status()?.is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        Ok(self.exit)
    }

    /// Waits for the process to end by itself, however long that takes.
    pub fn join(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        self.exit = Some(status);
        Ok(status)
    }

    /// Kills the process and its group at once.
    pub fn kill(&mut self) {
        // The id of a group that is empty and reaped may belong to another program by now; ours stays valid until we
        // reap its leader.
        if self.exit.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.watcher.kill();
        self.exit = self.exit.or_else(|| self.child.wait().ok());
        let _ = self.watcher.wait();
    }

    /// The last lines of the log, for an error message.
    pub fn log_tail(&self) -> String {
        let mut text = Vec::new();
        let log = self.log.as_deref().unwrap_or(Path::new("/dev/null"));
        let _ = File::open(log).and_then(|mut file| file.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("the end of {}'s log:\n{}", self.name, tail.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command` to its end and returns its output on the pipes it asks for. It does not outlive us either.
pub fn run(command: &mut Command) -> Result<Output> {
    let (child, mut watcher) = spawn_watched(command)?;
    let output = child.wait_with_output();
    let _ = watcher.kill();
    let _ = watcher.wait();
    Ok(output?)
}

/// The processor time of a process and of the children that it waited for.
fn processor_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before the last parenthesis may hold spaces.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks: u32 = fields.skip(11).take(4).map_while(|ticks| ticks.parse::<u32>().ok()).sum();
    Some(TICK * ticks)
}

fn spawn_watched(command: &mut Command) -> Result<(Child, Child)> {
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let watcher = watch(&child)?;
    Ok((child, watcher))
}

/// Starts a shell that holds the reading end of a pipe whose writing end is ours. When this process dies, in whatever
/// way, the pipe closes and the shell kills the child's group. The kernel's own parent-death signal would need
/// `unsafe`, and it also fires when only the thread ends that started the child.
fn watch(child: &Child) -> Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1" 2>/dev/null"#, "watcher"])
        .arg(child.id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start /bin/sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str, log: &Path) -> Process {
        Process::spawn("script", Command::new("/bin/sh").args(["-c", script]), log).unwrap()
    }

    fn read_when_written(path: &Path) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if text.ends_with('\n') {
                return text.trim().to_owned();
            }
            assert!(Instant::now() < deadline, "nothing was written to {}", path.display());
            std::thread::sleep(POLL);
        }
    }

    fn is_alive(id: &str) -> bool {
        // A killed process whose new parent has not reaped it yet is a zombie, which counts as dead here.
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn assert_dies(id: &str) {
        let deadline = Instant::now() + PATIENCE;
        while is_alive(id) {
            assert!(Instant::now() < deadline, "process {id} is still alive");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let process = shell("sleep 600 & echo $!; wait", &log);
        let grandchild = read_when_written(&log);
        assert!(is_alive(&grandchild));
        drop(process);
        assert_dies(&grandchild);
    }

    #[test]
    fn the_watcher_kills_the_child_when_its_pipe_closes() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell("sleep 600", &directory.path().join("log"));
        // The kernel does the same when this process is killed.
        drop(process.watcher.stdin.take());
        let status = process.wait(PATIENCE).unwrap().expect("the child was killed");
        assert!(!status.success());
    }

    #[test]
    fn a_terminated_process_may_end_in_its_own_way() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut process = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", &log);
        read_when_written(&log);
        process.terminate().unwrap();
        assert_eq!(process.wait(PATIENCE).unwrap().unwrap().code(), Some(7));
        assert!(process.log_tail().ends_with("ready"));
    }

    #[test]
    fn the_processor_time_of_a_process_includes_its_childrens() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut idle = shell("sleep 0.2", &log);
        idle.wait(PATIENCE).unwrap().expect("it ends");
        let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let mut busy = shell(&format!("sh -c '{busy}'; sleep 0.2"), &log);
        busy.wait(PATIENCE).unwrap().expect("it ends");
        let [idle, busy] = [idle, busy].map(|process| process.processor_time());
        assert!(idle < Duration::from_millis(50) && busy > 2 * idle.max(TICK), "{idle:?} and {busy:?}");
    }

    #[test]
    fn a_missing_program_is_named_in_the_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("/nonexistent/program");
        let error = Process::spawn("nothing", &mut command, &directory.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/program"), "{error}");
    }
}
