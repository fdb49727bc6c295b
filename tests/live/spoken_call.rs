//! `voiced call --wav`: recordings as a microphone, what is printed of the turns, and the recorded call.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use scripted_model::{Script, Step};
use speech::resample::Resampler;

use crate::support::voice::{RATE, spoken};
use crate::support::world::World;

const REPLY: &str = "It will be sunny all day.";
/// The length of the scripted voice's sound for a character.
const TONE: Duration = Duration::from_millis(60);
/// Louder samples are a voice.
const AUDIBLE: u16 = 300;
/// A voice is over when it has been silent for so long.
const PAUSE: Duration = Duration::from_millis(700);

/// From when to when there is a voice, in seconds.
type Stretches = Vec<(f64, f64)>;

/// A world whose server of models also hears and speaks.
async fn world(transcripts: &[&str]) -> World {
    let script = Script::default().transcriptions(transcripts.iter().map(|text| Step::reply(*text)));
    World::start(script.otherwise(Step::reply(REPLY))).await
}

/// The settings of these sections, at the world's server.
fn on(world: &World, sections: &[&str]) -> Vec<String> {
    let url = world.model.base_url();
    let of = |section: &&str| {
        [
            format!("{section}.provider=openai"),
            format!("{section}.model=m"),
            format!("{section}.base_url={url}"),
        ]
    };
    sections.iter().flat_map(of).chain(["agent.greeting=".to_owned()]).collect()
}

fn borrowed(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

/// The file of a sentence, in this form. None where the synthesiser is missing.
fn sentence(world: &World, name: &str, rate: u32, channels: u16) -> Option<PathBuf> {
    let samples = spoken("what will the weather be tomorrow")?;
    let (mut resampler, mut resampled) = (Resampler::new(RATE, rate).unwrap(), Vec::new());
    resampler.push(&samples, &mut resampled);
    resampler.finish(&mut resampled);
    let frames = resampled.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels.into()));
    let data: Vec<u8> = frames.flat_map(i16::to_le_bytes).collect();
    let path = world.dir().join(name);
    let header = wav::header(wav::Format { rate, channels }, data.len() as u32);
    std::fs::write(&path, [header, data].concat()).unwrap();
    Some(path)
}

/// `voiced call` with these arguments, without blocking the servers of this test.
async fn call(world: &World, arguments: &[&str]) -> Output {
    let mut command = world.voiced();
    command.args(["--set", "agent.greeting=", "call"]).args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The stretches of voice on a side, in seconds.
fn voices(side: &[i16], rate: u32) -> Stretches {
    let frame = rate as usize / 100;
    let loud =
        side.chunks(frame).enumerate().filter(|(_, part)| is_loud(part)).map(|(at, _)| at as f64 / 100.0);
    let mut voices = Stretches::new();
    for at in loud {
        match voices.last_mut().filter(|(_, end)| at - *end < PAUSE.as_secs_f64()) {
            Some((_, end)) => *end = at + 0.01,
            None => voices.push((at, at + 0.01)),
        }
    }
    voices
}

fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > AUDIBLE)
}

