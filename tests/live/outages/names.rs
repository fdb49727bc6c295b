//! The name of a server cannot be resolved for a while.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use scripted_model::{Script, Step};

use crate::outages::talk::Talk;
use crate::support::skipped;
use crate::support::small_disk::through;
use crate::support::world::{PATIENCE, World};

/// A name that only [`Hosts`] can resolve.
const NAME: &str = "server.voiced.invalid";

/// The file that a worker sees as `/etc/hosts`, in a mount namespace of its own.
struct Hosts(PathBuf);

impl Hosts {
    /// `None`, with a line about it, where no mount may be made.
    fn of(world: &World) -> Option<Self> {
        let hosts = Self(world.dir().join("hosts"));
        hosts.forget();
        let tried = hosts.seen_by(&Command::new("true")).stderr(Stdio::null()).status();
        if tried.is_ok_and(|status| status.success()) {
            return Some(hosts);
        }
        skipped("no mount may be made here (root or user namespaces), so no name can be unknown");
        None
    }

    fn seen_by(&self, command: &Command) -> Command {
        // No name server is asked either.
        let mount =
            "mount --bind \"$0\" /etc/hosts && mount --bind /dev/null /etc/resolv.conf && exec \"$@\"";
        through("unshare", &["--mount", "sh", "-c", mount, self.0.to_str().unwrap()], command)
    }

    /// Writes in place, since a new file would not be the one that is mounted.
    fn know(&self) {
        fs::write(&self.0, format!("127.0.0.1 localhost {NAME}\n")).unwrap();
    }

    fn forget(&self) {
        fs::write(&self.0, "127.0.0.1 localhost\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_name_is_unknown_at_the_start_is_found_when_it_is_known() {
    let (world, mut talk) = (World::start(Script::always(Step::echo())).await, Talk::default());
    let Some(hosts) = Hosts::of(&world) else { return };
    let mut command = hosts.seen_by(&world.voiced());
    command.env("LIVEKIT_URL", world.livekit.url().replace("127.0.0.1", NAME));
    let worker = world.spawn(command, &[]);
    worker.wait_for_log("cannot reach LiveKit at ws://server.voiced.invalid");
    assert_eq!(worker.readiness().0, 503);
    hosts.know();
    let known = Instant::now();
    worker.wait_until_ready();
    let recovery = known.elapsed();
    let mut caller = world.call("named").await;
    talk.ask(&mut caller, "hello").await;
    talk.measured("dns-livekit", recovery, &world);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_while_the_models_name_is_unknown_are_apologised_for_and_the_next_one_is_answered() {
    let (world, mut talk) = (World::start(Script::always(Step::echo())).await, Talk::default());
    let Some(hosts) = Hosts::of(&world) else { return };
    let mut command = hosts.seen_by(&world.voiced());
    command.env("OPENAI_BASE_URL", world.model.base_url().replace("127.0.0.1", NAME));
    let worker = world.worker_of(command, &["agent.apology=Sorry.", "llm.max_attempts=1"]);
    let mut caller = world.call("unnamed-model").await;
    let reply = caller.say("hello?", PATIENCE, |_| ()).await.unwrap();
    assert_eq!(reply.text.expose(), "Sorry.", "{}", worker.log());
    hosts.know();
    let known = Instant::now();
    let answered = talk.ask_until_answered(&mut caller, "hello again", &worker).await;
    talk.measured("dns-llm", answered - known, &world);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}
