//! The recipients of a reply, and the effect of corrections on a conversation.

use conversation::{TurnOutcome, Utterance, Way};

use super::*;
use crate::session::machine::Event;
use crate::session::machine::tests::{
    Session, answered, delta, failure, heard, rules, said, segment, utterance,
};

fn by(way: Way, text: &str, id: &str) -> Event {
    said(Utterance { way, segment: Some(id.to_owned()), ..utterance(text) })
}

fn among(text: &str, others: &[&str], way: Way) -> Event {
    let among = Some(others.iter().map(|who| (*who).to_owned()).collect());
    said(Utterance { among, way, ..utterance(text) })
}

fn edited(id: &str, text: &str) -> Event {
    edited_by("ada", &[id], Some(text))
}

fn edited_by(speaker: &str, ids: &[&str], text: Option<&str>) -> Event {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let correction = Correction { speaker: speaker.to_owned(), ids, text: text.map(Into::into) };
    Event::Corrected(correction, Recorded::restored(text.map(str::to_owned)))
}

/// The actions of a reply of one word.
fn reply(session: &mut Session, turn: u64) -> Vec<String> {
    let mut actions = session.on(delta(turn, "yes"));
    actions.extend(session.on(answered(turn, TurnOutcome::Answered)));
    actions
}

fn spoken(open: &str, close: &str, turn: u64) -> Vec<String> {
    let finish = format!("finish {turn} answered");
    ["speaking", open, "say yes", close, &finish, "listening"].map(str::to_owned).to_vec()
}

#[test]
fn writers_of_packets_get_each_reply_as_chat_too() {
    let mut session = Session::joined(rules());
    session.on(by(Way::Packet, "hi", "1"));
    assert_eq!(reply(&mut session, 0), spoken("open", "close ada", 0));
    session.on(said(Utterance { speaker: "bob".into(), way: Way::Stream, ..utterance("and me?") }));
    assert_eq!(reply(&mut session, 1), spoken("open", "close ada", 1));
    session.on(by(Way::Stream, "now by stream", "2"));
    assert_eq!(reply(&mut session, 2), spoken("open", "close", 2));
}

#[test]
fn a_message_that_comes_by_several_ways_is_one_turn() {
    for ways in [[Way::Stream, Way::Packet], [Way::Packet, Way::Stream], [Way::Packet, Way::Packet]] {
        let mut session = Session::joined(rules());
        assert_eq!(session.on(by(ways[0], "hi", "1")), ["thinking", "ask 0 with 2"]);
        assert!(session.on(by(ways[1], "hi", "1")).is_empty(), "{ways:?}");
        let close = if ways == [Way::Packet; 2] { "close ada" } else { "close" };
        assert_eq!(reply(&mut session, 0), spoken("open", close, 0), "{ways:?}");
    }
}

#[test]
fn two_people_may_use_the_same_id() {
    let mut session = Session::joined(rules());
    session.on(segment("I am Ada", "1"));
    reply(&mut session, 0);
    let bob = Utterance { speaker: "bob".into(), segment: Some("1".into()), ..utterance("I am Bob") };
    assert_eq!(session.on(said(bob)), ["thinking", "ask 1 with 4"]);
}

#[test]
fn what_was_said_to_us_alone_is_answered_to_its_speaker_alone() {
    let mut session = Session::joined(rules());
    session.on(among("my secret", &[], Way::Stream));
    assert_eq!(reply(&mut session, 0), spoken("open ada", "close", 0));
    session.on(among("my secret", &[], Way::Packet));
    assert_eq!(reply(&mut session, 1), spoken("open ada", "close ada", 1));
    session.on(among("ours", &["bob"], Way::Packet));
    assert_eq!(reply(&mut session, 2), spoken("open ada bob", "close ada", 2));
    session.on(heard("to the room"));
    assert_eq!(reply(&mut session, 3), spoken("open", "close ada", 3));
}

#[test]
fn the_apology_for_a_private_reply_is_private_too() {
    let mut session = Session::joined(rules());
    session.on(among("my secret", &[], Way::Packet));
    let actions = session.on(answered(0, failure()));
    assert_eq!(actions[2..5], ["open ada", "say sorry", "close ada"]);
}

