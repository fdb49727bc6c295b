//! `/audio/speech`: the request, the forms of answers, time limits, retries and cancellation.

use std::time::{Duration, Instant};

use conversation::{Secret, Text};
use scripted_model::{Ended, Ending, Form, Script, ScriptedModel, SpeechStep, Step};
use speech_services::speaking::{Event, OpenAi, Settings, Speaking, Voice};
use speech_services::{Outcome, Report, Service, Trouble};

use crate::{nowhere, server, since};

const TEXT: &str = "Good morning.";

/// All that came of a text.
#[derive(Debug)]
struct Spoken {
    samples: Vec<i16>,
    rates: Vec<u32>,
    /// The length that `Done` or `Failed` told, and the trouble.
    audio: Duration,
    trouble: Option<Trouble>,
    report: Report,
}

async fn spoken_by(provider: &OpenAi, text: &str) -> Spoken {
    let mut utterance = provider.speak(&Text::from(text), &Voice::default());
    let (mut samples, mut rates) = (Vec::new(), Vec::new());
    let (audio, trouble) = loop {
        match utterance.next().await.expect("the last event is Done or Failed") {
            Event::Audio(sound) => {
                samples.extend(sound.samples);
                rates.push(sound.rate);
            }
            Event::Words(words) => panic!("{words:?}"),
            Event::Done { audio } => break (audio, None),
            Event::Failed { trouble, audio } => break (audio, Some(trouble)),
        }
    };
    assert_eq!(utterance.next().await, None);
    rates.dedup();
    Spoken { samples, rates, audio, trouble, report: utterance.report() }
}

fn settings(service: Service) -> Settings {
    Settings::new(service, "ada")
}

async fn spoken(steps: impl IntoIterator<Item = SpeechStep>) -> (Spoken, ScriptedModel) {
    let (server, service) = server(Script::default().speeches(steps)).await;
    let provider = OpenAi::new(&settings(service)).unwrap();
    (spoken_by(&provider, TEXT).await, server)
}

fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|at| if at % 40 < 20 { 3000 } else { -3000 }).collect()
}

fn body(content_type: &str, body: &[u8]) -> SpeechStep {
    SpeechStep::answered(Step::body(200, body).header("content-type", content_type))
}

fn class(spoken: &Spoken) -> &str {
    &spoken.trouble.as_ref().expect("it failed").failure.class
}

#[tokio::test]
async fn only_what_is_set_is_sent() {
    let (server, mut service) = server(Script::default().api_key("sk-1")).await;
    service.api_key = Some(Secret::new("sk-1"));
    spoken_by(&OpenAi::new(&settings(service.clone())).unwrap(), TEXT).await;
    let usual =
        serde_json::json!({"model": "scripted", "input": TEXT, "voice": "ada", "response_format": "pcm"});
    assert_eq!(server.speeches()[0].body, usual);
    let all = Settings {
        language: Some("en".into()),
        speed: Some(1.25),
        instructions: Some("calmly".into()),
        ..settings(service)
    };
    let provider = OpenAi::new(&all).unwrap();
    let voice = Voice { name: Some("bob".into()), language: Some("de".into()), ..Voice::default() };
    let mut utterance = provider.speak(&TEXT.into(), &voice);
    while utterance.next().await.is_some() {}
    let body = &server.speeches()[1].body;
    assert_eq!((&body["voice"], &body["language"]), (&"bob".into(), &"de".into()));
    assert_eq!((&body["speed"], &body["instructions"]), (&1.25.into(), &"calmly".into()));
}

