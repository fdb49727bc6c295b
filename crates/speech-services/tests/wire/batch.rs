//! The session that is made of requests: what the caller's marks bring about.

use std::time::Duration;

use scripted_model::{Ended, Script, ScriptedModel, Step};
use speech_services::hearing::{Batch, Event, Events, Hearing, Mark, Settings, Sink, Transcriber};

use crate::{loud, server};

struct Session {
    sink: Sink,
    events: Events,
    server: ScriptedModel,
}

async fn session(steps: impl IntoIterator<Item = Step>) -> Session {
    let (server, service) = server(Script::default().transcriptions(steps)).await;
    let batch = Batch::new(Transcriber::new(&Settings::new(service)).unwrap());
    let (sink, events) = batch.open(16_000, Some("en")).await.unwrap();
    Session { sink, events, server }
}

// === impl Session ===

impl Session {
    /// Sound at some hundred times its pace, which the session keeps up with.
    async fn hear(&mut self, milliseconds: usize) {
        for (second, sound) in loud(milliseconds).chunks(16_000).enumerate() {
            if second > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(sound.chunks(320).all(|frame| self.sink.audio(frame)), "sound was dropped");
        }
    }

    fn mark(&mut self, mark: Mark) {
        assert!(self.sink.mark(mark));
    }

    /// The next event that is not about costs.
    async fn event(&mut self) -> Option<Event> {
        loop {
            match self.events.next().await {
                Some(Event::Request(_) | Event::Usage { .. }) => {}
                event => return event,
            }
        }
    }

