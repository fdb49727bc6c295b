//! The labels of a counter, made from the values that tell its series apart.

use agent_worker::JobResult;

use super::label::{
    AttemptLabel, ErrorClass, Holding, Panicked, Pause, Phase, Refusal, RequestLabel, Restored, Resumption,
    Tokens, TurnLabel, Wordless,
};
use super::meter::Label;

/// The values by which a counter is told apart.
pub(crate) trait Values: Copy + 'static {
    /// Those that are known at the start.
    const KNOWN: &'static [Self];

    /// `label` is that of the metric's definition.
    fn labels(self, label: &'static str) -> Vec<Label>;
}

/// Implements [`Values`] by a type's `ALL` and `as_str`.
macro_rules! values {
    ($($type:ty),*) => {
        $(impl Values for $type {
            const KNOWN: &'static [Self] = &Self::ALL;

            fn labels(self, label: &'static str) -> Vec<Label> {
                vec![Label::new(label, self.as_str())]
            }
        })*
    };
}

values!(
    JobResult,
    Resumption,
    Restored,
    Panicked,
    TurnLabel,
    Phase,
    Refusal,
    Holding,
    RequestLabel,
    AttemptLabel,
    Wordless,
    Pause
);

impl Values for () {
    const KNOWN: &'static [Self] = &[()];

    fn labels(self, _: &'static str) -> Vec<Label> {
        Vec::new()
    }
}

impl Values for bool {
    const KNOWN: &'static [Self] = &[true, false];

    fn labels(self, label: &'static str) -> Vec<Label> {
        vec![Label::new(label, if self { "true" } else { "false" })]
    }
}

impl Values for ErrorClass {
    const KNOWN: &'static [Self] = &[];

    fn labels(self, label: &'static str) -> Vec<Label> {
        vec![Label::new(label, self.0)]
    }
}

impl Values for Tokens {
    const KNOWN: &'static [Self] = &[];

    fn labels(self, _: &'static str) -> Vec<Label> {
        [vec![Label::new("type", self.kind)], self.estimated.labels("estimated")].concat()
    }
}
