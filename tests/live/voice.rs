//! Turns that are spoken: a person's voice in, the agent's voice out.

mod interrupted;
mod preemptive;
mod restored;

use std::time::Duration;

use scripted_model::{Script, SpeechStep, Step};
use speech_services::Service;
use speech_services::hearing::{Settings, Transcriber};
use testbed::{Span, Speechd};

use crate::support::contract::assert_keys;
use crate::support::exposition::Exposition;
pub(crate) use crate::support::voice::borrowed;
use crate::support::voice::{Person, RATE, spoken};
use crate::support::world::{Worker, World, wait_until};

pub(crate) const QUESTION: &str = "what will the weather be tomorrow";
const REPLY: &str = "It will be sunny all day. Take a hat with you.";
const TEXT_NOTICE: &str = "I cannot speak at the moment, so I write.";
/// The length of the scripted voice's sound for a text.
pub(crate) const TONE: Duration = Duration::from_millis(60);

/// A world whose server of models also hears and speaks.
pub(crate) async fn world(script: Script) -> World {
    World::start(script.otherwise(Step::reply(REPLY))).await
}

/// The settings of a worker that hears and speaks there, and says nothing by itself.
pub(crate) fn settings(world: &World) -> Vec<String> {
    let url = world.model.base_url();
    [
        "stt.provider=openai",
        "stt.model=whisper",
        "tts.provider=openai",
        "tts.model=kokoro",
        "agent.greeting=",
        "agent.apology=That did not work.",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("stt.base_url={url}"), format!("tts.base_url={url}")])
    .collect()
}

/// The same, for an agent that pauses at any sound.
pub(crate) fn impatient(world: &World) -> Vec<String> {
    let interruption = ["interruption.warm_up=0s", "interruption.min_duration=100ms"].map(str::to_owned);
    settings(world).into_iter().chain(interruption).collect()
}