#[tokio::test]
async fn texts_behind_one_another_share_a_connection() {
    let (server, service) = server(Script::default()).await;
    let provider = OpenAi::new(&settings(service)).unwrap();
    for form in [Form::Pcm, Form::Wav, Form::Events] {
        server.push_speeches([SpeechStep::samples(tone(2400)).form(form)]);
        assert!(spoken_by(&provider, TEXT).await.trouble.is_none());
        // A connection is free a moment after its last answer.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.speeches().len(), server.connections()), (3, 1));
}

#[tokio::test]
async fn samples_come_whole_in_each_form() {
    for form in [Form::Pcm, Form::Wav, Form::EndlessWav, Form::Events] {
        for split in [0, 7, 4096] {
            let step = SpeechStep::samples(tone(2400)).form(form).answer(Step::default().split_bytes(split));
            let (spoken, _server) = spoken([step]).await;
            assert_eq!(spoken.samples, tone(2400), "{form:?} in pieces of {split}");
            assert_eq!((spoken.rates.as_slice(), spoken.audio), (&[24_000][..], Duration::from_millis(100)));
        }
    }
}

#[tokio::test]
async fn the_rate_is_the_wavs_or_the_settings() {
    let (wav, _server) = spoken([SpeechStep::samples(tone(1600)).form(Form::Wav).rate(16_000)]).await;
    assert_eq!((wav.rates, wav.audio), (vec![16_000], Duration::from_millis(100)));
    let (server, service) = server(Script::default()).await;
    let slow = Settings { sample_rate: Some(16_000), ..settings(service) };
    server.push_speeches([SpeechStep::samples(tone(1600))]);
    assert_eq!(spoken_by(&OpenAi::new(&slow).unwrap(), TEXT).await.rates, [16_000]);
    let raw: Vec<u8> = tone(800).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    server.push_speeches([body("audio/pcm; rate=8000", &raw)]);
    assert_eq!(spoken_by(&OpenAi::new(&slow).unwrap(), TEXT).await.rates, [8_000]);
}

#[tokio::test]
async fn the_report_tells_times_audio_and_characters() {
    let step = SpeechStep::samples(tone(4800)).form(Form::Events).answer(Step::default().delay_ms(80));
    let (spoken, _server) = spoken([step]).await;
    let report = spoken.report;
    assert_eq!((report.characters, report.audio), (13, Duration::from_millis(200)));
    assert_eq!((report.tokens, report.outcome), (Some(7), Outcome::Complete));
    let first = report.time_to_first_byte.unwrap();
    assert!(first >= Duration::from_millis(80) && first <= report.ended - report.started, "{first:?}");
    let [attempt] = report.attempts.as_slice() else { panic!("{:?}", report.attempts) };
    assert_eq!((attempt.http_status, attempt.request_id.as_deref()), (Some(200), Some("req_scripted_0")));
    assert!(attempt.first_byte.is_some() && attempt.failure.is_none());
}

#[tokio::test]
async fn the_first_piece_is_there_long_before_the_last() {
    let step = SpeechStep::samples(tone(48_000)).pieces(100, 1.0);
    let (_server, service) = server(Script::default().speeches([step])).await;
    let provider = OpenAi::new(&settings(service)).unwrap();
    let started = Instant::now();
    let mut utterance = provider.speak(&TEXT.into(), &Voice::default());
    let Some(Event::Audio(first)) = utterance.next().await else { panic!("no audio") };
    assert!(since(started) < Duration::from_secs(1), "{:?}", since(started));
    assert_eq!(first.samples.len(), 2400);
    while utterance.next().await.is_some() {}
    assert!(since(started) >= Duration::from_millis(1900), "{:?}", since(started));
}

#[tokio::test]
async fn the_next_text_is_asked_for_while_nothing_is_read() {
    let (server, service) = server(Script::default()).await;
    let provider = OpenAi::new(&settings(service)).unwrap();
    let waiting = provider.speak(&TEXT.into(), &Voice::default());
    server.wait_speeches(|all| all.first().is_some_and(|one| one.ended == Ended::Answered)).await.unwrap();
    drop(waiting);
}

#[tokio::test]
async fn a_slow_reader_is_no_stall() {
    // More than the queue holds, so that the server has to wait for the reader.
    let step = SpeechStep::samples(tone(1_200_000)).pieces(10_000, 0.0);
    let (_server, service) = server(Script::default().speeches([step])).await;
    let limits = Settings {
        stall_timeout: Duration::from_secs(1),
        total_timeout: Duration::from_secs(2),
        ..settings(service)
    };
    let mut utterance = OpenAi::new(&limits).unwrap().speak(&TEXT.into(), &Voice::default());
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let mut samples = 0;
    let last = loop {
        match utterance.next().await.unwrap() {
            Event::Audio(sound) => samples += sound.samples.len(),
            last => break last,
        }
    };
    assert_eq!((last, samples), (Event::Done { audio: Duration::from_secs(50) }, 1_200_000));
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_at_once() {
    for (content_type, bytes, class_told, told) in [
        ("audio/mpeg", &b"\xff\xfb\x90\x64xxxxxxxxxxxxxxxxxx"[..], "not_playable", "mp3"),
        ("application/octet-stream", b"OggSxxxxxxxxxxxxxxxx", "not_playable", "Opus in Ogg"),
        ("text/html", b"<html>Sign in</html>", "not_playable", "a page"),
        ("application/json", br#"{"error":{"message":"no such voice"}}"#, "provider_error", "no such voice"),
        ("audio/wav", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0", "malformed_audio", "WAV"),
    ] {
        let (spoken, _server) = spoken([body(content_type, bytes), body(content_type, bytes)]).await;
        assert_eq!(class(&spoken), class_told, "{content_type}");
        let message = &spoken.trouble.as_ref().unwrap().failure.message;
        assert!(message.contains(told) && spoken.audio.is_zero(), "{message}");
    }
}

#[tokio::test]
async fn no_audio_for_words_is_an_error_and_tried_again() {
    let (spoken_at_last, server) = spoken([body("audio/pcm", b""), SpeechStep::samples(tone(2400))]).await;
    assert!(spoken_at_last.trouble.is_none() && server.speeches().len() == 2);
    let (none, _server) = spoken([body("audio/pcm", b""), body("audio/pcm", b"")]).await;
    assert_eq!(class(&none), "no_audio");
    assert_eq!(none.report.attempts.len(), 2);
}

#[tokio::test]
async fn a_text_without_words_is_not_sent() {
    let (server, service) = server(Script::default()).await;
    let provider = OpenAi::new(&settings(service)).unwrap();
    for text in ["", " … ", "👍", "—!"] {
        let spoken = spoken_by(&provider, text).await;
        assert!(spoken.trouble.is_none() && spoken.audio.is_zero(), "{text}");
    }
    assert!(server.speeches().is_empty());
}

#[tokio::test]
async fn a_failure_before_any_audio_is_tried_again() {
    let early = SpeechStep::default().answer(Step::default().after(0).ending(Ending::Reset));
    for step in [
        SpeechStep::answered(Step::status(503)),
        SpeechStep::answered(Step::status(429).retry_after("0.05")),
        early,
    ] {
        let shown = format!("{:?}", step.answer.status);
        let (spoken, server) = spoken([step, SpeechStep::samples(tone(2400))]).await;
        assert_eq!((spoken.samples.len(), server.speeches().len()), (2400, 2), "{shown}");
        assert_eq!(spoken.report.attempts.len(), 2);
    }
}

#[tokio::test]
async fn a_failure_after_audio_is_not_tried_again() {
    for ending in [Ending::Reset, Ending::Close] {
        let step = SpeechStep::samples(tone(24_000)).answer(Step::default().after(3).ending(ending));
        let (spoken, server) = spoken([step]).await;
        assert_eq!(class(&spoken), "connection_lost");
        assert_eq!((spoken.audio, spoken.samples.len()), (Duration::from_millis(300), 7200));
        assert_eq!((server.speeches().len(), spoken.report.audio), (1, Duration::from_millis(300)));
    }
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    for status in [400, 401, 403, 404] {
        let (spoken, server) =
            spoken([SpeechStep::answered(Step::status(status).error("x", "no such voice"))]).await;
        let trouble = spoken.trouble.unwrap();
        assert_eq!((trouble.status, trouble.retryable, server.speeches().len()), (Some(status), false, 1));
        assert!(trouble.failure.message.contains("(no such voice)"), "{trouble:?}");
    }
}

#[tokio::test]
async fn each_time_limit_is_told_by_its_name() {
    let after = |pieces, ending| Step::default().after(pieces).ending(ending);
    let stalls = SpeechStep::samples(tone(24_000)).answer(after(2, Ending::Stall));
    let slow = SpeechStep::samples(tone(48_000)).pieces(100, 3.0);
    for (step, total, class_told, audio) in [
        (SpeechStep::answered(Step::hang()), 20, "first_audio_timeout", 0..=0),
        (SpeechStep::default().answer(after(0, Ending::Stall)), 20, "first_audio_timeout", 0..=0),
        (stalls, 20, "stall_timeout", 200..=200),
        (slow, 1, "total_timeout", 100..=300),
    ] {
        let (_server, mut service) = server(Script::default().speeches([step])).await;
        service.timeout = Duration::from_secs(1);
        service.max_attempts = 1;
        let (stall_timeout, total_timeout) = (Duration::from_secs(1), Duration::from_secs(total));
        let limits = Settings { stall_timeout, total_timeout, ..settings(service) };
        let spoken = spoken_by(&OpenAi::new(&limits).unwrap(), TEXT).await;
        assert_eq!(class(&spoken), class_told);
        assert!(audio.contains(&spoken.audio.as_millis()), "{class_told} after {:?}", spoken.audio);
    }
}

#[tokio::test]
async fn dropping_an_utterance_ends_the_request() {
    let step = SpeechStep::samples(tone(240_000)).pieces(100, 1.0);
    let (server, service) = server(Script::default().speeches([step])).await;
    let mut utterance = OpenAi::new(&settings(service)).unwrap().speak(&TEXT.into(), &Voice::default());
    assert!(matches!(utterance.next().await, Some(Event::Audio(_))));
    let report = utterance.report();
    assert_eq!((report.outcome, report.attempts.len()), (Outcome::Interrupted, 1));
    assert_eq!(report.attempts[0].http_status, Some(200));
    let dropped = Instant::now();
    drop(utterance);
    server.wait_speeches(|all| all[0].ended == Ended::Cut).await.unwrap();
    assert!(since(dropped) < Duration::from_secs(5), "{:?}", since(dropped));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let spoken = spoken_by(&OpenAi::new(&settings(nowhere())).unwrap(), TEXT).await;
    assert_eq!(class(&spoken), "connect");
}
