//! The outcome of a reply when the room does not take all of it.

use conversation::Fate;

use super::super::tests::*;
use super::super::*;
use conversation::TurnOutcome;

/// A session in a room that takes no words by itself, with a greeting if there is one.
fn stuck(greeting: &str) -> Session {
    let mut session = Session::new(Rules { greeting: greeting.to_owned(), ..rules() });
    session.stuck = true;
    session.on(Event::Joined { people: vec!["ada".into()], coming: vec![] });
    session
}

/// A session in which the model has said "Once upon a time" and the room has not taken it.
fn said() -> Session {
    let mut session = stuck("");
    session.on(heard("a story"));
    session.on(delta(0, "Once upon "));
    session.on(delta(0, "a time"));
    session
}

fn failed(segment: u64, bytes: usize) -> Event {
    spoken(segment, bytes, Fate::Failed("it took longer than 10 s".into()))
}

/// The recorded outcome of the turn that this event finishes.
fn recorded(session: &mut Session, event: Event) -> (TurnOutcome, String) {
    let actions = session.machine.step(session.now, event);
    let finished = actions.into_iter().find_map(|action| match action {
        Action::Finish { result, .. } => Some((result.outcome, result.answer.text.expose().to_owned())),
        _ => None,
    });
    finished.expect("the turn is over")
}

#[test]
fn a_reply_is_answered_when_its_last_words_are_out_and_not_before() {
    let mut session = said();
    assert_eq!(session.on(answered(0, TurnOutcome::Answered)), ["close"]);
    assert_eq!(session.on(spoken(0, 16, Fate::Whole)), ["finish 0 answered", "listening"]);
    assert_eq!(session.prompt()[2], "Once upon a time");
}

#[test]
fn a_reply_that_could_not_be_written_failed_with_what_went_out() {
    let mut session = said();
    session.on(answered(0, TurnOutcome::Answered));
    let (ending, text) = recorded(&mut session, failed(0, 9));
    let TurnOutcome::Failed(failure) = ending else { panic!("{ending:?}") };
    assert_eq!((failure.class.as_str(), text.as_str()), ("room_write", "Once upon"));
    assert!(failure.message.contains("longer than 10 s"), "{failure:?}");
    assert_eq!(session.prompt()[2], "Once upon … [the reply broke off]");
}

#[test]
fn a_write_that_fails_in_the_middle_stops_the_call_and_is_apologised_for() {
    let mut session = said();
    assert_eq!(session.on(failed(0, 4)), ["cancel 0"]);
    assert!(session.on(delta(0, " there was")).is_empty(), "the rest of the segment is skipped");
    let end = session.on(answered(0, TurnOutcome::Interrupted));
    assert_eq!(end, ["finish 0 failed", "open", "say sorry", "close", "listening"]);
    assert_eq!(session.prompt()[2..], ["Once … [the reply broke off]", "sorry"]);
}

#[test]
fn a_reply_that_never_left_is_no_part_of_the_history() {
    let mut session = said();
    session.on(answered(0, TurnOutcome::Answered));
    session.on(failed(0, 0));
    assert_eq!(session.prompt(), ["be brief", "a story", "sorry"]);
}

#[test]
fn a_question_into_a_write_that_failed_interrupts_the_turn() {
    let mut session = said();
    session.on(failed(0, 4));
    session.on(heard("are you there?"));
    let (ending, text) = recorded(&mut session, answered(0, TurnOutcome::Interrupted));
    assert_eq!((ending, text.as_str()), (TurnOutcome::Interrupted, "Once"));
}

#[test]
fn a_question_while_the_last_words_leave_cuts_them_and_is_asked_at_once() {
    let mut session = said();
    session.on(answered(0, TurnOutcome::Answered));
    let next = session.on(heard("stop"));
    assert_eq!(next, ["cut", "thinking", "finish 0 interrupted", "ask 1 with 3"], "nothing of it went out");
    assert!(session.on(spoken(0, 16, Fate::Whole)).is_empty(), "what comes of it later is no news");
}

