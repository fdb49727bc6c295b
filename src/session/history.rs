//! The model's memory of a conversation: the instructions, and as many of the latest turns as the limits allow.

use std::collections::VecDeque;
use std::sync::Arc;

use conversation::{Message, Role, Text, TurnOutcome};

use super::chat_context::ContextTurn;
use super::seen_messages::MessageKey;

/// Appended to the agent's words when the user cut in, so that the model knows how much was heard.
const CUT_MARK: &str = " … [interrupted by the user]";
/// Appended to a reply that broke off because the call failed.
const BROKEN_MARK: &str = " … [the reply broke off]";
/// Takes the place of a message that the user took back. Some models refuse a turn without a question.
pub(super) const DELETED: &str = "[deleted by the user]";

/// The messages of one turn, oldest first, and their estimated tokens.
#[derive(Clone, Default)]
struct Exchange {
    /// The key of the user's message, the first of these.
    key: Option<MessageKey>,
    messages: Vec<Message>,
    /// The replies among these that the agent said as a whole, as far as it knew.
    replies: Vec<Reply>,
    tokens: u64,
}

/// The place of a segment that was said.
#[derive(Clone, Copy)]
struct Reply {
    segment: u64,
    message: usize,
    /// Bytes of the segment before what is remembered: thoughts.
    thought: usize,
}

/// A conversation bounded by turns and by estimated tokens. The instructions are always kept, and so is the latest
/// turn, however long it is.
#[derive(Clone)]
pub(crate) struct History {
    instructions: Option<Message>,
    exchanges: VecDeque<Exchange>,
    tokens: u64,
    max_turns: usize,
    max_tokens: u64,
}

// === impl History ===

impl History {
    pub(crate) fn new(instructions: &str, max_turns: usize, max_tokens: u64) -> Self {
        let instructions =
            (!instructions.trim().is_empty()).then(|| Message::new(Role::System, instructions));
        Self { instructions, exchanges: VecDeque::new(), tokens: 0, max_turns: max_turns.max(1), max_tokens }
    }

    /// Begins a new turn with the user's message.
    pub(crate) fn push_user(&mut self, text: &Text, key: Option<MessageKey>) {
        self.exchanges.push_back(Exchange { key, ..Exchange::default() });
        self.push(Message::new(Role::User, text.clone()));
    }

    /// Replaces the user's message, if it is remembered; None deletes it, for good.
    pub(crate) fn correct(&mut self, key: MessageKey, text: Option<&Text>) {
        let theirs = |exchange: &&mut Exchange| exchange.key == Some(key);
        let Some(exchange) = self.exchanges.iter_mut().find(theirs) else { return };
        exchange.key = text.map(|_| key);
        self.tokens -= exchange.tokens;
        exchange.replace_question(text.cloned().unwrap_or_else(|| DELETED.into()));
        self.tokens += exchange.tokens;
        self.forget();
    }

    /// Adds the agent's words to the turn under way. An empty text is not remembered.
    pub(crate) fn push_agent(&mut self, text: &Text, outcome: &TurnOutcome) {
        if text.is_empty() {
            return;
        }
        if self.exchanges.is_empty() {
            self.exchanges.push_back(Exchange::default());
        }
        self.push(Message::new(Role::Assistant, marked(text, mark(outcome))));
    }

    /// Adds a text that the agent said as a whole, in this segment.
    pub(super) fn push_segment(&mut self, text: &Text, segment: u64, thought: usize) {
        if text.is_empty() {
            return;
        }
        self.push_agent(text, &TurnOutcome::Answered);
        if let Some(exchange) = self.exchanges.back_mut() {
            let message = exchange.messages.len().saturating_sub(1);
            exchange.replies.push(Reply { segment, message, thought });
        }
    }

    /// Shortens a reply of which only the first `heard` bytes of this segment went out.
    pub(super) fn truncate_segment(&mut self, segment: u64, delivered: usize) {
        for exchange in &mut self.exchanges {
            self.tokens -= exchange.tokens;
            exchange.shorten(segment, delivered);
            self.tokens += exchange.tokens;
        }
        self.exchanges.retain(|exchange| !exchange.messages.is_empty());
    }

