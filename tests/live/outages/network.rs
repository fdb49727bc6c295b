//! The network between a worker and everything else is cut without either side being told.

use std::process::Command;
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};
use testbed::LivekitServer;

use crate::outages::talk::Talk;
use crate::support::private_network::{Cable, inside};
use crate::support::world::{Worker, World, asked_last};

/// A world on our side of a cable, and a worker on the other.
struct Scene {
    world: World,
    cable: Cable,
    worker: Worker,
}

impl Scene {
    async fn set() -> Self {
        let cable = Cable::lay();
        let livekit = LivekitServer::start_at(cable.our_address()).unwrap();
        let world = World::around(livekit, Script::always(Step::echo())).await;
        let model: url::Url = world.model.base_url().parse().unwrap();
        for port in [model.port().unwrap(), world.collector.port()] {
            cable.forward(port).await;
        }
        let worker = world.spawn(cable.beyond(&command(&world, &cable)), &["agent.leave_grace=2s"]);
        worker.wait_for_log("available for jobs");
        Self { world, cable, worker }
    }

    async fn cut(&self, time: Duration) -> Instant {
        self.cable.pull();
        tokio::time::sleep(time).await;
        self.cable.mend();
        Instant::now()
    }

    async fn end(self, talk: Talk, row: &str, recovery: Duration) {
        let Self { world, worker, cable } = self;
        assert_eq!(worker.drain(), Some(0));
        talk.measured(row, recovery, &world);
        drop(cable);
    }
}

/// `voiced` with the addresses that its neighbours have on the worker's side.
fn command(world: &World, cable: &Cable) -> Command {
    let ours = cable.our_address().to_string();
    let mut command = world.voiced();
    let there: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_str()?.replace("127.0.0.1", &ours))))
        .collect();
    command.envs(there);
    command
}

#[test]
fn a_cut_of_three_seconds_loses_nothing_that_was_said() {
    if inside("outages::network::a_cut_of_three_seconds_loses_nothing_that_was_said") {
        run(async {
            let (scene, mut talk) = (Scene::set().await, Talk::default());
            let mut caller = scene.world.call("short").await;
            talk.ask(&mut caller, "before").await;
            scene.cable.pull();
            let asking = tokio::spawn(async move {
                talk.ask(&mut caller, "said into the cut").await;
                (talk, caller, Instant::now())
            });
            tokio::time::sleep(Duration::from_secs(3)).await;
            scene.cable.mend();
            let mended = Instant::now();
            let (talk, caller, answered) = asking.await.unwrap();
            caller.leave().await;
            scene.end(talk, "network-cut-3s", answered - mended).await;
        });
    }
}

#[test]
fn after_a_cut_of_half_a_minute_the_conversation_goes_on() {
    if inside("outages::network::after_a_cut_of_half_a_minute_the_conversation_goes_on") {
        run(async {
            let (scene, mut talk) = (Scene::set().await, Talk::default());
            let mut caller = scene.world.call("long").await;
            talk.ask(&mut caller, "my name is Ada").await;
            let mended = scene.cut(Duration::from_secs(30)).await;
            let answered = talk.ask_until_answered(&mut caller, "what is my name?", &scene.worker).await;
            assert!(asked_last(&scene.world).contains(&"user: my name is Ada".to_owned()));
            caller.leave().await;
            scene.end(talk, "network-cut-30s", answered - mended).await;
        });
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test);
}
