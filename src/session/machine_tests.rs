//! The behaviour of a session, without a clock, a room or a model.

use conversation::{Failure, Fate, TurnOutcome};

use super::*;

pub(super) fn rules() -> Rules {
    Rules {
        instructions: "be brief".into(),
        greeting: String::new(),
        apology: "sorry".into(),
        resume_notice: String::new(),
        text_notice: String::new(),
        history_turns: 10,
        history_tokens: 1_000,
        leave_grace: Duration::from_secs(10),
    }
}

pub(super) fn utterance(text: &str) -> Utterance {
    Utterance { speaker: "ada".into(), text: text.into(), ..Default::default() }
}

/// The event of an utterance that may be recorded as it is.
pub(super) fn said(utterance: Utterance) -> Event {
    let recorded = Recorded::restored(Some(utterance.text.expose().to_owned()));
    Event::UserTurn(UserTurn { utterance, recorded })
}

pub(super) fn heard(text: &str) -> Event {
    said(utterance(text))
}

pub(super) fn segment(text: &str, id: &str) -> Event {
    said(Utterance { segment: Some(id.to_owned()), ..utterance(text) })
}

pub(super) fn delta(turn: u64, text: &str) -> Event {
    Event::Delta { turn, text: text.into() }
}

pub(super) fn answered(turn: u64, outcome: TurnOutcome) -> Event {
    Event::Answered { turn, answer: Answer::nothing(outcome) }
}

fn stop() -> Event {
    Event::End(EndReason::Stopped)
}

fn lost() -> Event {
    Event::End(EndReason::ConnectionLost("cut".into()))
}

pub(super) fn failure() -> TurnOutcome {
    TurnOutcome::Failed(Failure::new("500", "the model broke"))
}

/// A machine under test, driven at a fixed time that tests may move. The room takes every word at once, unless it is
/// `stuck`.
pub(super) struct Session {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    pub(super) stuck: bool,
    /// The segment that was opened last, and the length of its text.
    segment: Option<(u64, usize)>,
}

impl Session {
    pub(super) fn joined(rules: Rules) -> Self {
        let mut session = Self::new(rules);
        session.on(Event::Joined { people: vec!["ada".into()], coming: vec![] });
        session
    }

    pub(super) fn new(rules: Rules) -> Self {
        Self { machine: Machine::new(rules), now: Instant::now(), stuck: false, segment: None }
    }

    /// Feeds one event, and the room's response to its actions; returns the actions in short words.
    pub(super) fn on(&mut self, event: Event) -> Vec<String> {
        let actions = self.machine.step(self.now, event);
        let mut words: Vec<_> = actions.iter().map(short).collect();
        for action in &actions {
            if let Some(event) = self.room(action) {
                words.extend(self.on(event));
            }
        }
        words
    }

    fn room(&mut self, action: &Action) -> Option<Event> {
        match (action, &mut self.segment) {
            (Action::OpenSegment { segment, .. }, place) => *place = Some((*segment, 0)),
            (Action::Say(text), Some((_, said))) => *said += text.len(),
            (Action::CloseSegment { .. }, Some((segment, said))) if !self.stuck => {
                return Some(spoken(*segment, *said, Fate::Whole));
            }
            (Action::CutSegment { segment, .. }, Some((_, said))) => {
                let heard = if self.stuck { 0 } else { *said };
                return Some(spoken(*segment, heard, Fate::Cut));
            }
            _ => {}
        }
        None
    }

    pub(super) fn prompt(&self) -> Vec<String> {
        self.machine.history.messages().iter().map(|m| m.content().expose().to_owned()).collect()
    }
}

pub(super) fn spoken(segment: u64, delivered: usize, fate: Fate) -> Event {
    Event::SegmentEnded { segment, end: SegmentEnd { delivered, fate } }
}

fn short(action: &Action) -> String {
    match action {
        Action::SetState(state) => state.as_str().into(),
        Action::Ask { turn, messages, .. } => format!("ask {turn} with {}", messages.len()),
        Action::AskPreemptively { turn, messages, .. } => format!("preempt {turn} with {}", messages.len()),
        Action::Adopt { turn, .. } => format!("adopt {turn}"),
        Action::Discard => "discard".into(),
        Action::Unheard { turn, .. } => format!("unheard {turn}"),
        Action::Cancel { turn } => format!("cancel {turn}"),
        Action::OpenSegment { is_spoken: false, .. } => "open a written one".into(),
        Action::OpenSegment { only, .. } => with("open", only),
        Action::Say(text) => format!("say {}", text.expose()),
        Action::CloseSegment { chat } => with("close", chat),
        Action::CutSegment { chat, .. } => with("cut", chat),
        Action::Corrected { known, .. } => (if *known { "corrected" } else { "unknown" }).into(),
        Action::Deleted { turn, said } => {
            format!("deleted {turn} {}", said.recorded.as_str().unwrap_or_default())
        }
        Action::Finish { turn, result } => format!("finish {turn} {}", result.outcome.as_str()),
        Action::Overtaken { turn, .. } => format!("overtaken {turn}"),
        Action::End(reason) => format!("end: {reason}"),
    }
}

