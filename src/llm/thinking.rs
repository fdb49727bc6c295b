//! The thoughts of a model within its reply, separated from its words.
//!
//! Reasoning models write their thoughts between tags into the content where no parser of the server takes them out.
//! The tags are those of the models' own templates. Some templates write the opening tag into the prompt, so that only
//! the closing one comes.

mod plain;
mod tags;

use plain::{Beginning, Ends, Found, beginning};
use tags::{End, FIRST, Read, SHARED_ENDS, Tag, read};

/// A thought after the first words that has not closed within this many bytes is none.
const MAX_DOUBTFUL_BYTES: usize = 64 << 10;

/// Takes the thoughts out of a reply that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    within: Option<Within>,
    /// Text that may be the beginning of a tag.
    held: String,
    /// A thought came to its end.
    has_thought: bool,
    /// Text other than blanks was said.
    has_said: bool,
    /// The reply has begun, so a mark of plain words can open no thought any more.
    has_begun: bool,
    /// Blanks are not passed on before the first word behind a thought.
    skips_blanks: bool,
    code: Code,
}

/// The thought that the model is in.
#[derive(Debug)]
struct Within {
    end: End,
    /// The number of thoughts that are open within the thought.
    depth: usize,
    /// The whole text of a thought whose tag stood like a word in a sentence; it is said if the thought never closes.
    doubtful: Option<String>,
}

/// Whether text stands in code, where tags are words.
#[derive(Debug, Default)]
struct Code {
    in_fence: bool,
    in_span: bool,
    /// The number of backticks in a row at the end of the text read so far.
    ticks: usize,
    last: Option<char>,
}

/// A classified part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Said(String),
    /// A thought, or some of it.
    Thought,
    /// Everything up to here was thought: its end came without a beginning.
    AllThought,
}

// === impl Thinking ===

