//! How packets of chat are read, in the shapes that LiveKit's frontends have sent.

use serde_json::json;

use super::*;
use crate::room::envelope::Destinations;

fn letter(content: Content) -> Letter {
    Letter { sender: "ada".into(), to: Destinations::default(), content }
}

fn of_data(topic: &str, payload: impl Into<Vec<u8>>) -> Option<Reading> {
    read(letter(Content::Data { topic: topic.to_owned(), payload: payload.into() }), None, 1_000)
}

fn of_json(message: &Value) -> Option<Reading> {
    of_data(CHAT_PACKET_TOPIC, message.to_string())
}

fn of_message(message: ChatMessage) -> Option<Reading> {
    read(letter(Content::Message(message)), None, 1_000)
}

/// Id and text of a turn.
fn turn(reading: Option<Reading>) -> (Option<String>, String) {
    match reading {
        Some(Reading::Turn(turn)) => {
            assert_eq!((turn.speaker.as_str(), turn.way), ("ada", Way::Packet));
            (turn.segment, turn.text.expose().to_owned())
        }
        reading => panic!("no turn: {reading:?}"),
    }
}

/// Ids and text of a correction.
fn correction(reading: Option<Reading>) -> (Vec<String>, Option<String>) {
    match reading {
        Some(Reading::Correction(Correction { ids, text, .. })) => {
            (ids, text.map(|text| text.expose().to_owned()))
        }
        reading => panic!("no correction: {reading:?}"),
    }
}

fn refusal(reading: Option<Reading>) -> TextError {
    match reading {
        Some(Reading::Refused { why, .. }) => why,
        reading => panic!("not refused: {reading:?}"),
    }
}

#[test]
fn json_of_every_version_of_the_frontends_is_a_turn() {
    let with_id = (Some("4f6a".to_owned()), "Good morning.".to_owned());
    for message in [
        json!({ "id": "4f6a", "timestamp": 1_764_000_000_000_u64, "message": "Good morning." }),
        json!({ "id": "4f6a", "timestamp": 1_764_000_000_000_u64, "message": "Good morning.", "ignore": false }),
        json!({ "id": "4f6a", "message": "Good morning.", "ignoreLegacy": false, "attributes": {} }),
        json!({ "id": "4f6a", "message": "Good morning.", "editTimestamp": null, "deleted": false }),
        json!({ "id": "4f6a", "message": "Good morning.", "editTimestamp": 0, "timestamp": "yesterday" }),
        json!({ "id": "4f6a", "message": "Good morning.", "from": { "identity": "bob" }, "deleted": 0 }),
    ] {
        assert_eq!(turn(of_json(&message)), with_id, "{message}");
    }
}

#[test]
fn a_message_without_a_usable_id_is_a_turn_that_nothing_repeats() {
    for id in [json!(null), json!(""), json!({}), json!([1]), json!(true)] {
        assert_eq!(turn(of_json(&json!({ "id": id, "message": "hi" }))).0, None, "{id}");
    }
    assert_eq!(turn(of_json(&json!({ "message": "hi" }))).0, None);
    assert_eq!(turn(of_json(&json!({ "id": 7, "message": "hi" }))).0.as_deref(), Some("7"));
    assert_eq!(turn(of_message(ChatMessage { message: "hi".into(), ..Default::default() })).0, None);
}

#[test]
fn a_field_that_comes_twice_fails_no_turn() {
    let twice = r#"{"id":"1","id":"2","timestamp":1,"timestamp":2,"message":"hi"}"#;
    assert_eq!(turn(of_data(CHAT_PACKET_TOPIC, twice)), (Some("2".into()), "hi".into()));
}

#[test]
fn a_chat_message_of_the_protocol_is_a_turn() {
    let message = ChatMessage { id: "4f6a".into(), timestamp: 1, message: "hi".into(), ..Default::default() };
    assert_eq!(turn(of_message(message.clone())), (Some("4f6a".into()), "hi".into()));
    let unedited = ChatMessage { edit_timestamp: Some(0), generated: true, ..message };
    assert_eq!(turn(of_message(unedited)), (Some("4f6a".into()), "hi".into()));
}

#[test]
fn copies_of_what_comes_another_way_are_nothing() {
    for mark in ["ignore", "ignoreLegacy"] {
        let copy = json!({ "id": "4f6a", "message": "hi", mark: true });
        assert!(of_json(&copy).is_none(), "{mark}");
    }
}

#[test]
fn edits_correct_what_was_said_in_each_form() {
    let right = (vec!["4f6a".to_owned()], Some("right".to_owned()));
    let edited = json!({ "id": "4f6a", "message": "right", "timestamp": 1, "editTimestamp": 2 });
    assert_eq!(correction(of_json(&edited)), right);
    // Before September 2024 an edit was told by its topic alone.
    let older = json!({ "id": "4f6a", "message": "right", "timestamp": 2 }).to_string();
    assert_eq!(correction(of_data(CHAT_UPDATE_TOPIC, older)), right);
    let message = ChatMessage {
        id: "4f6a".into(),
        edit_timestamp: Some(2),
        message: "right".into(),
        ..Default::default()
    };
    assert_eq!(correction(of_message(message)), right);
}