/// An action, and its recipients where they are not the whole room.
fn with(action: &str, people: &[String]) -> String {
    std::iter::once(action).chain(people.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_turn_goes_from_listening_through_thinking_and_speaking_back_to_listening() {
    let mut session = Session::joined(rules());
    assert_eq!(session.on(heard("hi")), ["thinking", "ask 0 with 2"]);
    assert_eq!(session.on(delta(0, "Hel")), ["speaking", "open", "say Hel"]);
    assert_eq!(session.on(delta(0, "lo")), ["say lo"]);
    assert_eq!(session.on(answered(0, TurnOutcome::Answered)), ["close", "finish 0 answered", "listening"]);
    assert_eq!(session.prompt(), ["be brief", "hi", "Hello"]);
}

#[test]
fn joining_moves_the_state_from_initializing_to_listening() {
    let mut machine = Machine::new(rules());
    let actions = machine.step(Instant::now(), Event::Joined { people: vec![], coming: vec![] });
    assert_eq!(actions.iter().map(short).collect::<Vec<_>>(), ["listening"]);
}

#[test]
fn the_greeting_is_said_once_when_the_first_person_is_there() {
    let greeting = Rules { greeting: "Hello!".into(), ..rules() };
    let mut session = Session::new(greeting);
    assert_eq!(session.on(Event::Joined { people: vec![], coming: vec![] }), ["listening"]);
    let said = session.on(Event::PersonJoined("ada".into()));
    assert_eq!(said, ["speaking", "open", "say Hello!", "close", "listening"]);
    assert!(session.on(Event::PersonJoined("bob".into())).is_empty());
    assert_eq!(session.prompt(), ["be brief", "Hello!"]);
}

#[test]
fn a_new_turn_interrupts_the_reply_and_starts_when_the_call_has_ended() {
    let mut session = Session::joined(rules());
    session.on(heard("tell me a story"));
    session.on(delta(0, "Once upon"));
    assert_eq!(session.on(heard("stop")), ["cancel 0", "cut", "thinking"]);
    assert!(session.on(delta(0, " a time")).is_empty(), "nothing more of the old reply is said");
    let next = session.on(answered(0, TurnOutcome::Interrupted));
    assert_eq!(next, ["finish 0 interrupted", "ask 1 with 4"]);
    let prompt = session.prompt();
    assert!(prompt[2].starts_with("Once upon …") && prompt[2].contains("interrupted"), "{prompt:?}");
}

#[test]
fn a_reply_that_ended_well_while_it_was_being_cut_counts_as_interrupted() {
    let mut session = Session::joined(rules());
    session.on(heard("a"));
    session.on(delta(0, "x"));
    session.on(heard("b"));
    assert_eq!(session.on(answered(0, TurnOutcome::Answered))[0], "finish 0 interrupted");
}

#[test]
fn of_many_turns_at_once_each_is_recorded_and_only_the_last_is_asked() {
    let mut session = Session::joined(rules());
    session.on(heard("0"));
    assert_eq!(session.on(heard("1")), ["cancel 0", "thinking"].map(String::from)[..1]);
    for n in 2..500 {
        assert_eq!(session.on(heard(&n.to_string())), [format!("overtaken {}", n - 1)]);
    }
    let next = session.on(answered(0, TurnOutcome::Interrupted));
    assert_eq!(next[0], "finish 0 interrupted");
    assert!(next[1].starts_with("ask 499"), "{next:?}");
    assert_eq!(session.prompt().last().map(String::as_str), Some("499"));
}

#[test]
fn one_segment_counts_once() {
    let mut session = Session::joined(rules());
    assert_eq!(session.on(segment("hi", "SG_1")).len(), 2);
    assert!(session.on(segment("hi", "SG_1")).is_empty());
}

#[test]
fn blank_text_is_no_turn() {
    let mut session = Session::joined(rules());
    assert!(session.on(heard("  \n\t")).is_empty());
}

#[test]
fn a_failed_call_is_apologised_for_and_the_session_goes_on() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    let actions = session.on(answered(0, failure()));
    assert_eq!(actions, ["finish 0 failed", "speaking", "open", "say sorry", "close", "listening"]);
    assert_eq!(session.on(heard("again"))[1], "ask 1 with 4");
}

#[test]
fn a_reply_that_broke_off_is_closed_and_remembered_as_broken() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    session.on(delta(0, "The answer is"));
    let actions = session.on(answered(0, failure()));
    assert_eq!(actions[..2], ["close", "finish 0 failed"]);
    assert!(session.prompt()[2].contains("broke off"));
}