    async fn text(&mut self) -> String {
        match self.event().await {
            Some(Event::Final(said)) => said.text.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    async fn requests(&self, count: usize) -> Vec<u64> {
        let all = self.server.wait_transcriptions(|all| all.len() == count).await.unwrap();
        all.iter().map(|request| request.body["samples"].as_u64().unwrap() / 16).collect()
    }
}

#[tokio::test]
async fn the_request_begins_at_the_pause_and_the_text_is_told_early() {
    let mut session = session([Step::reply("Good morning.")]).await;
    session.hear(1000).await;
    session.mark(Mark::Began);
    session.hear(600).await;
    session.mark(Mark::Paused);
    assert_eq!(session.event().await, Some(Event::EagerEnd { text: "Good morning.".into() }));
    session.hear(300).await;
    session.mark(Mark::Ended);
    assert_eq!(session.text().await, "Good morning.");
    assert_eq!(session.requests(1).await, [1100], "half a second before it belongs to an utterance");
    assert_eq!(session.server.transcriptions()[0].body["language"], "en");
}

#[tokio::test]
async fn speech_that_goes_on_drops_the_request() {
    let mut session = session([Step::reply("Good").delay_ms(3000), Step::reply("Good morning.")]).await;
    session.mark(Mark::Began);
    session.hear(400).await;
    session.mark(Mark::Paused);
    session.requests(1).await;
    session.mark(Mark::Resumed);
    session.hear(400).await;
    session.mark(Mark::Paused);
    session.mark(Mark::Ended);
    assert_eq!(session.text().await, "Good morning.");
    assert_eq!(session.requests(2).await, [400, 800]);
}

#[tokio::test]
async fn a_text_that_was_told_early_is_taken_back() {
    let mut session = session([Step::reply("Good"), Step::reply("Good morning.")]).await;
    session.mark(Mark::Began);
    session.hear(400).await;
    session.mark(Mark::Paused);
    assert_eq!(session.event().await, Some(Event::EagerEnd { text: "Good".into() }));
    session.mark(Mark::Resumed);
    assert_eq!(session.event().await, Some(Event::Resumed));
    session.hear(400).await;
    session.mark(Mark::Ended);
    assert_eq!(session.text().await, "Good morning.");
}

#[tokio::test]
async fn texts_keep_the_order_of_their_utterances() {
    let steps = [Step::reply("one").delay_ms(200), Step::reply("two"), Step::reply("three")];
    let mut session = session(steps).await;
    for number in 1..=3 {
        session.mark(Mark::Began);
        session.hear(300).await;
        session.mark(Mark::Paused);
        session.mark(Mark::Ended);
        // The server answers in the order in which requests come.
        session.requests(number).await;
    }
    session.sink.close();
    let mut texts = Vec::new();
    while let Some(event) = session.events.next().await {
        if let Event::Final(said) = event {
            texts.push(said.text.expose().to_owned());
        }
    }
    assert_eq!(texts, ["one", "two", "three"]);
}

#[tokio::test]
async fn silence_is_an_event_and_a_failure_is_one_too() {
    let mut session = session([Step::reply(""), Step::status(401)]).await;
    for _ in 0..2 {
        session.mark(Mark::Began);
        session.hear(300).await;
        session.mark(Mark::Ended);
    }
    assert_eq!(session.event().await, Some(Event::NothingSaid));
    let failed = session.event().await;
    assert!(matches!(&failed, Some(Event::Failed(trouble)) if trouble.status == Some(401)), "{failed:?}");
}

#[tokio::test]
async fn closing_hears_what_was_put_in() {
    let mut session = session([Step::reply("hi").delay_ms(100)]).await;
    session.mark(Mark::Began);
    session.hear(300).await;
    session.sink.close();
    let mut kinds = Vec::new();
    while let Some(event) = session.events.next().await {
        kinds.push(match event {
            Event::Request(report) => format!("request of {:?}", report.0.audio),
            Event::Usage { audio, .. } => format!("usage {audio:?}"),
            Event::Final(said) => said.text.expose().to_owned(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, ["request of 300ms", "usage 1s", "hi"]);
}

#[tokio::test]
async fn finalize_cuts_an_utterance_that_goes_on() {
    let mut session = session([Step::reply("one"), Step::reply("two")]).await;
    session.mark(Mark::Began);
    session.hear(300).await;
    assert!(session.sink.finalize());
    session.hear(500).await;
    session.mark(Mark::Ended);
    assert_eq!((session.text().await, session.text().await), ("one".into(), "two".into()));
    assert_eq!(session.requests(2).await, [300, 500]);
}

#[tokio::test]
async fn speech_that_goes_on_after_a_cut_pause_is_heard() {
    let mut session = session([Step::reply("one"), Step::reply("two")]).await;
    session.mark(Mark::Began);
    session.hear(300).await;
    session.mark(Mark::Paused);
    session.hear(100).await;
    assert!(session.sink.finalize());
    session.mark(Mark::Resumed);
    session.hear(500).await;
    session.mark(Mark::Ended);
    assert_eq!((session.text().await, session.text().await), ("one".into(), "two".into()));
    assert_eq!(session.requests(2).await, [300, 600]);
}

#[tokio::test]
async fn an_utterance_without_end_is_cut() {
    let mut session = session([Step::reply("one"), Step::reply("two")]).await;
    session.mark(Mark::Began);
    session.hear(65_000).await;
    session.mark(Mark::Ended);
    assert_eq!((session.text().await, session.text().await), ("one".into(), "two".into()));
    assert_eq!(session.requests(2).await, [60_000, 5000]);
}

#[tokio::test]
async fn ten_minutes_without_a_pause_are_transcribed_whole_and_in_order() {
    let words: Vec<String> = (0..10).map(|minute| format!("minute {minute}")).collect();
    let mut session = session(words.iter().map(Step::reply)).await;
    session.mark(Mark::Began);
    let mut texts = Vec::new();
    for _ in 0..9 {
        session.hear(60_000).await;
        texts.push(session.text().await);
    }
    session.hear(59_000).await;
    session.mark(Mark::Ended);
    texts.push(session.text().await);
    assert_eq!(texts, words);
    assert_eq!(session.requests(10).await, [vec![60_000; 9], vec![59_000]].concat());
}

#[tokio::test]
async fn marks_out_of_order_do_no_harm() {
    let mut session = session([Step::reply("hi")]).await;
    for mark in [Mark::Ended, Mark::Resumed, Mark::Paused, Mark::Began, Mark::Began, Mark::Resumed] {
        session.mark(mark);
    }
    session.hear(300).await;
    for mark in [Mark::Paused, Mark::Paused, Mark::Ended, Mark::Ended] {
        session.mark(mark);
    }
    assert_eq!(session.text().await, "hi");
    session.sink.close();
    assert_eq!(session.events.next().await, None);
}

#[tokio::test]
async fn dropping_the_events_ends_the_session() {
    let mut session = session([Step::hang()]).await;
    session.mark(Mark::Began);
    session.hear(300).await;
    session.mark(Mark::Ended);
    session.requests(1).await;
    let Session { mut sink, events, server } = session;
    drop(events);
    while sink.mark(Mark::Began) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The request itself is bounded by its time limit, for the sake of its connection.
    server.wait_transcriptions(|all| all[0].ended == Ended::Cut).await.unwrap();
}