#[test]
fn deletions_are_corrections_to_nothing() {
    let gone = (vec!["4f6a".to_owned()], None);
    for message in [
        json!({ "id": "4f6a", "message": "hi", "timestamp": 1, "deleted": true }),
        json!({ "id": "4f6a", "message": null, "deleted": true }),
        json!({ "id": "4f6a", "deleted": true, "editTimestamp": 2 }),
        json!({ "id": "4f6a", "message": " ", "editTimestamp": 2 }),
    ] {
        assert_eq!(correction(of_json(&message)), gone, "{message}");
    }
    let message = ChatMessage { id: "4f6a".into(), deleted: true, ..Default::default() };
    assert_eq!(correction(of_message(message)), gone);
}

#[test]
fn what_is_no_chat_message_is_refused_with_the_reason() {
    for payload in ["", "hi", "\"hi\"", "[]", "{}", "null", "7", r#"{"message":7}"#, r#"{"text":"hi"}"#, "{"]
    {
        let why = refusal(of_data(CHAT_PACKET_TOPIC, payload));
        assert!(matches!(why, TextError::NoChatMessage), "{payload}: {why}");
    }
    assert!(matches!(refusal(of_data(CHAT_PACKET_TOPIC, [0xff, 0xfe])), TextError::NotUtf8));
    let nested = "[".repeat(100_000);
    assert!(matches!(refusal(of_data(CHAT_PACKET_TOPIC, nested)), TextError::NoChatMessage));
}

#[test]
fn a_message_may_be_as_long_as_any_turn_and_no_longer() {
    assert_eq!(turn(of_json(&json!({ "message": "é".repeat(500) }))).1.len(), 1_000);
    let long = "x".repeat(1_001);
    assert!(matches!(refusal(of_json(&json!({ "message": long }))), TextError::TooLong));
    assert!(matches!(refusal(of_json(&json!({ "message": long, "editTimestamp": 1 }))), TextError::TooLong));
    let message = ChatMessage { message: long, ..Default::default() };
    assert!(matches!(refusal(of_message(message)), TextError::TooLong));
}

/// The parts of a copy that a version of LiveKit's frontends shows: its JSON, and its message.
fn shown(copy: &Copy, ignores: Option<&str>, reads_messages: bool) -> usize {
    let json: Value = serde_json::from_slice(&copy.payload).unwrap();
    let by_json = ignores.is_none_or(|mark| json[mark] != true);
    usize::from(by_json) + usize::from(reads_messages)
}

#[test]
fn each_version_of_the_frontends_shows_a_reply_once() {
    let copy = copies("SG_1", "Good morning.").remove(0);
    assert_eq!(shown(&copy, None, false), 1, "until September 2024: JSON");
    assert_eq!(shown(&copy, Some("ignore"), true), 1, "until March 2025: messages");
    assert_eq!(shown(&copy, Some("ignoreLegacy"), false), 0, "since then: transcriptions");
    let json: Value = serde_json::from_slice(&copy.payload).unwrap();
    assert_eq!((&json["id"], &json["message"]), (&json!("SG_1"), &json!("Good morning.")));
    assert!(json["timestamp"].as_i64().unwrap() > 1_600_000_000_000, "milliseconds");
    assert_eq!((copy.message.id.as_str(), copy.message.message.as_str()), ("SG_1", "Good morning."));
}

#[test]
fn a_long_reply_is_cut_where_words_end_and_none_of_it_is_lost() {
    for text in ["ä ".repeat(20_000), "ä".repeat(20_000), format!(" {}", "x".repeat(30_000)), String::new()]
    {
        let copies = copies("SG_1", &text);
        let whole: String = copies.iter().map(|copy| copy.message.message.as_str()).collect();
        assert_eq!(whole, text);
        assert!(copies.iter().all(|copy| copy.message.message.len() <= MAX_PART));
        let ids: Vec<_> = copies.iter().map(|copy| copy.message.id.as_str()).take(2).collect();
        assert_eq!(ids, ["SG_1", "SG_1-2"][..ids.len()]);
    }
    let ends = copies("SG_1", &"word ".repeat(5_000));
    assert!(ends.iter().skip(1).all(|copy| copy.message.message.starts_with(' ')));
}

#[test]
fn the_worst_text_that_fits_into_a_part_fits_into_a_message_of_a_data_channel() {
    let copy = copies("SG_1", &"\u{1}".repeat(MAX_PART)).remove(0);
    assert!(copy.payload.len() < 64 << 10, "{}", copy.payload.len());
}
