//! The voice's server refuses, hangs, breaks off or sends something else.

use std::time::{Duration, Instant};

use scripted_model::{Ending, Form, SpeechStep, Step};
use testbed::spans::Status;

use crate::faults::spoken::{ANSWER, Call};

/// The length of the answer's sound.
fn whole() -> Duration {
    Duration::from_millis(60) * ANSWER.len() as u32
}

/// What packets and their order may change of a length.
const SLACK: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_voice_refuses() {
    read("tts-401", [SpeechStep::answered(Step::status(401))], "refused our key with HTTP 401").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_fails_twice() {
    let failed = SpeechStep::answered(Step::status(500));
    read("tts-500-twice", [failed.clone(), failed], "answered HTTP 500").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_never_answers() {
    let hangs = SpeechStep::answered(Step::hang());
    read("tts-hangs", [hangs.clone(), hangs], "the sound of a reply is late").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_sends_mp3() {
    let mp3 = Step::body(200, *b"ID3\x04\0\0\0\0\0\0").header("content-type", "audio/mpeg");
    read("tts-mp3", [SpeechStep::answered(mp3)], "which cannot be played").await;
}

/// The answer is not heard; it is read, and the log and the trace say why.
async fn read(row: &str, steps: impl IntoIterator<Item = SpeechStep>, why: &str) {
    let Some(mut call) = Call::set(&[]).await else { return };
    call.world.model.push_speeches(steps);
    let asked = Instant::now();
    assert_eq!(call.ask_and_read().await, Duration::ZERO, "it was heard");
    call.worker.wait_for_log(why);
    call.worker.wait_for_log("a reply is not spoken, and stays text");
    call.has_traced(1);
    call.finish(row, asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_falls_silent_in_mid_sentence() {
    let Some(mut call) = Call::set(&[]).await else { return };
    let stalls = Step::default().ending(Ending::Stall).after(5);
    call.world.model.push_speeches([SpeechStep::answered(stalls)]);
    let asked = Instant::now();
    let heard = call.ask_and_read().await;
    assert!((Duration::from_millis(400)..whole()).contains(&heard), "{heard:?} were heard");
    call.worker.wait_for_log("stopped sending in the middle of the speech");
    call.has_traced(1);
    call.finish("tts-hangs-mid-sentence", asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_fails_once() {
    heard("tts-500", SpeechStep::answered(Step::status(500)), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_without_a_byte() {
    let empty = Step::body(200, *b"").header("content-type", "audio/pcm");
    heard("tts-zero-bytes", SpeechStep::answered(empty), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_sends_wav_of_another_rate() {
    heard("tts-wav", SpeechStep::default().form(Form::EndlessWav).rate(16_000), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_is_slower_than_speech() {
    heard("tts-slow", SpeechStep::default().pieces(20, 2.0), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_stalls_for_a_moment() {
    let sound = heard("tts-stall-200ms", SpeechStep::default().pieces(100, 0.0).stall(5, 200), 1).await;
    let Some(sound) = sound else { return };
    assert!(sound <= Duration::from_millis(10), "a gap of {sound:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_stalls_for_five_seconds() {
    let Some(mut call) = Call::set(&[]).await else { return };
    call.world.model.push_speeches([SpeechStep::default().pieces(100, 0.0).stall(5, 5000)]);
    let asked = Instant::now();
    let heard = call.ask_and_read().await;
    assert!(heard + SLACK >= whole() && heard <= whole() + SLACK, "{heard:?} of {:?} were heard", whole());
    call.finish("tts-stall-5s", asked).await;
}

/// The answer is heard whole after so many requests. Returns the longest gap in it.
async fn heard(row: &str, step: SpeechStep, requests: usize) -> Option<Duration> {
    let mut call = Call::set(&[]).await?;
    let before = (call.world.model.speeches().len(), call.ada.look(|seen| seen.sounds.len()));
    call.world.model.push_speeches([step]);
    let asked = Instant::now();
    let heard = call.ask_and_read().await;
    assert_eq!(call.world.model.speeches().len() - before.0, requests, "{}", call.worker.log());
    assert!(heard + SLACK >= whole(), "{heard:?} of {:?} were heard", whole());
    let gap = call.ada.look(|seen| seen.sounds[before.1].gap());
    call.finish(row, asked).await;
    Some(gap)
}

impl Call {
    /// So many requests for speech have failed, and say so in the trace.
    fn has_traced(&self, count: usize) {
        let failed = || {
            let spans = self.world.collector.spans().unwrap();
            let is_failed =
                |span: &&testbed::Span| span.name == "tts_request" && span.status == Status::Error;
            spans.iter().filter(is_failed).filter(|span| !span.status_message.is_empty()).count()
        };
        crate::support::world::wait_until("the trace has it", || failed() == count, || self.worker.log());
    }
}