#[test]
fn a_reply_that_was_out_before_an_interruption_is_answered() {
    let mut session = said();
    session.on(answered(0, TurnOutcome::Answered));
    session.machine.step(session.now, heard("and then?"));
    assert_eq!(session.on(spoken(0, 16, Fate::Whole))[0], "finish 0 answered");
    assert_eq!(session.prompt()[2], "Once upon a time");
}

#[test]
fn a_reply_that_was_cut_behind_its_last_word_is_answered() {
    for (written, ending) in [(16, "finish 0 answered"), (15, "finish 0 interrupted")] {
        let mut session = said();
        session.on(answered(0, TurnOutcome::Answered));
        session.machine.step(session.now, heard("and then?"));
        assert_eq!(session.on(spoken(0, written, Fate::Cut))[0], ending);
    }
}

#[test]
fn a_session_that_is_to_end_waits_for_no_words() {
    for reason in [EndReason::Stopped, EndReason::ConnectionLost("cut".into())] {
        let mut session = said();
        session.on(answered(0, TurnOutcome::Answered));
        let end = session.on(Event::End(reason.clone()));
        assert_eq!(end, ["cut", "thinking", "finish 0 interrupted", &format!("end: {reason}")]);
        assert_eq!(session.machine.chat_context().turns.len(), 1, "the question alone");
    }
}

#[test]
fn a_greeting_and_an_apology_that_went_out_in_part_are_remembered_so() {
    let mut session = stuck("Hello!");
    session.on(failed(0, 4));
    session.on(heard("hi"));
    session.on(answered(0, failure()));
    assert_eq!(session.prompt()[1..], ["Hell … [the reply broke off]", "hi", "sorry"]);
    assert!(session.on(failed(1, 0)).is_empty(), "an apology is not apologised for");
    assert_eq!(session.prompt()[1..], ["Hell … [the reply broke off]", "hi"]);
}

#[test]
fn of_a_reply_with_thoughts_the_words_that_went_out_are_counted_without_them() {
    let mut session = stuck("");
    session.on(heard("hi"));
    session.on(delta(0, "I think. Hello Ada"));
    let answer =
        Answer { thought_bytes: 9, text: "Hello Ada".into(), ..Answer::nothing(TurnOutcome::Answered) };
    session.on(Event::Answered { turn: 0, answer });
    let (_, text) = recorded(&mut session, failed(0, 14));
    assert_eq!((text.as_str(), session.prompt()[2].as_str()), ("Hello", "Hello … [the reply broke off]"));
}

#[test]
fn what_was_answered_into_a_connection_that_is_lost_is_taken_back() {
    let mut session = said();
    session.on(answered(0, TurnOutcome::Answered));
    session.on(spoken(0, 16, Fate::Whole));
    session.machine.truncate_segment(0, 4);
    assert_eq!(session.prompt()[2], "Once … [the reply broke off]");
    session.on(heard("again"));
    session.on(delta(1, "Once"));
    session.on(answered(1, TurnOutcome::Answered));
    session.on(spoken(1, 4, Fate::Whole));
    session.machine.truncate_segment(1, 4);
    assert_eq!(session.prompt()[4], "Once", "this has left as a whole");
}

#[test]
fn people_read_once_that_the_voice_fails_until_it_works_again() {
    let mut session = Session::joined(Rules { text_notice: "I write".into(), ..rules() });
    session.on(heard("hi"));
    session.on(delta(0, "hello"));
    assert!(session.on(Event::VoiceFailed).is_empty(), "the reply comes first");
    assert!(session.on(Event::VoiceFailed).is_empty());
    let noticed = ["speaking", "open a written one", "say I write", "close", "listening"];
    let over = session.on(answered(0, TurnOutcome::Answered));
    assert_eq!(over, [&["close", "finish 0 answered"][..], &noticed[1..]].concat());
    session.on(heard("and now?"));
    session.on(delta(1, "still"));
    session.on(Event::VoiceFailed);
    assert_eq!(session.on(answered(1, TurnOutcome::Answered)), ["close", "finish 1 answered", "listening"]);
    assert!(session.on(Event::VoiceWorks).is_empty());
    assert_eq!(session.on(Event::VoiceFailed), noticed, "it is news again");
}