#[test]
fn an_empty_reply_opens_no_segment() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    assert!(session.on(delta(0, "")).is_empty());
    assert_eq!(session.on(answered(0, TurnOutcome::Answered)), ["finish 0 answered", "listening"]);
}

#[test]
fn the_session_ends_when_the_last_person_stays_away() {
    let mut session = Session::joined(rules());
    session.on(Event::PersonJoined("bob".into()));
    assert!(session.on(Event::PersonLeft("ada".into())).is_empty());
    assert!(session.machine.deadline().is_none(), "bob is still there");
    session.on(Event::PersonLeft("bob".into()));
    assert_eq!(session.machine.deadline(), Some(session.now + Duration::from_secs(10)));
    assert!(session.on(Event::Tick).is_empty(), "the grace period runs");
    session.now += Duration::from_secs(10);
    assert_eq!(session.on(Event::Tick), ["end: everybody left"]);
}

#[test]
fn a_person_who_is_gone_before_they_could_hear_us_is_gone() {
    let mut session = Session::new(rules());
    session.on(Event::Joined { people: vec![], coming: vec!["ada".into()] });
    assert!(session.machine.deadline().is_none());
    session.on(Event::PersonLeft("ada".into()));
    assert_eq!(session.machine.deadline(), Some(session.now + Duration::from_secs(10)));
}

#[test]
fn a_person_who_comes_back_in_time_keeps_the_session() {
    let mut session = Session::joined(rules());
    session.on(Event::PersonLeft("ada".into()));
    session.on(Event::PersonJoined("ada".into()));
    session.now += Duration::from_secs(60);
    assert!(session.on(Event::Tick).is_empty());
}

/// A session that says a notice when it was away.
fn with_notice() -> Session {
    Session::joined(Rules { resume_notice: "I was away".into(), ..rules() })
}

/// The connection is lost, and with it the sight of ada; `seconds` later it is back.
fn away(session: &mut Session, seconds: u64, rejoined: bool) -> Vec<String> {
    session.on(Event::PersonLeft("ada".into()));
    session.on(Event::Away);
    session.now += Duration::from_secs(seconds);
    session.on(Event::Back { rejoined })
}

#[test]
fn no_person_counts_as_gone_while_the_connection_is_restored() {
    let mut session = Session::joined(rules());
    session.on(Event::PersonLeft("ada".into()));
    session.on(Event::Away);
    assert_eq!(session.machine.deadline(), None);
    session.now += Duration::from_secs(600);
    assert!(session.on(Event::Tick).is_empty());
    session.on(Event::Back { rejoined: true });
    let minute = Some(session.now + Duration::from_secs(60));
    assert_eq!(session.machine.deadline(), minute, "others may find back more slowly than we did");
    session.on(Event::PersonJoined("ada".into()));
    assert_eq!(session.machine.deadline(), None);
}

#[test]
fn a_person_who_finds_us_rejoined_is_told_once() {
    let mut session = with_notice();
    assert!(away(&mut session, 5, true).is_empty(), "there is nobody yet");
    assert!(session.on(Event::PersonComing("ada".into())).is_empty(), "she would not hear it");
    let said_it = ["speaking", "open", "say I was away", "close", "listening"];
    assert_eq!(session.on(Event::PersonJoined("ada".into())), said_it);
    assert!(session.on(Event::PersonJoined("bob".into())).is_empty());
}

#[test]
fn a_blink_and_a_resumed_connection_are_no_news() {
    let mut session = with_notice();
    away(&mut session, 1, true);
    assert!(session.on(Event::PersonJoined("ada".into())).is_empty(), "a second");
    away(&mut session, 30, false);
    assert!(session.on(Event::PersonJoined("ada".into())).is_empty(), "nothing was missed");
}

#[test]
fn a_reply_that_goes_on_is_notice_enough_and_so_is_the_next_question() {
    let mut session = with_notice();
    session.on(heard("hi"));
    away(&mut session, 5, true);
    assert!(session.on(Event::PersonJoined("ada".into())).is_empty());
    assert_eq!(session.on(answered(0, TurnOutcome::Answered)), ["finish 0 answered", "listening"]);
    away(&mut session, 5, true);
    session.on(heard("are you there?"));
    assert!(session.on(Event::PersonJoined("ada".into())).is_empty());
}

