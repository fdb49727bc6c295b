//! Thoughts that are marked by words alone, at the very beginning of a reply.

use bounded::text::within_bytes;

/// The beginning and the end of a thought, in lower case.
struct Marks {
    opening: &'static str,
    /// The next letter must be a capital or no letter, since no word goes on with one.
    then_capital: bool,
    ends: &'static [&'static str],
    /// A thought that never ends was the answer.
    is_doubtful: bool,
}

/// The marks of gpt-oss where the server leaves its special tokens out, and of Granite 3.2.
const MARKS: [Marks; 3] = [
    Marks { opening: "analysis", then_capital: true, ends: &["assistantfinal"], is_doubtful: false },
    Marks { opening: "here is my thought process:", then_capital: false, ends: &GRANITE, is_doubtful: true },
    Marks { opening: "here's my thought process:", then_capital: false, ends: &GRANITE, is_doubtful: true },
];
const GRANITE: [&str; 2] = ["here is my response:", "here's my response:"];

/// The end of a thought within plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    ends: &'static [&'static str],
    pub(super) is_doubtful: bool,
}

/// The beginning of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// This many bytes open a thought.
    Thought(usize, Ends),
    /// The text may yet become the beginning of a thought.
    Unfinished,
    Words,
}

/// The result of looking for the end of a thought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The position of the thought's end, and the length of its mark.
    End(usize, usize),
    /// No end begins before this byte.
    None(usize),
}

pub(super) fn beginning(text: &str) -> Beginning {
    let words = text.trim_start();
    let blanks = text.len() - words.len();
    let folded = words.to_ascii_lowercase();
    for Marks { opening, then_capital, ends, is_doubtful } in &MARKS {
        let Some(rest) = folded.strip_prefix(opening) else {
            if opening.starts_with(&folded) {
                return Beginning::Unfinished;
            }
            continue;
        };
        match words[words.len() - rest.len()..].chars().next() {
            None if *then_capital => return Beginning::Unfinished,
            Some(next) if *then_capital && !next.is_uppercase() => {}
            _ => {
                let ends = Ends { ends, is_doubtful: *is_doubtful };
                return Beginning::Thought(blanks + opening.len(), ends);
            }
        }
    }
    Beginning::Words
}

// === impl Ends ===

impl Ends {
    pub(super) fn find(self, text: &str) -> Found {
        let folded = text.to_ascii_lowercase();
        let found = self.ends.iter().filter_map(|end| Some((folded.find(end)?, end.len()))).min();
        if let Some((at, length)) = found {
            return Found::End(at, length);
        }
        let longest = self.ends.iter().map(|end| end.len()).max().unwrap_or_default();
        let clear = text.len().saturating_sub(longest.saturating_sub(1));
        Found::None(within_bytes(text, clear).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_begins_with_its_words_and_nothing_else_does() {
        for opening in ["analysisWe need", "\nanalysisThe user", "Here is my thought process: hm"] {
            assert!(matches!(beginning(opening), Beginning::Thought(..)), "{opening}");
        }
        for words in ["analysis of the data", "Analysis: it", "analysiswe", "Here is my answer", "Hello"] {
            assert_eq!(beginning(words), Beginning::Words, "{words}");
        }
        for unfinished in ["", " ", "ana", "analysis", "Here", "here's my thought"] {
            assert_eq!(beginning(unfinished), Beginning::Unfinished, "{unfinished}");
        }
    }

    #[test]
    fn an_end_may_come_in_pieces_between_letters_of_any_length() {
        let Beginning::Thought(8, ends) = beginning("analysisHm") else { panic!("it is a thought") };
        assert_eq!(ends.find("Hm.assistantfinalHello"), Found::End(3, 14));
        assert_eq!(ends.find("ééééééééééassistant"), Found::None(16));
        assert_eq!(ends.find("short"), Found::None(0));
    }
}