    /// The messages that the model is sent: the instructions, then the turns, oldest first.
    pub(crate) fn messages(&self) -> Arc<[Message]> {
        let turns = self.exchanges.iter().flat_map(|exchange| &exchange.messages);
        self.instructions.iter().chain(turns).cloned().collect()
    }

    /// The messages that the model would be sent if the user said this.
    pub(super) fn messages_with(&self, text: &Text) -> Arc<[Message]> {
        let mut history = self.clone();
        history.push_user(text, None);
        history.messages()
    }

    /// The remembered messages in their order, for the session that goes on with the conversation.
    pub(super) fn turns(&self) -> Vec<ContextTurn> {
        self.exchanges.iter().flat_map(|exchange| &exchange.messages).map(ContextTurn::from).collect()
    }

    fn push(&mut self, message: Message) {
        let tokens = message.estimated_tokens();
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.tokens += tokens;
            exchange.messages.push(message);
            self.tokens += tokens;
        }
        self.forget();
    }

    fn forget(&mut self) {
        while self.exchanges.len() > 1
            && (self.exchanges.len() > self.max_turns || self.tokens > self.max_tokens)
        {
            if let Some(oldest) = self.exchanges.pop_front() {
                self.tokens -= oldest.tokens;
            }
        }
    }
}

// === impl Exchange ===

impl Exchange {
    fn replace_question(&mut self, text: Text) {
        if let Some(question) = self.messages.first_mut().filter(|question| *question.content() != text) {
            *question = Message::new(Role::User, text);
        }
        self.count();
    }

    /// A reply of which nothing was said is not remembered.
    fn shorten(&mut self, segment: u64, delivered: usize) {
        let Some(place) = self.replies.iter().position(|reply| reply.segment == segment) else { return };
        let Reply { message, thought, .. } = self.replies[place];
        let (said, delivered) =
            (self.messages[message].content().expose(), delivered.saturating_sub(thought));
        if delivered >= said.len() {
            return;
        }
        self.replies.remove(place);
        match said.get(..delivered).filter(|delivered| !delivered.is_empty()) {
            Some(delivered) => {
                self.messages[message] =
                    Message::new(Role::Assistant, marked(&delivered.into(), Some(BROKEN_MARK)));
            }
            None => {
                self.messages.remove(message);
                let later = self.replies.iter_mut().filter(|reply| reply.message > message);
                later.for_each(|reply| reply.message -= 1);
            }
        }
        self.count();
    }

    fn count(&mut self) {
        self.tokens = self.messages.iter().map(Message::estimated_tokens).sum();
    }
}

/// The mark behind a reply that ended so.
fn mark(outcome: &TurnOutcome) -> Option<&'static str> {
    match outcome {
        TurnOutcome::Answered => None,
        TurnOutcome::Interrupted => Some(CUT_MARK),
        TurnOutcome::Failed(_) | TurnOutcome::Aborted(_) => Some(BROKEN_MARK),
    }
}