/// A person who has asked for a story and hears it.
pub(crate) async fn story(world: &World, room: &str, question: &[i16]) -> Person {
    let ada = Person::join(world, room).await;
    ada.say(question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1000)).await;
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_question_gets_a_spoken_answer_and_one_trace() {
    let Some(question) = spoken(QUESTION) else { return };
    let world =
        world(Script::default().transcriptions([Step::reply("What will the weather be tomorrow?")])).await;
    let worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "weather").await;
    let said = ada.say(&question).await;
    let sounds = ada.sounds(1).await;
    ada.wait_until("the agent listens again", |seen| {
        seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;

    // The sound of the question went out, with half a second in front of it, and none of the silence behind it.
    let heard = world.model.transcriptions();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let sent = heard[0].body["samples"].as_u64().unwrap() as f64 / f64::from(RATE);
    let length = question.len() as f64 / f64::from(RATE);
    assert!((length - 0.7..length + 0.7).contains(&sent), "{sent} s of {length} s were sent");
    assert!(heard[0].body["peak"].as_i64().unwrap() > 3_000, "{:?}", heard[0].body);

    let asked = world.model.requests().pop().unwrap().body;
    assert_eq!(
        asked["messages"].as_array().unwrap().last().unwrap()["content"],
        "What will the weather be tomorrow?"
    );
    let speeches: Vec<_> = world
        .model
        .speeches()
        .iter()
        .map(|speech| speech.body["input"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(speeches.join(" "), REPLY);

    // The person hears all of the voice, without a gap of a second.
    assert_eq!(sounds.len(), 1);
    let expected = TONE * REPLY.replace(' ', "_").len() as u32;
    let length = sounds[0].length();
    let most = expected + Duration::from_millis(300);
    assert!((expected - Duration::from_millis(300)..most).contains(&length), "{length:?} of {expected:?}");
    println!("mouth to ear: {:?}", sounds[0].began.saturating_duration_since(said));

    let texts = ada.look(|seen| seen.texts.clone());
    let mine: Vec<_> = texts.iter().filter(|text| text.sender == "ada").collect();
    assert!(mine.iter().all(|text| text.text == "What will the weather be tomorrow?"), "{texts:?}");
    assert!(
        mine.last().unwrap().is_final && mine.iter().all(|text| text.segment == mine[0].segment),
        "{texts:?}"
    );
    let states: Vec<String> = ada.look(|seen| seen.states.iter().map(|(_, state)| state.clone()).collect());
    assert!(states.ends_with(&["thinking".into(), "speaking".into(), "listening".into()]), "{states:?}");

    assert_counted(
        &worker,
        &[
            ("voiced_stt_requests_total", &[("outcome", "complete")], 1.0),
            ("voiced_tts_requests_total", &[("outcome", "complete")], speeches.len() as f64),
            ("voiced_tts_characters_total", &[], (REPLY.len() + 1 - speeches.len()) as f64),
            ("voiced_turn_e2e_latency_seconds_count", &[], 1.0),
            ("voiced_turn_transcription_delay_seconds_count", &[], 1.0),
            ("voiced_turn_end_of_turn_delay_seconds_count", &[], 1.0),
            ("voiced_turn_tts_ttfb_seconds_count", &[], 1.0),
            ("voiced_speech_pauses_total", &[], 0.0),
            ("voiced_speech_frames_dropped_total", &[], 0.0),
        ],
    );
    ada.leave().await;
    let traces = world.traces(1);
    let spans = world.collector.spans().unwrap();
    assert_keys(&spans);
    for (name, count) in [("stt_request", 1), ("stt_request_run", 1), ("tts_request_run", speeches.len())] {
        let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(named.len(), count, "{name}");
        assert!(named.iter().all(|span| span.trace_id == traces[0].root.trace_id), "{name}");
    }
    let root = &traces[0].root;
    println!("{:?}", root.attributes);
    for key in ["lk.e2e_latency", "lk.transcription_delay", "lk.end_of_turn_delay", "lk.tts_ttfb"] {
        let seconds = root.attributes[key].as_f64().unwrap();
        assert!((0.0..5.0).contains(&seconds), "{key} {seconds}");
    }
    assert!(root.attributes["lk.end_of_turn_delay"].as_f64().unwrap() >= 0.499, "the turn's delay");
    let seconds = |key: &str| root.attributes[key].as_f64().unwrap();
    let said = question.len() as f64 / f64::from(RATE);
    assert!((0.3 * said..said).contains(&seconds("livekit.input_audio_duration")), "{said} s were said");
    let spoken = TONE * speeches.concat().len() as u32;
    assert!((seconds("livekit.output_audio_duration") - spoken.as_secs_f64()).abs() < 0.02, "{spoken:?}");
    assert!((seconds("livekit.stt_audio_duration") - sent).abs() < 0.01);
    assert!(!root.attributes.contains_key("lk.playout.position"), "it was not interrupted");
    assert_recorded(&world, root);
    drop(worker);
}

/// A metric's name, labels and value.
type Counted<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// The metrics of a worker come to these values.
fn assert_counted(worker: &Worker, expected: &[Counted<'_>]) {
    let wrong = || {
        let answer = testbed::http::get(worker.http_port, "/metrics").unwrap();
        let scraped = Exposition::parse(&answer.body).unwrap();
        let differs = |(name, labels, value): &Counted<'_>| {
            let found = scraped.get(name, labels);
            (found != Some(*value)).then(|| format!("{name}{labels:?}: {found:?}, not {value}"))
        };
        expected.iter().filter_map(differs).collect::<Vec<_>>().join("\n")
    };
    wait_until("the numbers are as expected", || wrong().is_empty(), wrong);
}

/// The record has what the trace of an answered turn has, and a page shows it.
fn assert_recorded(world: &World, root: &Span) {
    let id = root.attributes["session.id"].as_str().unwrap();
    let shown = world.json(&["sessions", "show", id, "--json"]);
    let turn = &shown["turns"][0];
    assert_eq!(turn["trace_id"].as_str(), Some(root.trace_id.as_str()));
    for (key, figure) in [
        ("lk.transcription_delay", "transcription_delay_s"),
        ("lk.end_of_turn_delay", "end_of_turn_delay_s"),
        ("lk.tts_ttfb", "tts_ttfb_s"),
        ("livekit.input_audio_duration", "heard_s"),
        ("livekit.output_audio_duration", "played_s"),
    ] {
        let (traced, recorded) = (root.attributes[key].as_f64(), turn["speech"][figure].as_f64());
        assert!((traced.unwrap() - recorded.unwrap()).abs() < 1e-5, "{key}: {traced:?} {recorded:?}");
    }
    let attempts = turn["attempts"].as_array().unwrap();
    let mut stages: Vec<_> = attempts.iter().map(|attempt| attempt["stage"].as_str().unwrap()).collect();
    stages.dedup();
    assert_eq!(stages, ["stt", "llm", "tts"], "in the order in which they began: {attempts:?}");
    assert!(attempts.iter().all(|attempt| attempt["http_status"] == 200), "{attempts:?}");
    assert!(turn["speech"]["cut"].is_null(), "{turn}");
    let text = String::from_utf8(world.run(&["sessions", "show", id]).stdout).unwrap();
    for words in ["stt 1", "llm 1", "tts 1", "first sound", "end of turn", "1 spoken turns"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_speech_without_words_are_no_turns() {
    let Some(question) = spoken(QUESTION) else { return };
    let world = world(Script::default().transcriptions([Step::reply("")])).await;
    let worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "quiet").await;
    ada.say(&vec![0; RATE as usize * 3]).await;
    assert!(world.model.transcriptions().is_empty(), "silence was transcribed");
    ada.say(&question).await;
    ada.say(&vec![0; RATE as usize * 3]).await;
    assert_eq!(world.model.transcriptions().len(), 1);
    assert!(world.model.requests().is_empty(), "the model was asked");
    assert_counted(
        &worker,
        &[
            ("voiced_speech_wordless_total", &[("result", "no_words")], 1.0),
            ("voiced_stt_requests_total", &[("outcome", "complete")], 1.0),
            ("voiced_turn_heard_seconds_total", &[], 0.0),
        ],
    );
    worker.wait_for_log("had no words");
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_is_refused_leaves_the_reply_in_text() {
    let Some(question) = spoken(QUESTION) else { return };
    let refused = SpeechStep::answered(Step::status(401));
    let script = Script::default()
        .transcriptions([Step::reply("Weather?"), Step::reply("Weather?")])
        .speeches([refused]);
    let world = world(script).await;
    let worker = world.worker(&borrowed(&settings(&world)));
    let ada = Person::join(&world, "refused").await;
    ada.say(&question).await;
    let is_reply = |text: &crate::support::voice::Written| text.sender != "ada" && text.text == REPLY;
    ada.wait_until("the reply is written", |seen| seen.texts.iter().any(is_reply)).await;
    worker.wait_for_log("a reply is not spoken, and stays text");
    assert!(ada.look(|seen| seen.sounds.is_empty()), "something sounded");
    assert_counted(
        &worker,
        &[
            ("voiced_tts_requests_total", &[("outcome", "failed")], 1.0),
            ("voiced_tts_attempt_errors_total", &[("class", "401")], 1.0),
        ],
    );
    let is_notice = |text: &&crate::support::voice::Written| text.text == TEXT_NOTICE;
    ada.wait_until("the person is told", |seen| seen.texts.iter().any(|text| is_notice(&text))).await;
    // The next turn is spoken again.
    ada.say(&question).await;
    assert_eq!(ada.sounds(1).await.len(), 1);
    assert_eq!(ada.look(|seen| seen.texts.iter().filter(is_notice).count()), 1);
    ada.leave().await;
}

/// What the person says into the reply.
const INTERJECTION: &str = "stop that please and be quiet";
/// A reply of seven seconds of the scripted voice.
pub(crate) const LONG: &str =
    "This is a long story about a town. It has a river and a bridge. Many people live there and are happy.";

#[tokio::test(flavor = "multi_thread")]
async fn words_cut_the_reply_and_the_model_learns_how_far_it_came() {
    let (Some(question), Some(interjection)) = (spoken(QUESTION), spoken(INTERJECTION)) else { return };
    let script = Script::new([Step::reply(LONG), Step::reply("As you like.")])
        .transcriptions([Step::reply("Tell me a story."), Step::reply("Stop that, please.")]);
    let world = world(script).await;
    let mut settings = impatient(&world);
    let events = world.dir().join("events");
    settings.push(format!("store.events_dir={}", events.display()));
    let worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "story").await;
    ada.say(&question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ada.say(&interjection).await;
    let sounds = ada.sounds(2).await;
    let whole = TONE * LONG.len() as u32;
    assert!(sounds[0].length() < whole / 2, "{:?} of {whole:?} were heard", sounds[0].length());
    let asked = world.model.requests().pop().unwrap().body;
    let said =
        asked["messages"].as_array().unwrap().iter().rfind(|message| message["role"] == "assistant").unwrap();
    let said = said["content"].as_str().unwrap();
    let said = said.split_once(" … [").expect("a mark of the interruption").0;
    assert!(said.len() > 5 && said.len() < LONG.len() / 2 && LONG.starts_with(said), "{said:?}");
    assert_counted(
        &worker,
        &[
            ("voiced_speech_pauses_total", &[("result", "interrupted")], 1.0),
            ("voiced_turn_interruptions_total", &[("while", "speaking")], 1.0),
        ],
    );
    ada.leave().await;
    let traces = world.traces(2);
    let root = &traces[0].root.attributes;
    assert_eq!(root["lk.interrupted"], true);
    let heard = sounds[0].length().as_secs_f64();
    let position = root["lk.playout.position"].as_f64().unwrap();
    assert!((position - heard).abs() < 0.4, "cut at {position} s, heard {heard} s");
    assert_eq!(root["livekit.cut_bytes"], said.len());
    let shown = world.json(&["sessions", "show", root["session.id"].as_str().unwrap(), "--json"]);
    let cut = &shown["turns"][0]["speech"]["cut"];
    assert_eq!(cut["bytes"], said.len());
    assert!((cut["played_s"].as_f64().unwrap() - position).abs() < 1e-5, "{cut}");
    drop(worker);
    assert_explained(&world, &events);
}

/// Asserts that the session's event log is replayed to the same actions, with their reasons.
fn assert_explained(world: &World, events: &std::path::Path) {
    let logs: Vec<_> = std::fs::read_dir(events).unwrap().map(|log| log.unwrap().path()).collect();
    let [log] = &logs[..] else { panic!("{logs:?}") };
    let output = world.run(&["replay", log.to_str().unwrap()]);
    let [told, complained] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{told}{complained}");
    for told_of in [
        "the turn ends: ",
        "ms of silence, behind a finished sentence (turn.min_delay 500 ms)",
        "the turn interrupts the reply",
        "the reply is cut: a person said something else",
        "turn 0 is over: interrupted",
        "the reply to turn 1 begins",
        "events, replayed to the same actions",
    ] {
        assert!(told.contains(told_of), "{told_of}: {told}");
    }
    println!("{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_without_words_pauses_the_reply_and_loses_nothing() {
    let (Some(question), Some(cough)) = (spoken(QUESTION), spoken("hum")) else { return };
    let script =
        Script::new([Step::reply(LONG)]).transcriptions([Step::reply("Tell me a story."), Step::reply("")]);
    let world = world(script).await;
    let worker = world.worker(&borrowed(&impatient(&world)));
    let ada = Person::join(&world, "cough").await;
    ada.say(&question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ada.say(&cough).await;
    ada.wait_until("the agent listens again", |seen| {
        seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    assert_eq!(world.model.requests().len(), 1, "the cough was a turn");
    assert_eq!(world.model.transcriptions().len(), 2, "the cough was not heard");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Silence within the sound is left out.
    let loud = |sound: &crate::support::voice::Sound| {
        sound.samples.chunks(160).filter(|part| part.iter().any(|sample| sample.unsigned_abs() > 300)).count()
    };
    let heard =
        Duration::from_millis(10) * ada.look(|seen| seen.sounds.iter().map(loud).sum::<usize>()) as u32;
    let whole = TONE * LONG.len() as u32;
    assert!(heard + Duration::from_millis(300) > whole, "{heard:?} of {whole:?} were heard");
    assert_counted(
        &worker,
        &[
            ("voiced_speech_pauses_total", &[("result", "resumed")], 1.0),
            ("voiced_speech_pauses_total", &[("result", "interrupted")], 0.0),
            ("voiced_speech_wordless_total", &[("result", "no_words")], 1.0),
        ],
    );
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_real_speech_server_the_question_and_the_reply_are_understood() {
    const ASKED: &str = "close the door";
    const ANSWERED: &str = "open the window";
    let Some(question) = spoken(ASKED) else { return };
    let speechd =
        Speechd::for_sentences(&[ASKED, ANSWERED]).unwrap().expect("flite is here, and so the server starts");
    let world = World::start(Script::default().otherwise(Step::reply(ANSWERED))).await;
    let url = speechd.base_url();
    let mut settings = settings(&world);
    settings.extend([
        format!("stt.base_url={url}"),
        format!("tts.base_url={url}"),
        "tts.voice=rms".to_owned(),
    ]);
    let _worker = world.worker(&borrowed(&settings));
    let ada = Person::join(&world, "door").await;
    let said = ada.say(&question).await;
    let sounds = ada.sounds(1).await;
    println!("mouth to ear, real parts: {:?}", sounds[0].began.saturating_duration_since(said));
    let asked = world.model.requests().pop().unwrap().body;
    assert_eq!(asked["messages"].as_array().unwrap().last().unwrap()["content"], ASKED);
    let recogniser = Transcriber::new(&Settings::new(Service::new(url.parse().unwrap(), "any"))).unwrap();
    let understood = recogniser.transcribe(&sounds[0].samples, RATE, None).await.unwrap();
    assert_eq!(understood.text.expose(), ANSWERED);
    ada.leave().await;
}