#[test]
fn a_lost_session_keeps_what_was_said_for_its_successor() {
    let mut session = with_notice();
    session.on(heard("my name is Ada"));
    session.on(delta(0, "hello Ada"));
    session.on(answered(0, TurnOutcome::Answered));
    session.on(heard("and"));
    assert_eq!(session.on(lost()), ["cancel 1"]);
    let end = session.on(answered(1, TurnOutcome::Interrupted));
    assert_eq!(end, ["finish 1 interrupted", "end: the connection to the room was lost: cut"]);
    assert_eq!(session.machine.met(), ["ada"]);

    let mut next = Session::new(rules());
    next.machine.resume(&session.machine.chat_context());
    next.on(Event::Joined { people: vec!["ada".into()], coming: vec![] });
    assert_eq!(next.on(heard("what is my name?")), ["thinking", "ask 2 with 5"]);
    assert_eq!(next.prompt(), ["be brief", "my name is Ada", "hello Ada", "and", "what is my name?"]);
}

#[test]
fn a_session_without_people_waits_for_the_room_to_close() {
    let mut session = Session::new(rules());
    session.on(Event::Joined { people: vec![], coming: vec![] });
    assert!(session.machine.deadline().is_none());
    assert_eq!(
        session.on(Event::End(EndReason::RoomClosed("deleted".into()))),
        ["end: the room closed: deleted"]
    );
}

#[test]
fn a_stop_in_the_middle_of_a_reply_waits_for_the_call_to_end() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    session.on(delta(0, "x"));
    assert_eq!(session.on(stop()), ["cancel 0", "cut", "thinking"]);
    assert!(session.on(heard("too late")).is_empty());
    assert_eq!(session.on(answered(0, TurnOutcome::Interrupted)), ["finish 0 interrupted", "end: stopped"]);
}

#[test]
fn a_stop_records_the_turn_that_was_still_waiting() {
    let mut session = Session::joined(rules());
    session.on(heard("a"));
    session.on(heard("b"));
    assert_eq!(session.on(stop()), ["overtaken 1"]);
    assert_eq!(session.on(answered(0, TurnOutcome::Interrupted)), ["finish 0 interrupted", "end: stopped"]);
}

#[test]
fn latency_is_from_the_utterance_to_the_first_word() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    session.now += Duration::from_millis(300);
    session.on(delta(0, "x"));
    session.now += Duration::from_secs(5);
    session.machine.step(session.now, answered(0, TurnOutcome::Answered));
    let actions = session.machine.step(session.now, spoken(0, 1, Fate::Whole));
    let finish = actions.iter().find_map(|action| match action {
        Action::Finish { result, .. } => Some(result.latency),
        _ => None,
    });
    assert_eq!(finish, Some(Some(Duration::from_millis(300))));
}

#[test]
fn a_new_room_of_the_name_waits_no_longer_than_the_grace() {
    let joined = |people: &[&str], in_other_room: bool| {
        let mut machine = Machine::new(rules());
        if in_other_room {
            machine.in_other_room();
        }
        let mut session = Session { machine, ..Session::new(rules()) };
        let people = people.iter().map(|person| (*person).to_owned()).collect();
        session.on(Event::Joined { people, coming: vec![] });
        session.now += Duration::from_secs(10);
        session
    };
    assert_eq!(joined(&[], true).on(Event::Tick), ["end: everybody left"]);
    assert_eq!(joined(&["ada"], true).on(Event::Tick), [""; 0], "somebody is there");
    assert_eq!(joined(&[], false).on(Event::Tick), [""; 0], "the caller is still to come");
    let mut session = joined(&[], true);
    session.on(Event::PersonJoined("ada".into()));
    assert_eq!(session.on(Event::Tick), [""; 0], "somebody came in time");
}

#[test]
fn what_turned_out_to_be_thought_is_not_remembered() {
    let mut session = Session::joined(rules());
    session.on(heard("hi"));
    session.on(delta(0, "I wonder."));
    session.on(delta(0, "Good morning."));
    let answer =
        Answer { text: "Good morning.".into(), thought_bytes: 9, ..Answer::nothing(TurnOutcome::Answered) };
    session.on(Event::Answered { turn: 0, answer });
    let context = session.machine.chat_context();
    let answers: Vec<&str> =
        context.turns.iter().filter_map(|turn| turn.answer.as_ref()).map(Text::expose).collect();
    assert_eq!(answers.last(), Some(&"Good morning."));
}
