//! The reasons why a model stopped, by the names that servers give them.

/// The meaning of a finish reason for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::llm) enum Finish {
    /// The model came to its end.
    Whole,
    /// It was cut at a limit of tokens.
    Length,
    /// A filter stopped it.
    Filtered,
    /// Something failed. `may_pass`: another attempt may succeed.
    Failed { may_pass: bool },
}

/// `stop` and its equivalents: OpenAI's other reasons, Anthropic's, Cohere's, TGI's, Together's.
const WHOLE: [&str; 18] = [
    "stop",
    "eos",
    "eos_token",
    "end_turn",
    "stop_sequence",
    "stop_token",
    "end_of_turn",
    "end_of_text",
    "complete",
    "completed",
    "finished",
    "done",
    "tool_calls",
    "function_call",
    "tool_call",
    "tool_use",
    "stop_string",
    "end",
];

const LENGTH: [&str; 10] = [
    "length",
    "max_tokens",
    "max_output_tokens",
    "model_length",
    "model_context_window_exceeded",
    "max_length",
    "max_new_tokens",
    "limit",
    "time_limit",
    "error_limit",
];

/// OpenAI's; Gemini's; Anthropic's; Zhipu's.
const FILTERED: [&str; 14] = [
    "content_filter",
    "content_filtered",
    "safety",
    "image_safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "language",
    "refusal",
    "sensitive",
    "guardrail_intervened",
    "moderation",
    "error_toxic",
];

/// Reasons after which the same request is not worth another attempt.
const FINAL: [&str; 2] = ["malformed_function_call", "unexpected_tool_call"];

// === impl Finish ===

impl Finish {
    /// A reason that is not known to mean a whole reply does not count as one.
    pub(in crate::llm) fn of(reason: &str) -> Self {
        // Gemini's compatible endpoint adds its own reason: `content_filter: PROHIBITED_CONTENT`.
        let reason = reason.split(':').next().unwrap_or_default().trim();
        let reason = reason.to_ascii_lowercase().replace(['-', ' '], "_");
        let is_one_of = |known: &[&str]| known.contains(&reason.as_str());
        match () {
            () if is_one_of(&WHOLE) => Self::Whole,
            () if is_one_of(&LENGTH) => Self::Length,
            () if is_one_of(&FILTERED) => Self::Filtered,
            () => Self::Failed { may_pass: !is_one_of(&FINAL) },
        }
    }

    pub(in crate::llm) fn is_failure(self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_in_the_spelling_of_each_server() {
        for (reason, meant) in [
            ("stop", Finish::Whole),
            ("STOP", Finish::Whole),
            ("eos_token", Finish::Whole),
            ("tool_calls", Finish::Whole),
            ("max_new_tokens", Finish::Length),
            ("MAX_TOKENS", Finish::Length),
            ("content-filter", Finish::Filtered),
            ("SAFETY", Finish::Filtered),
            ("content_filter: PROHIBITED_CONTENT", Finish::Filtered),
        ] {
            assert_eq!(Finish::of(reason), meant, "{reason}");
        }
    }

    #[test]
    fn what_is_not_known_to_mean_a_whole_reply_does_not_count_as_one() {
        for reason in ["error", "abort", "network_error", "insufficient_system_resource", "cancelled", "x"] {
            assert_eq!(Finish::of(reason), Finish::Failed { may_pass: true }, "{reason}");
        }
        assert!(Finish::of("malformed_function_call").is_failure());
    }
}
