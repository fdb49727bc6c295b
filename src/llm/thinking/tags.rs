//! The tags by which models mark their thoughts and their answers.

use super::plain::Ends;

/// The names of tags like `<think>` and `</think>`, in lower case. They are read with blanks and attributes within,
/// and a tag of one name closes a tag of another.
///
/// DeepSeek, Qwen, GLM, MiniMax and most others; Apriel; Gemini, EXAONE; prompted models; Seed-OSS; MiniMax M3;
/// LongCat; K2-V3.
pub(super) const NAMES: [&str; 14] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "analysis",
    "reflection",
    "scratchpad",
    "antthinking",
    "seed:think",
    "mm:think",
    "longcat_think",
    "ifm|think",
    "ifm|think_fast",
];

/// Other opening tags with their closing ones, in lower case.
///
/// Magistral; Kimi-VL; Kimi K3; Cohere; gpt-oss; Gemma 4; Apertus; OpenThinker; Solar; PLaMo; Inkling.
pub(super) const PAIRS: [(&str, &str); 14] = [
    ("[think]", "[/think]"),
    ("[thinking]", "[/thinking]"),
    ("◁think▷", "◁/think▷"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
    ("<|channel|>commentary<|message|>", "<|end|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|think|>", "<|/think|>"),
    ("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
    ("<|content_thinking|>", "<|end_message|>"),
    ("<|thinking|>", "<|/thinking|>"),
];

/// Closing tags that also end text other than thoughts.
pub(super) const SHARED_ENDS: [&str; 2] = ["<|end|>", "<|end_message|>"];

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

/// Tags round the answer that are ordinary text where no thought came before.
const WRAPPERS_BEHIND_THOUGHTS: [&str; 4] = ["<answer>", "</answer>", "<response>", "</response>"];

/// The characters with which tags begin.
pub(super) const FIRST: [char; 3] = ['<', '[', '◁'];
/// The longest tag with its blanks and attributes.
const MAX_TAG_BYTES: usize = 80;
/// The closing mark of a thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A closing tag of any of the names.
    Named,
    Text(&'static str),
    /// Words alone, of a thought that words alone began.
    Words(Ends),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Open(End),
    Close(End),
    /// An opening tag that closes itself.
    Empty,
    /// A tag round the answer; some of them also end a thought.
    Wrapper,
}

/// The beginning of a text.
pub(super) enum Read {
    Tag(usize, Tag),
    /// The text may become a tag.
    Unfinished,
    Words,
}

/// Reads the tag that a text in lower case begins with.
pub(super) fn read(text: &str, has_thought: bool) -> Read {
    let behind: &[&str] = if has_thought { &WRAPPERS_BEHIND_THOUGHTS } else { &[] };
    let wrappers = WRAPPERS.iter().chain(behind).map(|wrapper| (*wrapper, Tag::Wrapper));
    let opens = PAIRS.iter().map(|(open, end)| (*open, Tag::Open(End::Text(end))));
    let ends = PAIRS.iter().map(|(_, end)| *end).filter(|end| !SHARED_ENDS.contains(end));
    let exact: Vec<(&str, Tag)> =
        opens.chain(ends.map(|end| (end, Tag::Close(End::Text(end))))).chain(wrappers).collect();
    if let Some((written, tag)) = exact.iter().find(|(written, _)| text.starts_with(written)) {
        return Read::Tag(written.len(), *tag);
    }
    match named(text) {
        Read::Words if exact.iter().any(|(written, _)| written.starts_with(text)) => Read::Unfinished,
        read => read,
    }
}

/// Reads a tag by its name: `<think>`, `</think>`, `<think type="deep">`, `< think />`.
fn named(text: &str) -> Read {
    let Some(inner) = text.strip_prefix('<') else { return Read::Words };
    let inner = inner.trim_start_matches(char::is_whitespace);
    let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    let inner = inner.trim_start_matches(char::is_whitespace);
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':' | '|');
    let Some(end) = inner.find(|letter| !is_part(letter)) else {
        let may_be = text.len() < MAX_TAG_BYTES && NAMES.iter().any(|name| name.starts_with(inner));
        return if may_be { Read::Unfinished } else { Read::Words };
    };
    let (name, rest) = inner.split_at(end);
    if !NAMES.contains(&name)
        || !rest.starts_with(|next: char| next.is_whitespace() || matches!(next, '/' | '>'))
    {
        return Read::Words;
    }
    match text.find('>') {
        Some(end) if end < MAX_TAG_BYTES => {
            let is_empty = text[..end].ends_with('/');
            let tag = if closes { Tag::Close(End::Named) } else { Tag::Open(End::Named) };
            Read::Tag(end + 1, if is_empty && !closes { Tag::Empty } else { tag })
        }
        None if text.len() < MAX_TAG_BYTES => Read::Unfinished,
        _ => Read::Words,
    }
}
