//! What a model thinks within its reply, told from what it says.
//!
//! Reasoning models write their thoughts between tags into the content where no parser of the server takes them out. The tags
//! are those of the models' own templates. Some templates write the opening tag into the prompt, so that only the
//! closing one comes.

/// An opening tag with its closing one, in lower case.
///
/// DeepSeek, Qwen, GLM, MiniMax and most others; Apriel; Gemini, EXAONE; prompted models; Magistral; Seed-OSS; MiniMax M3;
/// Kimi-VL; Kimi K3; Cohere; gpt-oss; Gemma 4; Apertus; OpenThinker; Solar; LongCat; K2-V3; PLaMo; Inkling.
const PAIRS: [(&str, &str); 25] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[think]", "[/think]"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
    ("<|channel|>commentary<|message|>", "<|end|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|think|>", "<|end|>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<ifm|think>", "</ifm|think>"),
    ("<ifm|think_fast>", "</ifm|think_fast>"),
    ("<ifm|think_faster>", "</ifm|think_faster>"),
    ("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
    ("<|content_thinking|>", "<|end_message|>"),
    ("<antthinking>", "</antthinking>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<reflection>", "</reflection>"),
];

/// Closing tags that also end what is no thought.
const SHARED_ENDS: [&str; 2] = ["<|end|>", "<|end_message|>"];

/// Tags round the answer itself.
const WRAPPERS: [&str; 17] = [
    "<|start|>assistant",
    "<|channel|>final<|message|>",
    "<|end|>",
    "<|return|>",
    "<|start_response|>",
    "<|end_response|>",
    "<|start_text|>",
    "<|end_text|>",
    "<|open|>response<|sep|>",
    "<|close|>response<|sep|>",
    "<|close|>message<|sep|>",
    "<|begin_of_solution|>",
    "<|end_of_solution|>",
    "<|begin|>assistant<|content|>",
    "<|content_text|>",
    "<|end_message|>",
    "[begin final response]",
];

/// Tags round the answer that stand for themselves where no thought came before.
const WRAPPERS_BEHIND_THOUGHTS: [&str; 4] = ["<answer>", "</answer>", "<response>", "</response>"];

/// With one of these every tag begins.
const FIRST: [char; 3] = ['<', '[', '◁'];

/// Takes the thoughts out of a reply that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// The closing tag of the thought that the model is in.
    within: Option<&'static str>,
    /// What may be the beginning of a tag.
    held: String,
    /// A thought came to its end.
    has_thought: bool,
    /// Blanks are not passed on before the first word behind a thought.
    skips_blanks: bool,
    /// The last letter that was passed on.
    last: Option<char>,
}

/// What a piece of a reply is, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Said(String),
    /// A thought, or some of it.
    Thought,
    /// Everything up to here was thought: its end came without a beginning.
    AllThought,
}

enum Tag {
    Open(&'static str),
    Close,
    Wrapper,
}

// === impl Thinking ===

impl Thinking {
    pub(super) fn read(&mut self, text: &str) -> Vec<Part> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// What was held back, once no more comes.
    pub(super) fn finish(&mut self) -> Vec<Part> {
        let held = std::mem::take(&mut self.held);
        let mut parts = Vec::new();
        match self.within {
            Some(_) => {}
            None => self.say(&held, &mut parts),
        }
        parts
    }