#[test]
fn a_private_reply_that_is_cut_ends_as_chat_as_well() {
    let mut session = Session::joined(rules());
    session.on(among("my secret", &[], Way::Packet));
    session.on(delta(0, "well"));
    assert_eq!(session.on(heard("stop")), ["cancel 0", "cut ada", "thinking"]);
}

#[test]
fn an_edit_is_no_turn_and_counts_from_the_next_question_on() {
    let mut session = Session::joined(rules());
    session.on(segment("what is teh time?", "1"));
    session.on(delta(0, "y"));
    assert_eq!(session.on(edited("1", "what is the time?")), ["corrected"], "nothing is cut");
    session.on(answered(0, TurnOutcome::Answered));
    session.on(heard("thanks"));
    assert_eq!(session.prompt(), ["be brief", "what is the time?", "y", "thanks"]);
}

#[test]
fn an_edit_of_a_turn_that_waits_is_what_gets_asked() {
    let mut session = Session::joined(rules());
    session.on(heard("a story"));
    session.on(segment("a sog", "1"));
    session.on(edited("1", "a song"));
    session.on(answered(0, TurnOutcome::Interrupted));
    assert_eq!(session.prompt(), ["be brief", "a story", "a song"]);
}

#[test]
fn a_turn_that_is_deleted_while_it_waits_is_not_asked() {
    let mut session = Session::joined(rules());
    session.on(heard("a story"));
    session.on(segment("my secret", "1"));
    let actions = session.on(edited_by("ada", &["1"], None));
    assert_eq!(actions, ["corrected", "deleted 1 [deleted by the user]"]);
    assert_eq!(session.on(answered(0, TurnOutcome::Interrupted)), ["finish 0 interrupted", "listening"]);
    assert_eq!(session.prompt(), ["be brief", "a story"]);
}

#[test]
fn what_is_deleted_is_gone_from_the_next_question_on() {
    let mut session = Session::joined(rules());
    session.on(segment("my secret", "1"));
    assert_eq!(session.on(edited_by("ada", &["1"], None)), ["corrected"]);
    assert_eq!(reply(&mut session, 0), spoken("open", "close", 0), "the reply goes on");
    // The same message by another way, late.
    assert!(session.on(by(Way::Packet, "my secret", "1")).is_empty());
    assert_eq!(session.prompt(), ["be brief", "[deleted by the user]", "yes"]);
}

#[test]
fn no_one_corrects_what_others_said() {
    let mut session = Session::joined(rules());
    session.on(segment("hi", "1"));
    assert_eq!(session.on(edited_by("eve", &["1"], Some("I am a fool"))), ["unknown"]);
    assert_eq!(session.on(edited_by("eve", &["1"], None)), ["unknown"]);
    assert_eq!(session.prompt(), ["be brief", "hi"]);
}

#[test]
fn an_edit_of_what_is_not_known_is_no_turn() {
    let mut session = Session::joined(rules());
    assert_eq!(session.on(edited("1", "what was said before we came")), ["unknown"]);
    assert_eq!(session.on(edited_by("ada", &[], Some("without an id"))), ["unknown"]);
    assert_eq!(session.prompt(), ["be brief"]);
}

#[test]
fn an_edit_may_refer_to_what_it_edits_instead_of_having_its_id() {
    let mut session = Session::joined(rules());
    session.on(segment("hi", "1"));
    assert_eq!(session.on(edited_by("ada", &["9", "1"], Some("hello"))), ["corrected"]);
    assert_eq!(session.prompt(), ["be brief", "hello"]);
}

#[test]
fn another_text_under_a_known_id_takes_its_place() {
    let mut session = Session::joined(rules());
    session.on(segment("what is the", "SG_1"));
    assert!(session.on(segment("what is the time?", "SG_1")).is_empty());
    assert_eq!(session.prompt(), ["be brief", "what is the time?"]);
}

#[test]
fn a_flood_of_edits_leaves_one_text_behind() {
    let mut session = Session::joined(rules());
    session.on(segment("0", "1"));
    for n in 1..5_000 {
        session.on(edited("1", &n.to_string()));
        session.on(edited(&format!("unknown {n}"), "x"));
    }
    assert_eq!(session.prompt(), ["be brief", "4999"]);
}
