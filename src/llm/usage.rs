//! Measured or estimated tokens.

use conversation::{Message, Usage, estimate_tokens};

/// Counts of tokens as a server writes them. A count of 0 for a reply with words is no count: some servers send zeros
/// until the true counts come, and some for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cached_input: Option<u64>,
}

/// The provider's report on the tokens of one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    counts: Counts,
    /// Some of it came after the end of the reply, so it counts all of the reply.
    is_final: bool,
}

/// The end of an attempt, as far as its tokens go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// The provider worked on the prompt and sent its words.
    Worked,
    /// The provider refused or broke off before the first word.
    Nothing,
}

// === impl Counts ===

impl Counts {
    /// Takes the counts that are larger in `other`.
    pub(super) fn raise(&mut self, other: Self) {
        self.input = self.input.max(other.input);
        self.output = self.output.max(other.output);
        self.cached_input = self.cached_input.max(other.cached_input);
    }
}

// === impl Reported ===

impl Reported {
    /// Notes counts; the larger of two stays. `finished` says whether the reply had ended by then: some servers count
    /// along, and their earlier counts are too low.
    pub(super) fn note(&mut self, counts: Counts, finished: bool) {
        self.counts.raise(counts);
        self.is_final |= finished && counts != Counts::default();
    }

    /// The reply has ended, without a finish reason: the counts cover all of it.
    pub(super) fn conclude(&mut self) {
        self.is_final |= self.counts != Counts::default();
    }

    /// The tokens of an attempt that put `messages` to the model and got `text`.
    pub(super) fn settle(&self, spent: Spent, messages: &[Message], text: &str) -> Usage {
        let Counts { input, output, cached_input } = self.counts;
        if spent == Spent::Nothing {
            let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
            return Usage { input, output, cached_input, estimated: false };
        }
        let input_measured = input.filter(|input| *input > 0);
        let output_measured = output.filter(|output| self.is_final && (*output > 0 || text.is_empty()));
        let least = output.unwrap_or_default().max(estimate_tokens(text));
        Usage {
            input: input_measured.unwrap_or_else(|| messages.iter().map(Message::estimated_tokens).sum()),
            output: output_measured.unwrap_or(least),
            cached_input,
            estimated: input_measured.is_none() || output_measured.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conversation::Role;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    fn estimated(input: u64, output: u64) -> Usage {
        Usage { estimated: true, ..usage(input, output) }
    }

    fn counts(input: u64, output: u64) -> Counts {
        Counts { input: Some(input), output: Some(output), cached_input: None }
    }

    fn messages() -> [Message; 1] {
        [Message::new(Role::User, "twelve bytes")]
    }

    /// The usage that these counts come to, the last ones after the end of a reply of eight bytes.
    fn settled(before: &[Counts], after: &[Counts]) -> Usage {
        let mut reported = Reported::default();
        before.iter().for_each(|counts| reported.note(*counts, false));
        after.iter().for_each(|counts| reported.note(*counts, true));
        reported.settle(Spent::Worked, &messages(), "eight by")
    }

    #[test]
    fn what_the_provider_measured_counts() {
        assert_eq!(settled(&[], &[counts(57, 10)]), usage(57, 10));
    }

    #[test]
    fn what_it_never_measured_is_estimated_and_marked() {
        assert_eq!(settled(&[], &[]), estimated(7, 2));
    }

    #[test]
    fn a_count_from_the_middle_of_the_reply_keeps_its_input_only() {
        assert_eq!(settled(&[counts(57, 1)], &[]), estimated(57, 2));
    }

    #[test]
    fn zeros_while_there_were_words_are_no_counts() {
        assert_eq!(settled(&[counts(0, 0)], &[]), estimated(7, 2));
        assert_eq!(settled(&[], &[counts(0, 0)]), estimated(7, 2));
        assert_eq!(settled(&[], &[counts(57, 0)]), estimated(57, 2));
        assert_eq!(settled(&[], &[counts(0, 3)]), estimated(7, 3));
    }

    #[test]
    fn the_larger_of_two_counts_stays_whichever_came_last() {
        assert_eq!(settled(&[], &[counts(57, 10), counts(0, 0)]), usage(57, 10));
        assert_eq!(settled(&[counts(57, 4)], &[counts(0, 10)]), usage(57, 10));
        assert_eq!(settled(&[counts(0, 0)], &[counts(57, 10)]), usage(57, 10));
    }

    #[test]
    fn a_count_that_is_missing_is_estimated_and_the_other_kept() {
        let input = Counts { input: Some(57), ..Counts::default() };
        assert_eq!(settled(&[], &[input]), estimated(57, 2));
        let output = Counts { output: Some(9), ..Counts::default() };
        assert_eq!(settled(&[], &[output]), estimated(7, 9));
    }

    #[test]
    fn a_reply_without_words_may_have_cost_no_output() {
        let mut reported = Reported::default();
        reported.note(counts(57, 0), true);
        assert_eq!(reported.settle(Spent::Worked, &messages(), ""), usage(57, 0));
    }

    #[test]
    fn a_call_that_failed_before_the_first_word_cost_what_was_reported() {
        assert_eq!(Reported::default().settle(Spent::Nothing, &messages(), ""), Usage::default());
        let mut reported = Reported::default();
        reported.note(counts(57, 0), false);
        assert_eq!(reported.settle(Spent::Nothing, &messages(), ""), usage(57, 0));
    }

    #[test]
    fn attempts_add_up() {
        let cached = Usage { cached_input: Some(3), ..usage(4, 5) };
        assert_eq!(usage(1, 2).plus(cached), Usage { cached_input: Some(3), ..usage(5, 7) });
    }
}
