//! One participant who floods a room in every way: that one is refused, and the others are answered.

use std::time::{Duration, Instant};

use scripted_model::{Reply, Script, Step};
use voiced::caller::Caller;

use crate::support::hostile::Mallory;
use crate::support::memory::kib;
use crate::support::world::{PATIENCE, Worker, World, wait_until};

/// Memory that a flood may take beyond what the worker had before. KiB.
const MOST_MEMORY: u64 = 64 << 10;

async fn world() -> World {
    World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await
}

/// `voiced_texts_refused_total` for this reason.
fn refused(worker: &Worker, reason: &str) -> f64 {
    worker.metric(&format!("voiced_texts_refused_total{{reason=\"{reason}\"}}")).unwrap_or_default()
}

/// The victim is answered, among the answers to others.
async fn assert_answered(ada: &mut Caller, worker: &Worker, text: &str) {
    let asked = Instant::now();
    ada.send(text).await.unwrap();
    let wanted = format!("You said: {text}");
    loop {
        let reply = ada.greeting(PATIENCE).await;
        let reply = reply.unwrap_or_else(|| panic!("no answer to {text:?}\n{}", worker.log()));
        if reply.expose() == wanted {
            break;
        }
    }
    println!("{text:?} was answered after {:?}", asked.elapsed());
}

/// A participant of whom the worker knows that she is a person.
async fn known_mallory(world: &World, worker: &Worker, room: &str) -> Mallory {
    let mallory = Mallory::join(world, room).await;
    let before = world.model.requests().len();
    mallory.chat("I am mallory").await;
    wait_until("she is heard", || world.model.requests().len() > before, || worker.log());
    mallory
}

/// Whether the model was told of a text, in a turn of its own or as history.
fn is_told(world: &World, text: &str) -> bool {
    world.model.requests().iter().any(|request| request.body.to_string().contains(text))
}

fn is_recorded(world: &World, question: &str) -> bool {
    let spans = world.collector.spans().unwrap_or_default();
    spans.iter().any(|span| span.text("livekit.question") == Some(question))
}

