//! Measured or estimated tokens.

use crate::chat::{Message, Usage, estimate_tokens};

/// What the provider said about the tokens of one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    usage: Option<Usage>,
    /// The reply had ended when it was said, so it counts all of it.
    is_final: bool,
}

/// How an attempt ended, as far as its tokens go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// The provider worked on the prompt and said what it said.
    Worked,
    /// It refused or broke off before the first word.
    Nothing,
}

// === impl Reported ===

impl Reported {
    /// Notes a usage block. `finished` says whether the reply had ended by then: some servers count along, and their
    /// earlier counts are too low.
    pub(super) fn note(&mut self, usage: Usage, finished: bool) {
        self.usage = Some(usage);
        self.is_final |= finished;
    }

    /// The tokens of an attempt that put `messages` to the model and got `text`.
    pub(super) fn settle(&self, spent: Spent, messages: &[Message], text: &str) -> Usage {
        match (self.usage, spent) {
            (Some(usage), _) if self.is_final => usage,
            (None, Spent::Nothing) => Usage::default(),
            (Some(usage), _) => {
                Usage { output: usage.output.max(estimate_tokens(text)), estimated: true, ..usage }
            }
            (None, Spent::Worked) => estimate(messages, text),
        }
    }
}

fn estimate(messages: &[Message], text: &str) -> Usage {
    Usage {
        input: messages.iter().map(Message::estimated_tokens).sum(),
        output: estimate_tokens(text),
        cached_input: None,
        estimated: true,
    }
}

/// The tokens of several attempts of one request.
pub(super) fn sum(one: Usage, other: Usage) -> Usage {
    let cached = [one.cached_input, other.cached_input].into_iter().flatten().reduce(u64::saturating_add);
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cached_input: cached,
        estimated: one.estimated || other.estimated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    fn messages() -> [Message; 1] {
        [Message::new(Role::User, "twelve bytes")]
    }

    #[test]
    fn what_the_provider_measured_counts() {
        let mut reported = Reported::default();
        reported.note(usage(57, 10), true);
        assert_eq!(reported.settle(Spent::Worked, &messages(), "some text"), usage(57, 10));
    }

    #[test]
    fn what_it_never_measured_is_estimated_and_marked() {
        let settled = Reported::default().settle(Spent::Worked, &messages(), "eight by");
        assert_eq!(settled, Usage { estimated: true, ..usage(7, 2) });
    }

    #[test]
    fn a_count_from_the_middle_of_the_reply_keeps_its_input_only() {
        let mut reported = Reported::default();
        reported.note(usage(57, 1), false);
        let settled = reported.settle(Spent::Worked, &messages(), "eight by");
        assert_eq!(settled, Usage { estimated: true, ..usage(57, 2) });
    }

    #[test]
    fn a_call_that_failed_before_the_first_word_cost_nothing() {
        assert_eq!(Reported::default().settle(Spent::Nothing, &messages(), ""), Usage::default());
    }

    #[test]
    fn attempts_add_up() {
        let cached = Usage { cached_input: Some(3), ..usage(4, 5) };
        assert_eq!(sum(usage(1, 2), cached), Usage { cached_input: Some(3), ..usage(5, 7) });
    }
}
