//! `voiced call`, which leaves its room whether or not its output can be written.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use super::end::{End, Ran, run, run_and_leave};
use crate::support::world::{Worker, World, wait_until};

/// The server misses a participant that vanished only after longer than this, since its connection has to time out.
const LEFT: Duration = Duration::from_secs(8);
/// Half a minute of words.
const LONG: Duration = Duration::from_secs(30);

async fn world(step: Step) -> (World, Worker) {
    let world = World::start(Script::always(step)).await;
    let worker = world.worker(&["agent.leave_grace=100ms"]);
    (world, worker)
}

fn call(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.voiced();
    command.env_remove("RUST_LOG").arg("call").args(arguments);
    command
}

/// The session ends because the caller said goodbye, and not because a connection timed out.
fn assert_left(worker: &Worker, what: &str) {
    let since = Instant::now();
    wait_until("the session is over", || worker.info()["active_jobs"] == 0, || worker.log());
    assert!(since.elapsed() < LEFT, "{what}: the caller was missed after {:?}", since.elapsed());
}

async fn apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_call_and_the_room_is_left() {
    let (world, worker) = world(Step::reply("word ".repeat(300)).pause_ms(100)).await;
    let started = Instant::now();
    let command = call(&world, &["--room", "left-1", "--say", "A long story"]);
    let ran = apart(move || run_and_leave(command)).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert!(started.elapsed() < LONG, "it went on for {:?}", started.elapsed());
    assert_left(&worker, "left after a byte");

    // The reader leaves in the middle of the reply.
    let command = call(&world, &["--room", "left-2", "--say", "A long story"]);
    let started = Instant::now();
    let ran = apart(move || read_until(command, "word word")).await;
    assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0), "{ran:?}");
    assert!(started.elapsed() < LONG, "it went on for {:?}", started.elapsed());
    assert_left(&worker, "left in the middle of a reply");
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_call_ends_as_its_stdout_does_and_leaves_its_rooms() {
    let (world, worker) = world(Step::reply("one two")).await;
    let full = "error: cannot write to stdout: No space left on device (os error 28)\n";
    for (stdout, code, said) in [(End::ClosedPipe, 0, ""), (End::Nowhere, 0, ""), (End::FullDisk, 1, full)] {
        for (way, arguments) in
            [("script", &["--say", "hi", "--say", "and"][..]), ("load", &["--rooms", "2", "--say", "hi"])]
        {
            // An agent is dispatched to new rooms only.
            let mut command = call(&world, arguments);
            command.args(["--room", &format!("{way}-{stdout:?}")]);
            let ran: Ran = apart(move || run(command, stdout, End::Read)).await;
            let expected = (Some(code), said);
            assert_eq!((ran.code, ran.stderr.as_str()), expected, "{way} with stdout {stdout:?}: {ran:?}");
            assert_left(&worker, way);
        }
    }
    for stderr in [End::ClosedPipe, End::FullDisk, End::Nowhere] {
        let command = call(&world, &["--room", &format!("stderr-{stderr:?}"), "--say", "hi"]);
        let ran = apart(move || run(command, End::Read, stderr)).await;
        assert!(ran.code == Some(0) && ran.stdout.contains("one two"), "{stderr:?}: {ran:?}");
    }
    assert_eq!(worker.drain(), Some(0));
}

/// Runs a command and closes its stdout after it has printed this text.
fn read_until(mut command: Command, text: &'static str) -> Output {
    use std::io::Read;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let leaving = std::thread::spawn(move || {
        let (mut printed, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&printed).contains(text) {
            reader.read_exact(&mut byte).unwrap();
            printed.push(byte[0]);
        }
    });
    let output = child.wait_with_output().unwrap();
    leaving.join().unwrap();
    output
}