/// The caller's and the agent's stretches of voice in a recorded call.
fn recorded(path: &Path) -> (Stretches, Stretches) {
    let (format, samples) = wav::decode(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(format.channels, 2);
    let side = |side: usize| samples.iter().skip(side).step_by(2).copied().collect::<Vec<i16>>();
    (voices(&side(0), format.rate), voices(&side(1), format.rate))
}

/// The milliseconds behind a name, of each turn.
fn times(printed: &str, name: &str) -> Vec<f64> {
    let behind = |part: &str| part.split_whitespace().next().unwrap().parse::<f64>().unwrap();
    printed.split(name).skip(1).map(behind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_answered_in_turn_and_the_call_is_recorded() {
    let world = world(&["What will it be?", "And tomorrow?"]).await;
    let Some(first) = sentence(&world, "first.wav", 8_000, 1) else { return };
    let second = sentence(&world, "second.wav", 44_100, 2).unwrap();
    let _worker = world.worker(&borrowed(&on(&world, &["stt", "tts"])));
    let (record, files) =
        (world.dir().join("call.wav"), [&first, &second].map(|path| path.to_str().unwrap()));
    let record = record.to_str().unwrap();
    let output = call(&world, &["--room", "r", "--wav", files[0], files[1], "--record", record]).await;
    let printed = printed(&output);
    println!("{printed}");
    let order = [
        "agent-",
        "> first.wav",
        "  understood: What will it be?",
        REPLY,
        "(transcript ",
        "> second.wav",
        "  understood: And tomorrow?",
        REPLY,
        "(transcript ",
        "recorded in ",
    ];
    let mut rest = printed.as_str();
    for words in order {
        rest = rest.split_once(words).unwrap_or_else(|| panic!("{words:?} is missing in {printed}")).1;
    }

    // Both files sound alike to the server, whatever their form.
    let heard: Vec<_> = world.model.transcriptions().into_iter().map(|request| request.body).collect();
    assert_eq!(heard.len(), 2);
    let seconds = |at: usize| heard[at]["samples"].as_f64().unwrap() / f64::from(RATE);
    assert!((seconds(0) - seconds(1)).abs() < 0.3 && seconds(0) > 1.5, "{} s, {} s", seconds(0), seconds(1));
    let peak = |at: usize| heard[at]["peak"].as_f64().unwrap();
    assert!((0.6..1.6).contains(&(peak(0) / peak(1))), "{heard:?}");

    let (caller, agent) = recorded(Path::new(record));
    assert_eq!((caller.len(), agent.len()), (2, 2), "{caller:?} {agent:?}");
    assert!(caller[1].0 > agent[0].1, "the second began before the agent had finished: {caller:?} {agent:?}");
    let tone = (TONE * REPLY.len() as u32).as_secs_f64();
    let first_sounds = times(&printed, "first sound ");
    for turn in 0..2 {
        let length = agent[turn].1 - agent[turn].0;
        assert!((length - tone).abs() < 0.3, "{length} s of {tone} s");
        // The file tells the same time as the line.
        let waited = (agent[turn].0 - caller[turn].1) * 1e3;
        let told = first_sounds[turn];
        assert!((waited - told).abs() < 150.0, "{waited:.0} ms in the file, {told} ms in {printed}");
    }
    let (transcripts, wholes) = (times(&printed, "transcript "), times(&printed, "whole reply "));
    for turn in 0..2 {
        assert!(transcripts[turn] < first_sounds[turn] && first_sounds[turn] < wholes[turn], "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rooms_are_spoken_to_at_once_with_a_summary() {
    let world = world(&[]).await;
    let Some(file) = sentence(&world, "hello.wav", 16_000, 1) else { return };
    let _worker = world.worker(&borrowed(&on(&world, &["stt", "tts"])));
    let (file, record) = (file.to_str().unwrap(), world.dir().join("load.wav"));
    let record = record.to_str().unwrap();
    let output =
        call(&world, &["--room", "load", "--rooms", "3", "--turns", "2", "--wav", file, "--record", record])
            .await;
    let printed = printed(&output);
    println!("{printed}");
    assert!(printed.contains("calling 3 rooms, 2 turns each\n6 of 6 turns answered"), "{printed}");
    for name in ["transcript", "first word", "first sound", "whole reply"] {
        assert!(
            printed.lines().any(|line| line.starts_with(name) && line.contains("p95")),
            "{name}: {printed}"
        );
    }
    assert_eq!(world.model.transcriptions().len(), 6);
    for room in 1..=3 {
        let (caller, agent) = recorded(&world.dir().join(format!("load-{room}.wav")));
        assert_eq!((caller.len(), agent.len()), (2, 2), "room {room}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_only_hears_answers_in_text() {
    let world = world(&["What will it be?"]).await;
    let Some(file) = sentence(&world, "hello.wav", 16_000, 1) else { return };
    let _worker = world.worker(&borrowed(&on(&world, &["stt"])));
    let printed = printed(&call(&world, &["--room", "text", "--wav", file.to_str().unwrap()]).await);
    // The transcript is a text of its own, and may come between the words of the reply.
    let others = printed.lines().filter(|line| !line.contains("understood: "));
    let others: String = others.collect();
    assert!(others.contains(REPLY) && others.contains("(transcript "), "{printed}");
    assert!(!printed.contains("first sound"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_hear_is_told_as_such() {
    let world = world(&[]).await;
    let Some(file) = sentence(&world, "hello.wav", 16_000, 1) else { return };
    let _worker = world.worker(&borrowed(&on(&world, &["tts"])));
    let output = call(&world, &["--room", "deaf", "--wav", file.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not hear") && said.contains("[stt]"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_is_heard_before_the_caller_speaks() {
    const GREETING: &str = "Good morning, how may I help you?";
    let world = world(&["What will it be?"]).await;
    let Some(file) = sentence(&world, "hello.wav", 16_000, 1) else { return };
    let greeting = format!("agent.greeting={GREETING}");
    let mut settings = on(&world, &["stt", "tts"]);
    settings.push(greeting.clone());
    let _worker = world.worker(&borrowed(&settings));
    let record = world.dir().join("call.wav");
    let mut command = world.voiced();
    command.args([
        "--set",
        &greeting,
        "call",
        "--room",
        "greeted",
        "--wav",
        file.to_str().unwrap(),
        "--record",
    ]);
    command.arg(&record);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = printed(&output);
    let (before, after) = printed.split_once("> hello.wav").unwrap();
    assert!(before.contains(GREETING) && after.contains(REPLY), "{printed}");
    let (caller, agent) = recorded(&record);
    assert_eq!((caller.len(), agent.len()), (1, 2), "{caller:?} {agent:?}");
    let whole = (TONE * GREETING.len() as u32).as_secs_f64();
    let heard = agent[0].1 - agent[0].0;
    assert!(
        (heard - whole).abs() < 0.3 && agent[0].1 < caller[0].0,
        "{heard} s of {whole} s, {caller:?} {agent:?}"
    );
}