impl Thinking {
    pub(super) fn read(&mut self, text: &str) -> Vec<Part> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.step(false, &mut parts) {}
        parts
    }

    /// The text that was held back, once no more comes.
    pub(super) fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        while self.step(true, &mut parts) {}
        let held = std::mem::take(&mut self.held);
        self.pass(&held, &mut parts);
        if let Some(Within { doubtful: Some(doubtful), .. }) = self.within.take() {
            self.say(&doubtful, &mut parts);
        }
        parts
    }

    /// Reads up to the next tag and beyond it; false when more has to come first.
    fn step(&mut self, is_last: bool, parts: &mut Vec<Part>) -> bool {
        if let Some(Within { end: End::Words(ends), .. }) = self.within {
            return self.step_in_plain(ends, parts);
        }
        if !self.has_begun {
            match beginning(&self.held) {
                Beginning::Unfinished if !is_last => return false,
                Beginning::Thought(length, ends) => self.begin_plain(length, ends, parts),
                _ => self.has_begun = true,
            }
            return !self.held.is_empty();
        }
        let before = self.cut(self.held.find(FIRST).unwrap_or(self.held.len()));
        self.pass(&before, parts);
        match read(&self.held.to_ascii_lowercase(), self.has_thought) {
            _ if self.held.is_empty() => return false,
            Read::Unfinished => return false,
            Read::Tag(length, tag) => {
                let next = self.held[length..].chars().next();
                if next.is_none() && !is_last && self.wants_more(tag) {
                    return false;
                }
                let written = self.cut(length);
                self.take(tag, &written, next, parts);
            }
            Read::Words => {
                let letter = self.cut(self.held.chars().next().map_or(0, char::len_utf8));
                self.pass(&letter, parts);
            }
        }
        true
    }

    fn begin_plain(&mut self, length: usize, ends: Ends, parts: &mut Vec<Part>) {
        self.has_begun = true;
        let written = self.cut(length);
        let doubtful = ends.is_doubtful.then_some(written);
        self.within = Some(Within { end: End::Words(ends), depth: 0, doubtful });
        parts.push(Part::Thought);
    }

    /// Reads up to the words that end the thought.
    fn step_in_plain(&mut self, ends: Ends, parts: &mut Vec<Part>) -> bool {
        let (length, mark) = match ends.find(&self.held) {
            Found::End(length, mark) => (length, Some(mark)),
            Found::None(clear) => (clear, None),
        };
        let thought = self.cut(length);
        self.pass(&thought, parts);
        if let Some(mark) = mark {
            self.cut(mark);
            self.end_thought();
        }
        mark.is_some() && !self.held.is_empty()
    }

    fn cut(&mut self, length: usize) -> String {
        let rest = self.held.split_off(length);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether the text that follows decides over a tag.
    fn wants_more(&self, tag: Tag) -> bool {
        self.within.is_none() && matches!(tag, Tag::Open(_) | Tag::Close(_)) && self.code.last == Some(' ')
    }

    fn take(&mut self, tag: Tag, written: &str, next: Option<char>, parts: &mut Vec<Part>) {
        if self.within.is_some() {
            return self.take_within(tag, written, parts);
        }
        let like_a_word = self.has_said && self.code.last == Some(' ') && next == Some(' ');
        match tag {
            _ if self.code.is_code() => self.say(written, parts),
            Tag::Open(end) => {
                let doubtful = like_a_word.then(|| written.to_owned());
                self.within = Some(Within { end, depth: 0, doubtful });
                parts.push(Part::Thought);
            }
            Tag::Close(_) if self.has_thought => self.skips_blanks = true,
            Tag::Close(_) if like_a_word => self.say(written, parts),
            Tag::Close(_) => {
                self.has_said = false;
                self.end_thought();
                parts.push(Part::AllThought);
            }
            Tag::Empty | Tag::Wrapper => {}
        }
    }

    fn take_within(&mut self, tag: Tag, written: &str, parts: &mut Vec<Part>) {
        let Some(within) = &mut self.within else { return };
        match tag {
            _ if !within.is_closed_by(tag, written) => {
                within.depth += usize::from(tag == Tag::Open(within.end));
            }
            _ if within.depth == 0 => return self.end_thought(),
            _ => within.depth -= 1,
        }
        self.pass(written, parts);
    }

    /// Passes text on as thought or as said.
    fn pass(&mut self, text: &str, parts: &mut Vec<Part>) {
        let Some(within) = &mut self.within else { return self.say(text, parts) };
        if text.is_empty() {
            return;
        }
        parts.push(Part::Thought);
        let Some(doubtful) = &mut within.doubtful else { return };
        doubtful.push_str(text);
        if doubtful.len() > MAX_DOUBTFUL_BYTES {
            let said = std::mem::take(doubtful);
            self.within = None;
            self.say(&said, parts);
        }
    }

    fn end_thought(&mut self) {
        self.within = None;
        self.has_thought = true;
        self.skips_blanks = !self.has_said || self.code.last.is_some_and(char::is_whitespace);
    }

    fn say(&mut self, text: &str, parts: &mut Vec<Part>) {
        let text = if self.skips_blanks { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.skips_blanks = false;
        self.has_said |= !text.trim().is_empty();
        self.code.read(text);
        match parts.last_mut() {
            Some(Part::Said(said)) => said.push_str(text),
            _ => parts.push(Part::Said(text.to_owned())),
        }
    }
}

// === impl Within ===

impl Within {
    fn is_closed_by(&self, tag: Tag, written: &str) -> bool {
        match (tag, self.end) {
            (Tag::Close(end), own) => end == own,
            (Tag::Wrapper, End::Text(own)) => {
                let is_end = SHARED_ENDS.iter().any(|end| written.eq_ignore_ascii_case(end));
                is_end && own.starts_with("<|")
            }
            _ => false,
        }
    }
}

// === impl Code ===

impl Code {
    fn read(&mut self, text: &str) {
        for letter in text.chars() {
            if letter == '`' {
                self.ticks += 1;
            } else {
                (self.in_fence, self.in_span) = self.now();
                self.ticks = 0;
                self.in_span &= letter != '\n';
            }
            self.last = Some(letter);
        }
    }

    /// Whether the next text is in a fence or a span.
    fn now(&self) -> (bool, bool) {
        match self.ticks {
            0 => (self.in_fence, self.in_span),
            1 | 2 if self.in_fence => (true, self.in_span),
            1 | 2 => (false, !self.in_span),
            _ => (!self.in_fence, false),
        }
    }

    /// Whether the next text is code, or in quotes.
    fn is_code(&self) -> bool {
        let (in_fence, in_span) = self.now();
        in_fence || in_span || matches!(self.last, Some('"' | '\'' | '“' | '‘' | '«'))
    }
}

#[cfg(test)]
mod tests {
    use super::tags::{NAMES, PAIRS};
    use super::*;

    /// The said text of a reply that comes in these pieces, with a mark where all text before turned out to be thought.
    fn said<'a>(pieces: impl IntoIterator<Item = &'a str>) -> String {
        let mut thinking = Thinking::default();
        let mut said = String::new();
        let mut parts: Vec<Part> = pieces.into_iter().flat_map(|piece| thinking.read(piece)).collect();
        parts.extend(thinking.finish());
        for part in parts {
            match part {
                Part::Said(text) => said.push_str(&text),
                Part::AllThought => said.clear(),
                Part::Thought => {}
            }
        }
        said
    }

    /// The said text of a reply, however it is cut.
    fn said_in_any_pieces(text: &str) -> String {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let whole = said([text]);
        for size in 1..=letters.len() {
            let pieces: Vec<String> = letters.chunks(size).map(|letters| letters.concat()).collect();
            assert_eq!(said(pieces.iter().map(String::as_str)), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn thoughts_of_every_model_are_taken_out_however_they_are_cut() {
        let named: Vec<(String, String)> =
            NAMES.iter().map(|name| (format!("<{name}>"), format!("</{name}>"))).collect();
        let named = named.iter().map(|(open, end)| (open.as_str(), end.as_str()));
        for (open, end) in named.chain(PAIRS) {
            let reply = format!("{open}I wonder\n<b>what</b> to say.{end}\n\nGood morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.", "{open}");
            assert_eq!(said_in_any_pieces(&reply.to_uppercase()), "GOOD MORNING.", "{open}");
        }
    }

    #[test]
    fn an_end_without_a_beginning_makes_all_before_it_thought() {
        let named: Vec<String> = NAMES.iter().map(|name| format!("</{name}>")).collect();
        let ends = PAIRS.iter().map(|(_, end)| *end).filter(|end| !SHARED_ENDS.contains(end));
        for end in ends.chain(named.iter().map(String::as_str)) {
            let reply = format!("I wonder.\n{end}\n\nGood morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.", "{end}");
        }
    }

    #[test]
    fn thoughts_that_words_alone_mark_are_taken_out_at_the_beginning() {
        let raw = "analysisWe need to greet.assistantfinalGood morning.";
        assert_eq!(said_in_any_pieces(raw), "Good morning.");
        assert_eq!(said_in_any_pieces("analysisWe need to"), "", "it is no answer");
        for opening in ["Here is my thought process:", "Here's my thought process:"] {
            let reply = format!("{opening}\nA greeting.\n\nHere is my response:\n\nGood morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.");
            let alone = format!("{opening} first I look, then I speak.");
            assert_eq!(said_in_any_pieces(&alone), alone, "without a response it is one");
        }
        for plain in ["analysis of it", "Here is my answer.", "So: analysisWe", "Here", "  a"] {
            assert_eq!(said_in_any_pieces(plain), plain);
        }
    }

    #[test]
    fn what_is_never_closed_is_not_said() {
        assert_eq!(said_in_any_pieces("<think>I wonder what to"), "");
        assert_eq!(said_in_any_pieces("Good morning. <think>And now"), "Good morning. ");
    }

    #[test]
    fn empty_thoughts_several_and_second_ends_are_no_words() {
        assert_eq!(said_in_any_pieces("<think>\n\n</think>\n\nGood morning."), "Good morning.");
        assert_eq!(said_in_any_pieces("<think>a</think>Good <think>b</think>morning."), "Good morning.");
        assert_eq!(said_in_any_pieces("<think>a</think>\n</think>\nGood morning."), "Good morning.");
        assert_eq!(said_in_any_pieces("<think>a<think>b</think>c</think>Good morning."), "Good morning.");
        assert_eq!(said_in_any_pieces("Good<think>a</think> morning."), "Good morning.");
    }

    #[test]
    fn tags_may_have_blanks_and_attributes_and_another_name_at_the_end() {
        for (open, end) in [
            ("<think >", "</think >"),
            ("<think\n>", "</ think>"),
            ("< think >", "< /think>"),
            ("<think type=\"deep\">", "</think>"),
            ("<thinking>", "</think>"),
            ("<think>", "</thinking>"),
            ("<|think|>", "<|/think|>"),
            ("<|think|>", "<|end|>"),
            ("<think/>", ""),
        ] {
            let thought = if end.is_empty() { "" } else { "I wonder." };
            let reply = format!("{open}{thought}{end}Good morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.", "{open}{end}");
        }
    }

    #[test]
    fn tags_that_are_spoken_of_are_words() {
        for reply in [
            "Models like R1 write <think> before they reason. That is all I know.",
            "It ends with </think> as a rule.",
            "It writes \"<think>\" first.",
            "`<think>hm</think>` is what it writes",
            "See ` <think> ` and `a </think> b`.",
            "```\n<think>hm</think>\n```\nThat is it.",
            "<thinker> and <thoughtless>",
        ] {
            assert_eq!(said_in_any_pieces(reply), reply);
        }
    }

    #[test]
    fn the_tags_round_an_answer_are_taken_out() {
        let reply = "<|channel|>analysis<|message|>I wonder.<|end|><|start|>assistant<|channel|>final<|message|>Good morning.<|return|>";
        assert_eq!(said_in_any_pieces(reply), "Good morning.");
        assert_eq!(said_in_any_pieces("</think>\n<answer>\nGood morning.</answer>"), "Good morning.");
        assert_eq!(said_in_any_pieces("An <answer> is <response>."), "An <answer> is <response>.");
    }

    #[test]
    fn what_only_looks_like_a_tag_is_said() {
        for reply in [
            "a < b",
            "1 <thin line",
            "[1] and [think twice]",
            "<b>bold</b>",
            "Grüße, ◁ 👋",
            "<",
            "`<think>` opens it",
        ] {
            assert_eq!(said_in_any_pieces(reply), reply);
        }
    }

    #[test]
    fn no_letter_waits_that_cannot_begin_a_tag() {
        let mut thinking = Thinking::default();
        assert_eq!(thinking.read("a < b"), [Part::Said("a < b".into())]);
        assert_eq!(thinking.read("<thi"), []);
        assert_eq!(thinking.read("ngs>"), [Part::Said("<things>".into())]);
    }
}