    /// Reads up to the next tag; false when more has to come first.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        match self.within {
            Some(end) => self.think(end, parts),
            None => self.speak(parts),
        }
    }

    fn think(&mut self, end: &'static str, parts: &mut Vec<Part>) -> bool {
        parts.push(Part::Thought);
        let folded = self.held.to_ascii_lowercase();
        let Some(start) = folded.find(end) else {
            let kept = beginning_of(&folded, |tag| tag == end);
            self.held.drain(..folded.len() - kept);
            return false;
        };
        self.held.drain(..start + end.len());
        self.end_thought();
        true
    }

    fn speak(&mut self, parts: &mut Vec<Part>) -> bool {
        let folded = self.held.to_ascii_lowercase();
        let Some((start, length, tag)) = self.find(&folded) else {
            let kept = beginning_of(&folded, |_| true);
            let rest = self.held.split_off(folded.len() - kept);
            let said = std::mem::replace(&mut self.held, rest);
            self.say(&said, parts);
            return false;
        };
        let rest = self.held.split_off(start + length);
        let mut said = std::mem::replace(&mut self.held, rest);
        said.truncate(start);
        self.say(&said, parts);
        match tag {
            Tag::Open(end) => {
                self.within = Some(end);
                parts.push(Part::Thought);
            }
            Tag::Close if self.has_thought => self.skips_blanks = true,
            Tag::Close => {
                self.end_thought();
                parts.push(Part::AllThought);
            }
            Tag::Wrapper => {}
        }
        true
    }

    fn end_thought(&mut self) {
        self.within = None;
        self.has_thought = true;
        self.skips_blanks = true;
    }

    fn say(&mut self, text: &str, parts: &mut Vec<Part>) {
        let text = if self.skips_blanks { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.skips_blanks = false;
        self.last = text.chars().next_back();
        parts.push(Part::Said(text.to_owned()));
    }

    /// The first tag with its place and length. One within backticks is spoken of, not used.
    fn find(&self, folded: &str) -> Option<(usize, usize, Tag)> {
        folded.char_indices().filter(|(_, letter)| FIRST.contains(letter)).find_map(|(start, _)| {
            let before = folded[..start].chars().next_back().or(self.last);
            let (length, tag) = self.tag(&folded[start..])?;
            (before != Some('`')).then_some((start, length, tag))
        })
    }

    /// The tag that a text begins with.
    fn tag(&self, text: &str) -> Option<(usize, Tag)> {
        if let Some((open, end)) = PAIRS.iter().find(|(open, _)| text.starts_with(open)) {
            return Some((open.len(), Tag::Open(end)));
        }
        let ends = PAIRS.iter().map(|(_, end)| end).filter(|end| !SHARED_ENDS.contains(end));
        if let Some(end) = ends.into_iter().find(|end| text.starts_with(**end)) {
            return Some((end.len(), Tag::Close));
        }
        let behind: &[&str] = if self.has_thought { &WRAPPERS_BEHIND_THOUGHTS } else { &[] };
        let wrapper = WRAPPERS.iter().chain(behind).find(|wrapper| text.starts_with(**wrapper))?;
        Some((wrapper.len(), Tag::Wrapper))
    }
}

/// How many bytes at the end of a text may be the beginning of a tag.
fn beginning_of(text: &str, wanted: impl Fn(&str) -> bool) -> usize {
    let starts = text.char_indices().rev().take(MAX_TAG_CHARS).filter(|(_, letter)| FIRST.contains(letter));
    let tails = starts.map(|(start, _)| &text[start..]);
    tails
        .filter(|tail| tags().any(|tag| wanted(tag) && tag.len() > tail.len() && tag.starts_with(tail)))
        .map(str::len)
        .max()
        .unwrap_or_default()
}

const MAX_TAG_CHARS: usize = 40;

fn tags() -> impl Iterator<Item = &'static str> {
    let pairs = PAIRS.iter().flat_map(|(open, end)| [*open, *end]);
    pairs.chain(WRAPPERS).chain(WRAPPERS_BEHIND_THOUGHTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a reply that comes in these pieces, and whether what was said before turned out to be thought.
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

    /// What is said of a reply, however it is cut.
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
        for (open, end) in PAIRS {
            let reply = format!("{open}I wonder\n<b>what</b> to say.{end}\n\nGood morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.", "{open}");
            assert_eq!(said_in_any_pieces(&reply.to_uppercase()), "GOOD MORNING.", "{open}");
        }
    }

    #[test]
    fn an_end_without_a_beginning_makes_all_before_it_thought() {
        for (_, end) in PAIRS.iter().filter(|(_, end)| !SHARED_ENDS.contains(end)) {
            let reply = format!("I wonder.\n{end}\n\nGood morning.");
            assert_eq!(said_in_any_pieces(&reply), "Good morning.", "{end}");
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
