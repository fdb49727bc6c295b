//! What the crate itself costs, between its caller and the server.

use std::time::{Duration, Instant};

use scripted_model::{Script, SpeechStep, Step};
use speech_services::hearing::{Settings, Transcriber};
use speech_services::speaking::{self, Event, OpenAi, Speaking, Voice};

use crate::{loud, server};

const REQUESTS: usize = 200;

/// The median and the 95th percentile.
fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 95 / 100])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: measures"]
async fn speech_is_handed_on_within_milliseconds() {
    let step = || SpeechStep::default().pieces(20, 0.0).answer(Step::default().delay_ms(2));
    let (server, service) = server(Script::default().speeches((0..REQUESTS).map(|_| step()))).await;
    let mouth = OpenAi::new(&speaking::Settings::new(service, "ada")).unwrap();
    let mut called = Vec::new();
    let mut heard = Vec::new();
    for _ in 0..REQUESTS {
        called.push(Instant::now());
        let mut utterance = mouth.speak(&"Good morning.".into(), &Voice::default());
        assert!(matches!(utterance.next().await, Some(Event::Audio(_))));
        heard.push(Instant::now());
        while utterance.next().await.is_some() {}
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let all = server.speeches();
    let asked = spread(all.iter().zip(&called).map(|(one, called)| one.came - *called).collect());
    let handed = spread(all.iter().zip(&heard).map(|(one, heard)| *heard - one.written[0]).collect());
    println!("call to request at the server: {asked:?}; first bytes to event: {handed:?} (median, p95)");
    println!("{} connections", server.connections());
    assert!(handed.0 < Duration::from_millis(5) && asked.0 < Duration::from_millis(10));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: measures"]
async fn a_transcript_costs_milliseconds_beside_the_server() {
    let steps = (0..REQUESTS).map(|_| Step::reply("Good morning.").delay_ms(2));
    let (server, service) = server(Script::default().transcriptions(steps)).await;
    let ear = Transcriber::new(&Settings::new(service)).unwrap();
    let samples = loud(3000);
    let (mut called, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        called.push(Instant::now());
        ear.transcribe(&samples, 16_000, None).await.unwrap();
        heard.push(Instant::now());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let all = server.transcriptions();
    let asked = spread(all.iter().zip(&called).map(|(one, called)| one.came - *called).collect());
    let handed = spread(all.iter().zip(&heard).map(|(one, heard)| *heard - one.written[0]).collect());
    println!(
        "call to request at the server, 3 s of audio: {asked:?}; answer to transcript: {handed:?} (median, p95)"
    );
    println!("{} connections", server.connections());
    assert!(handed.0 < Duration::from_millis(10) && asked.0 < Duration::from_millis(100));
}
