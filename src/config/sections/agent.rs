//! The keys of `[agent]`.

use std::time::Duration;

use crate::config::key::{of, section};
use crate::config::kind::{Length, Name, Text, integer};

section! {
    /// `[agent]`: the agent's name and words, and how much of the conversation it remembers.
    Agent, "agent",
        "Who answers, and how much of a conversation it remembers.";

    name: String = of(&Name, r#""voiced""#).live()
        .doc("The name that people in the room see.");

    instructions: String =
        of(&Text, r#""""\
    You are a friendly voice assistant. Answer in one to three short sentences, in the language you are spoken to in, \
    and in words that sound natural when read aloud: no lists, headings, code or emoji. If you did not understand, \
    ask.""""#)
            .live()
            .doc("The system message at the start of every conversation.");

    greeting: String = of(&Text, r#""""#).live()
        .doc("Said when a session starts. Empty: the agent waits until a person says something.");

    apology: String = of(&Text, r#""Sorry, I could not answer that. Please try again.""#).live()
        .doc("Said when the model gave no answer. Empty: nothing is said.");

    resume_notice: String = of(&Text, r#""Sorry, I was gone for a moment. Could you say that again?""#)
        .live()
        .doc("Said when we come back to a room after a crash, or after the connection was lost. Empty: nothing is said.");

    text_notice: String = of(&Text, r#""I cannot speak at the moment, so I write.""#).live()
        .doc("Written when the voice fails, once until it works again. Empty: replies are written without a word about it.");

    history_turns: usize = of(&integer(0, 10_000), "50").live()
        .doc("How many past turns the model sees with each new one.");

    history_tokens: u64 = of(&integer(0, 10_000_000), "8000").live()
        .doc("How many tokens of past turns, estimated at four bytes each. The oldest turns go first.");

    max_turn_bytes: usize = of(&integer(1, 16 << 20), "65536").live()
        .doc("What a person says at once may be this long, in bytes of UTF-8. A longer turn is refused.");

    leave_grace: Duration = of(&Length::any(), r#""10s""#).live()
        .doc("A session ends this long after the last person left; a person who comes back in time goes on with it.");
}
