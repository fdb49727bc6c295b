//! `voiced start`, which lives on when the reader of its stderr has gone, and where it can write no file.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use super::end::End;
use crate::support::world::{PATIENCE, World, wait_until};

/// A worker whose log the test cannot read. Dropping it kills it.
struct Deaf {
    child: Child,
    port: u16,
}

impl Deaf {
    fn start(mut command: Command, stderr: Stdio) -> Self {
        let port = testbed::free_port().unwrap();
        command.args([
            "--set",
            &format!("http.listen=127.0.0.1:{port}"),
            "--set",
            "agent.leave_grace=100ms",
            "start",
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        Self { child: command.spawn().unwrap(), port }
    }

    fn wait_until_ready(&self) {
        let ready = || testbed::http::get(self.port, "/readyz").is_ok_and(|answer| answer.status == 200);
        wait_until("the worker is registered", ready, String::new);
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and the exit code of the drain.
    fn drain(mut self) -> Option<i32> {
        self.signal("-TERM");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None => assert!(Instant::now() < deadline, "the worker does not drain"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn assert_answers(world: &World, room: &str) {
    let mut caller = world.call(room).await;
    let reply = caller.say("hello", PATIENCE, |_| ()).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: hello", "{room}");
    caller.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_stderr_takes_nothing_answers_and_drains() {
    let world = World::start(Script::always(Step::echo())).await;
    for (number, stderr) in [End::ClosedPipe, End::FullDisk].into_iter().enumerate() {
        let worker = Deaf::start(world.voiced(), stderr.stdio());
        worker.wait_until_ready();
        assert_answers(&world, &format!("deaf-{number}")).await;
        assert_eq!(worker.drain(), Some(0), "{stderr:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_the_reader_of_its_stderr_and_the_signal_of_it() {
    let world = World::start(Script::always(Step::echo())).await;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let worker = Deaf::start(world.voiced(), writer.into());
    worker.wait_until_ready();
    reader.read_exact(&mut [0]).unwrap();
    drop(reader);
    worker.signal("-PIPE");
    assert_answers(&world, "lost-reader").await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_can_keep_nothing_says_so_and_answers() {
    let world = World::start(Script::always(Step::echo())).await;
    // Nothing can be created there, even by root.
    let unwritable = "/proc/voiced";
    let homeless = || {
        let mut command = world.voiced();
        command.env_remove("STATE_DIRECTORY").env_remove("VOICED_STORE__PATH");
        command
    };
    let with = |name: &str, value: &str| {
        let mut command = homeless();
        command.env(name, value);
        command
    };
    let places = [
        ("no home", homeless(), "there is no directory for it"),
        ("a home that cannot be written", with("HOME", unwritable), unwritable),
        ("a state directory that cannot be written", with("STATE_DIRECTORY", unwritable), unwritable),
        ("two state directories", with("STATE_DIRECTORY", &format!("{unwritable}:/tmp")), unwritable),
        ("a record that is no file", with("VOICED_STORE__PATH", "/dev/null"), "/dev/null"),
        ("a working directory that is gone", in_removed_directory(&world), "registered"),
    ];
    for (number, (what, command, said)) in places.into_iter().enumerate() {
        let worker = world.worker_of(command, &["agent.leave_grace=100ms"]);
        assert_answers(&world, &format!("keeps-nothing-{number}")).await;
        assert!(worker.log().contains(said), "{what}:\n{}", worker.log());
        assert_eq!(worker.drain(), Some(0), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ran_out_of_descriptors_answers_again() {
    let world = World::start(Script::always(Step::echo())).await;
    let few = by_shell(&world, "ulimit -n 45 && exec \"$0\" \"$@\"", &[]);
    let worker = world.worker_of(few, &["agent.leave_grace=100ms"]);
    let mut load = world.voiced();
    load.args(["call", "--room", "many", "--rooms", "12", "--say", "hello", "--timeout", "10s"]);
    let load = tokio::task::spawn_blocking(move || load.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&load.stdout).into_owned();
    assert_eq!(load.status.code(), Some(1), "there were descriptors enough for all: {told}");
    assert_answers(&world, "after-many").await;
    assert_eq!(worker.drain(), Some(0), "{told}");
}

/// `voiced` in a working directory that is removed before it starts.
fn in_removed_directory(world: &World) -> Command {
    let gone = world.dir().join("gone");
    std::fs::create_dir_all(&gone).unwrap();
    let script = "cd \"$1\" && rmdir \"$1\" && shift && exec \"$0\" \"$@\"";
    by_shell(world, script, &[&gone.to_string_lossy()])
}

/// `voiced` as `$0` of a script, which gets these arguments before those of `voiced`.
fn by_shell(world: &World, script: &str, arguments: &[&str]) -> Command {
    let voiced = world.voiced();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(voiced.get_program()).args(arguments).current_dir(world.dir());
    shell.env_clear().envs(voiced.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}
