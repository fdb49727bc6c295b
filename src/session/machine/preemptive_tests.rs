use super::super::tests::*;
use super::super::*;
use super::TOLD_AGAIN;
use conversation::Failure;

fn early(text: &str) -> Event {
    turn_of(text, Event::Preemptive)
}

fn turn_of(text: &str, event: fn(UserTurn) -> Event) -> Event {
    match segment(text, "SG_1") {
        Event::UserTurn(said) => event(said),
        _ => unreachable!("a segment is a turn"),
    }
}

fn unheard() -> Event {
    match said(utterance("")) {
        Event::UserTurn(said) => Event::Unheard(said, Failure::new("timeout", "the server hangs")),
        _ => unreachable!("an utterance is a turn"),
    }
}

#[test]
fn a_turn_that_ends_as_it_was_asked_early_takes_that_reply() {
    let mut session = Session::joined(rules());
    assert_eq!(session.on(early("hi there")), ["preempt 0 with 2"]);
    assert!(session.on(early("hi there")).is_empty(), "it is asked already");
    assert_eq!(session.on(segment("hi there", "SG_1")), ["thinking", "adopt 0"]);
    session.on(delta(0, "Hello"));
    assert_eq!(session.on(answered(0, TurnOutcome::Answered)), ["close", "finish 0 answered", "listening"]);
    assert_eq!(session.prompt(), ["be brief", "hi there", "Hello"]);
}

#[test]
fn a_turn_that_ends_otherwise_is_asked_again() {
    let mut session = Session::joined(rules());
    session.on(early("hi"));
    assert_eq!(session.on(segment("hi and bye", "SG_1")), ["thinking", "discard", "ask 0 with 2"]);
}

#[test]
fn words_that_change_are_asked_again_before_the_end() {
    let mut session = Session::joined(rules());
    session.on(early("hi"));
    assert_eq!(session.on(early("hi there")), ["discard", "preempt 0 with 2"]);
    assert_eq!(session.on(segment("hi there", "SG_1")), ["thinking", "adopt 0"]);
}

#[test]
fn a_history_that_changed_meanwhile_leaves_the_early_reply_unused() {
    let mut session = Session::joined(Rules { resume_notice: "I am back.".into(), ..rules() });
    session.on(segment("hello", "SG_0"));
    session.on(answered(0, TurnOutcome::Answered));
    session.on(early("and now?"));
    session.on(Event::Away);
    session.now += Duration::from_secs(60);
    session.on(Event::Back { rejoined: true });
    assert_eq!(session.prompt().last().map(String::as_str), Some("I am back."));
    let actions = session.on(segment("and now?", "SG_1"));
    assert!(actions.contains(&"discard".into()) && actions.contains(&"ask 1 with 4".into()), "{actions:?}");
}

#[test]
fn the_words_of_another_person_take_no_early_reply() {
    let mut session = Session::joined(rules());
    session.on(early("hi"));
    let bob = said(Utterance { speaker: "bob".into(), ..utterance("hi") });
    assert_eq!(session.on(bob), ["thinking", "discard", "ask 0 with 2"]);
}

#[test]
fn nothing_is_asked_early_while_a_reply_is_under_way() {
    let mut session = Session::joined(rules());
    session.on(heard("a story"));
    assert!(session.on(early("stop")).is_empty());
    session.on(segment("stop", "SG_1"));
    assert!(session.on(early("stop that")).is_empty(), "a turn waits");
}

#[test]
fn a_person_who_goes_on_and_on_costs_three_early_calls_a_turn() {
    let mut session = Session::joined(rules());
    for text in ["a", "a b", "a b c"] {
        assert!(session.on(early(text)).contains(&"preempt 0 with 2".into()), "{text}");
    }
    assert_eq!(session.on(early("a b c d")), ["discard"]);
    assert_eq!(session.on(segment("a b c d", "SG_1")), ["thinking", "ask 0 with 2"]);
    session.on(answered(0, TurnOutcome::Answered));
    assert_eq!(session.on(early("next")), ["preempt 1 with 3"]);
}

#[test]
fn words_whose_turn_does_not_end_before_the_session_are_recorded() {
    let mut session = Session::joined(rules());
    session.on(early("hi"));
    let end = session.on(Event::End(EndReason::Stopped));
    assert_eq!(end, ["discard", "overtaken 0", "end: stopped"]);
    assert_eq!(session.prompt(), ["be brief", "hi"]);
}

#[test]
fn words_that_come_late_join_the_turn_that_is_being_answered() {
    let mut session = Session::joined(rules());
    session.on(segment("a table", "SG_1"));
    session.on(delta(0, "For"));
    assert_eq!(session.on(turn_of("a table for two", Event::Grown)), ["cancel 0", "cut", "thinking"]);
    let next = session.on(answered(0, TurnOutcome::Interrupted));
    assert_eq!(next[0], "finish 0 interrupted");
    let prompt = session.prompt();
    assert_eq!(prompt[1], "a table for two");
    assert!(!prompt.contains(&"a table".into()), "{prompt:?}");
}

#[test]
fn words_that_come_after_the_reply_are_a_turn() {
    let mut session = Session::joined(rules());
    session.on(segment("a table", "SG_1"));
    session.on(answered(0, TurnOutcome::Answered));
    assert_eq!(session.on(turn_of("a table for two", Event::Grown)), ["thinking", "ask 1 with 3"]);
}

#[test]
fn a_person_who_is_not_understood_is_told_so_once_in_a_while() {
    let mut session = Session::joined(rules());
    let told = ["unheard 0", "speaking", "open", "say sorry", "close", "listening"];
    assert_eq!(session.on(unheard()), told);
    assert_eq!(session.on(unheard()), ["unheard 1"]);
    session.now += TOLD_AGAIN;
    assert!(session.on(unheard()).contains(&"say sorry".into()));
    session.on(heard("hi"));
    session.on(answered(3, TurnOutcome::Answered));
    assert!(session.on(unheard()).contains(&"say sorry".into()), "it worked in between");
}