/// A text without a mark stays the same one as that which is recorded, so that it is redacted once.
fn marked(text: &Text, mark: Option<&str>) -> Text {
    match mark {
        Some(mark) => format!("{}{mark}", text.expose()).into(),
        None => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use conversation::Failure;

    use super::*;
    use crate::session::seen_messages::SeenMessages;

    fn texts(history: &History) -> Vec<String> {
        history.messages().iter().map(|m| format!("{}: {}", m.role(), m.content().expose())).collect()
    }

    #[test]
    fn the_oldest_turns_are_forgotten_whole_and_the_instructions_never() {
        let mut history = History::new("be brief", 2, 1_000);
        for n in 1..=3 {
            history.push_user(&format!("q{n}").into(), None);
            history.push_agent(&format!("a{n}").into(), &TurnOutcome::Answered);
        }
        assert_eq!(
            texts(&history),
            ["system: be brief", "user: q2", "assistant: a2", "user: q3", "assistant: a3"]
        );
    }

    #[test]
    fn tokens_bound_the_history_but_never_the_turn_under_way() {
        let mut history = History::new("be brief", 50, 20);
        history.push_user(&"short".into(), None);
        history.push_agent(&"answer".into(), &TurnOutcome::Answered);
        history.push_user(&"x".repeat(400).into(), None);
        assert_eq!(history.messages().len(), 2, "the instructions and the long turn");
        history.push_user(&"next".into(), None);
        assert_eq!(texts(&history), ["system: be brief", "user: next"]);
    }

    #[test]
    fn what_was_cut_is_marked_and_silence_is_not_remembered() {
        let mut history = History::new("", 50, 1_000);
        history.push_user(&"q".into(), None);
        history.push_agent(&"half an".into(), &TurnOutcome::Interrupted);
        history.push_user(&"q2".into(), None);
        history.push_agent(&"".into(), &TurnOutcome::Failed(Failure::new("500", "")));
        let texts = texts(&history);
        assert_eq!(texts.len(), 3);
        assert!(texts[1].starts_with("assistant: half an …"), "{texts:?}");
        assert!(texts[1].contains("interrupted"), "{texts:?}");
    }

    #[test]
    fn what_did_not_go_out_is_taken_back_as_far_as_it_was_not_heard() {
        let mut history = History::new("", 50, 1_000);
        history.push_segment(&"Hello!".into(), 0, 0);
        history.push_user(&"q".into(), None);
        history.push_segment(&"a whole answer".into(), 1, 0);
        history.push_segment(&"sorry".into(), 2, 0);
        history.truncate_segment(1, 7);
        history.truncate_segment(2, 0);
        history.truncate_segment(3, 1);
        history.truncate_segment(0, 6);
        assert_eq!(texts(&history)[1..], ["user: q", "assistant: a whole … [the reply broke off]"]);
        history.truncate_segment(0, 0);
        assert_eq!(texts(&history)[0], "user: q");
        assert_eq!(history.tokens, history.exchanges.iter().map(|exchange| exchange.tokens).sum::<u64>());
    }

    #[test]
    fn what_is_taken_back_leaves_the_places_of_later_replies_right() {
        let mut history = History::new("", 50, 1_000);
        history.push_user(&"q".into(), None);
        history.push_segment(&"first".into(), 1, 0);
        history.push_segment(&"second".into(), 2, 0);
        history.truncate_segment(1, 0);
        history.truncate_segment(2, 3);
        assert_eq!(texts(&history), ["user: q", "assistant: sec … [the reply broke off]"]);
    }

    #[test]
    fn a_greeting_comes_before_the_first_turn() {
        let mut history = History::new("", 50, 1_000);
        history.push_agent(&"Hello!".into(), &TurnOutcome::Answered);
        history.push_user(&"hi".into(), None);
        assert_eq!(texts(&history), ["assistant: Hello!", "user: hi"]);
    }

    /// A history with a turn whose message has a key.
    fn asked(question: &str) -> (History, MessageKey) {
        let (seen, mut history) = (SeenMessages::default(), History::new("be brief", 50, 100));
        let key = seen.key("ada", "1");
        history.push_user(&question.into(), Some(key));
        history.push_agent(&"answer".into(), &TurnOutcome::Answered);
        (history, key)
    }

    #[test]
    fn a_correction_takes_the_place_of_what_was_said() {
        let (mut history, key) = asked("wrnog");
        history.push_user(&"next".into(), None);
        history.correct(key, Some(&"right".into()));
        history.correct(SeenMessages::default().key("ada", "2"), Some(&"unknown".into()));
        assert_eq!(texts(&history), ["system: be brief", "user: right", "assistant: answer", "user: next"]);
    }

    #[test]
    fn what_is_deleted_leaves_a_mark_and_stays_deleted() {
        let (mut history, key) = asked("a secret");
        history.correct(key, None);
        history.correct(key, Some(&"a late copy brings nothing back".into()));
        let texts = texts(&history);
        assert_eq!(texts, ["system: be brief", "user: [deleted by the user]", "assistant: answer"]);
    }

    #[test]
    fn a_correction_counts_within_the_limit_of_tokens() {
        let (mut history, _) = asked("first");
        let seen = SeenMessages::default();
        let key = seen.key("ada", "2");
        history.push_user(&"second".into(), Some(key));
        history.correct(key, Some(&"x".repeat(400).into()));
        assert_eq!(history.messages().len(), 2, "the instructions and the long turn");
        history.correct(key, Some(&"short".into()));
        assert_eq!(history.tokens, history.exchanges.iter().map(|exchange| exchange.tokens).sum::<u64>());
        history.push_user(&"third".into(), None);
        assert_eq!(texts(&history), ["system: be brief", "user: short", "user: third"]);
    }
}