fn memory(worker: &Worker, line: &str) -> u64 {
    kib(&worker.process.id().to_string(), line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_opens_streams_without_end_is_refused_alone() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut ada = world.call_as("streams", "ada").await;
    let mallory = known_mallory(&world, &worker, "streams").await;
    let before = memory(&worker, "VmRSS");
    for number in 0..1500 {
        mallory.open(&format!("open {number}")).await;
    }
    wait_until("all but 64 are refused", || refused(&worker, "too_many") >= 1436.0, || worker.log());
    assert_eq!(refused(&worker, "too_many"), 1436.0);
    assert_answered(&mut ada, &worker, "am I heard?").await;
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("a text was refused")).unwrap();
    assert!(line.contains("mallory") && line.contains("64 texts open that have not ended"), "{line}");
    // What is whole has places of its own.
    mallory.chat("a whole text").await;
    wait_until("it is a turn", || is_told(&world, "a whole text"), || worker.log());
    let grown = memory(&worker, "VmHWM").saturating_sub(before);
    assert!(grown < MOST_MEMORY, "{grown} KiB");
    mallory.leave().await;
    wait_until("the open ones break off", || refused(&worker, "broken") == 64.0, || worker.log());
    assert_answered(&mut ada, &worker, "and now?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_segments_in_a_packet_are_bounded_like_texts() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut ada = world.call_as("segments", "ada").await;
    let mut bob = world.call_as("segments", "bob").await;
    let mallory = Mallory::join_as_agent(&world, "segments").await;
    mallory.transcribe("ada", 5000).await;
    let most = || refused(&worker, "too_many") >= 5000.0 - 512.0;
    wait_until("most are refused", most, || worker.log());
    assert_answered(&mut bob, &worker, "I am bob").await;
    assert_answered(&mut ada, &worker, "it is me").await;
    assert_eq!(refused(&worker, "too_many"), 5000.0 - 512.0);
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_chat_packets_leaves_others_their_places() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut ada = world.call_as("packets", "ada").await;
    let mallory = known_mallory(&world, &worker, "packets").await;
    let before = memory(&worker, "VmRSS");
    for number in 0..3000 {
        mallory.chat(&format!("{number} {}", "x".repeat(2_000))).await;
        if number % 1000 == 500 {
            // The next text of hers may interrupt the answer, but it is heard.
            ada.send(&format!("in between {number}")).await.unwrap();
        }
    }
    // While all her places are taken she is refused, so she says it again.
    let ending = async {
        loop {
            mallory.chat("that was all").await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let answered = async {
        while ada.greeting(PATIENCE).await.expect("the last is answered").expose() != "You said: that was all"
        {
        }
    };
    tokio::select! {
        () = ending => {}
        () = answered => {}
    }
    for number in [500, 1500, 2500] {
        let text = format!("in between {number}");
        wait_until("a turn is recorded", || is_recorded(&world, &text), || worker.log());
    }
    assert_answered(&mut ada, &worker, "at the end").await;
    let grown = memory(&worker, "VmHWM").saturating_sub(before);
    assert!(grown < MOST_MEMORY, "{grown} KiB");
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_streams_that_grow_a_thousandfold_take_no_memory() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut ada = world.call_as("bombs", "ada").await;
    assert_answered(&mut ada, &worker, "before").await;
    let mallory = known_mallory(&world, &worker, "bombs").await;
    let before = memory(&worker, "VmRSS");
    for (number, bytes) in [60_000, 15_000, 40_000, 15_900, 60_000].into_iter().enumerate() {
        mallory.bomb(&format!("bomb {number}"), bytes).await;
    }
    let all = || refused(&worker, "too_long") + refused(&worker, "broken");
    wait_until("all are refused", || all() == 5.0, || worker.log());
    assert_answered(&mut ada, &worker, "after").await;
    let grown = memory(&worker, "VmHWM").saturating_sub(before);
    println!("the worker grew by {grown} KiB at most");
    assert!(grown < MOST_MEMORY, "{grown} KiB");
    mallory.leave().await;
}

/// Only a header says how long it is, and none of that comes.
#[tokio::test(flavor = "multi_thread")]
async fn reused_ids_and_forged_lengths_cost_their_own_text() {
    use livekit_protocol::data_packet::Value;
    use livekit_protocol::data_stream::header::ContentHeader;
    use livekit_protocol::data_stream::{Chunk, Header, TextHeader, Trailer};

    let world = world().await;
    let worker = world.worker(&[]);
    let mut ada = world.call_as("forged", "ada").await;
    let mallory = known_mallory(&world, &worker, "forged").await;
    let header = |id: &str, total_length| {
        Value::StreamHeader(Header {
            stream_id: id.into(),
            topic: "lk.chat".into(),
            total_length,
            content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
            ..Default::default()
        })
    };
    let chunk = |id: &str, index, text: &str| {
        Value::StreamChunk(Chunk {
            stream_id: id.into(),
            chunk_index: index,
            content: text.into(),
            ..Default::default()
        })
    };
    let trailer = |id: &str| Value::StreamTrailer(Trailer { stream_id: id.into(), ..Default::default() });
    for value in [
        header("huge", Some(u64::MAX)),
        chunk("huge", 0, "x"),
        header("short", Some(1)),
        chunk("short", 0, "more than one"),
        header("long", Some(1000)),
        chunk("long", 0, "less"),
        trailer("long"),
        header("gap", None),
        chunk("gap", u64::MAX, "x"),
        // The second is dropped by the SDK, and its chunk goes on with the first.
        header("twice", None),
        header("twice", None),
        chunk("twice", 0, "one"),
        chunk("twice", 1, " and two"),
        trailer("twice"),
        trailer("twice"),
        chunk("never opened", 0, "x"),
        trailer("never opened"),
    ] {
        mallory.send(value).await;
    }
    let all = || refused(&worker, "too_long") + refused(&worker, "broken");
    wait_until("four are refused", || all() == 4.0, || worker.log());
    wait_until("one is a turn", || is_told(&world, "one and two"), || worker.log());
    assert_answered(&mut ada, &worker, "still here").await;
    mallory.leave().await;
}

/// Every participant sees the ids of the streams that others open to the whole room.
#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_anothers_open_stream_neither_adds_to_it_nor_ends_it() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut caller = world.call_as("same-id", "caller").await;
    assert_answered(&mut caller, &worker, "before").await;
    let ada = Mallory::join_as(&world, "same-id", "ada").await;
    let mallory = known_mallory(&world, &worker, "same-id").await;
    ada.open("one id").await;
    ada.chunk("one id", 0, "my words ").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    mallory.chunk("one id", 1, "forged words ").await;
    mallory.end("one id").await;
    mallory.open("one id").await;
    mallory.chunk("one id", 0, "hers alone").await;
    mallory.end("one id").await;
    wait_until("hers is a turn", || is_recorded(&world, "hers alone"), || worker.log());
    ada.chunk("one id", 1, "to their end").await;
    ada.end("one id").await;
    wait_until("ada's is a turn", || is_recorded(&world, "my words to their end"), || worker.log());
    assert!(!is_told(&world, "forged words"));
    mallory.leave().await;
    ada.leave().await;
}
