//! Spoken turns through a network that loses packets, with a real recogniser and a real voice.

use std::path::Path;

use scripted_model::{Script, Step};
use speech_services::Service;
use speech_services::hearing::{Settings, Transcriber};
use testbed::Speechd;

use crate::speech::steady::one_at_a_time;
use crate::speech::wire::{Link, Quality, possible, url};
use crate::support::private_network::inside;
use crate::support::sounds::{SECOND, between, voice_of};
use crate::support::voice::{RATE, borrowed, by_speechd, stretches};
use crate::support::world::World;

const PHRASES: [&str; 4] = [
    "please call the doctor tomorrow morning at seven",
    "what time does the train leave for the city",
    "the children are playing in the garden behind the house",
    "we would like a table for four people tonight",
];
const REPLY: &str = "open the window and close the door";

#[test]
fn a_tenth_of_the_packets_costs_no_word_of_either_side() {
    let _alone = one_at_a_time();
    if possible() && inside("speech::turns::a_tenth_of_the_packets_costs_no_word_of_either_side") {
        tokio::runtime::Runtime::new().unwrap().block_on(each_word_arrives());
    }
}

async fn each_word_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let Some(files) = recordings(directory.path()) else { return };
    let sentences = [&PHRASES[..], &[REPLY]].concat();
    let speechd =
        Speechd::for_sentences(&sentences).unwrap().expect("flite is here, and so the server starts");
    let link = Link::lay(Quality { loss_percent: 10, jitter_ms: 40 }, 7);
    let world = World::around(link.server(), Script::default().otherwise(Step::reply(REPLY))).await;
    let (mut command, address) = (world.voiced(), url(&world.livekit));
    command.env("LIVEKIT_URL", &address);
    let worker = world.worker_of(command, &borrowed(&by_speechd(&speechd, "slt")));

    let record = directory.path().join("call.wav");
    let mut call = world.voiced();
    call.env("LIVEKIT_URL", &address).args(["call", "--room", "lossy", "--record"]).arg(&record);
    let output = link.beyond(call.arg("--wav").args(files)).output().unwrap();
    let [told, complained] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{told}{complained}{}", worker.log());

    let asked: Vec<String> = world
        .model
        .requests()
        .iter()
        .map(|request| {
            let messages = request.body["messages"].as_array().unwrap();
            messages.last().unwrap()["content"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(asked, PHRASES, "{}", worker.log());
    let replies = understood(&record, speechd.base_url()).await;
    assert_eq!(replies, [REPLY; PHRASES.len()]);
    link.check();
}

fn recordings(directory: &Path) -> Option<Vec<std::path::PathBuf>> {
    let recording = |(number, text): (usize, &&str)| {
        let sound = between(SECOND / 5, &voice_of("rms", text, 1.0)?, SECOND / 5);
        let path = directory.join(format!("{number}.wav"));
        std::fs::write(&path, wav::encode(&sound, RATE)).unwrap();
        Some(path)
    };
    PHRASES.iter().enumerate().map(recording).collect()
}

/// What a recogniser understands of what the caller heard.
async fn understood(record: &Path, url: &str) -> Vec<String> {
    let (format, samples) = wav::decode(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!(format.channels, 2);
    let agent: Vec<i16> = samples.chunks(2).map(|both| both[1]).collect();
    let recogniser = Transcriber::new(&Settings::new(Service::new(url.parse().unwrap(), "any"))).unwrap();
    let mut texts = Vec::new();
    for sound in stretches(&agent) {
        texts.push(recogniser.transcribe(&sound, format.rate, None).await.unwrap().text.expose().to_owned());
    }
    texts
}
