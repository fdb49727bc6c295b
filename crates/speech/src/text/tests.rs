use super::*;

/// What is said of a reply, which comes in pieces of so many letters.
fn said_in(reply: &str, letters: usize) -> Mapped {
    let mut speakable = Speakable::new();
    let mut all = Mapped::default();
    let parts: Vec<char> = reply.chars().collect();
    let parts = parts.chunks(letters).map(|part| part.iter().collect::<String>());
    let mut take = |part: Mapped| part.letters().for_each(|(letter, end)| all.push(letter, end));
    parts.for_each(|part| take(speakable.push_mapped(&part)));
    take(speakable.finish_mapped());
    all
}

fn said(reply: &str) -> String {
    let whole = said_in(reply, reply.len().max(1));
    for letters in [1, 2, 3, 7] {
        assert_eq!(said_in(reply, letters), whole, "in pieces of {letters}");
    }
    whole.text
}

#[test]
fn plain_text_stays_as_it_is() {
    for text in [
        "Hello there. How are you?",
        "It costs 3.50 € (or so).",
        "snake_case and 5 * 3 and 2*3*4",
        "a < b > c",
        "_",
    ] {
        assert_eq!(said(text), text);
    }
}

#[test]
fn emphasis_is_left_out() {
    for (reply, expected) in [
        ("This is **very** important.", "This is very important."),
        ("*Well*, _yes_, __really__, ***both***.", "Well, yes, really, both."),
        ("**Note:** read this.", "Note: read this."),
        ("un**believ**able stays", "un**believ**able stays"),
        ("(*aside*)", "(aside)"),
        ("~~old~~ new", "new"),
        ("a ~ b and ~~never closed", "a ~ b and never closed"),
        ("use \\*stars\\* here", "use *stars* here"),
    ] {
        assert_eq!(said(reply), expected, "{reply}");
    }
}

#[test]
fn headings_lists_quotes_and_rules_lose_their_marks_and_keep_their_lines() {
    let reply =
        "# Plan\nFirst *this*.\n\n- one\n- two\n  goes on\n* three\n1. four\n> quoted\n---\n## Next\nend\n";
    assert_eq!(said(reply), "Plan\nFirst this.\none\ntwo goes on\nthree\n1. four\nquoted\nNext\nend");
}

#[test]
fn a_line_break_within_a_paragraph_is_a_space() {
    assert_eq!(
        said("The first line\nand the second.\n\nA paragraph."),
        "The first line and the second.\nA paragraph."
    );
}

#[test]
fn links_become_their_text_and_images_their_description() {
    for (reply, expected) in [
        ("See [the *docs*](https://a.b/c(d)?e) now.", "See the docs now."),
        ("![A cat](cat.png) sits.", "A cat sits."),
        ("[ref][1] and [1] and [x]: y", "ref and [1] and [x]: y"),
        ("An [unclosed link", "An [unclosed link"),
        ("Wow! [really](x)!", "Wow! really!"),
        ("[[double]](x)", "[double]"),
    ] {
        assert_eq!(said(reply), expected, "{reply}");
    }
}

#[test]
fn urls_are_said_short() {
    for (reply, expected) in [
        ("Go to https://www.example.com/a/b?c=d#e.", "Go to example.com."),
        ("(see http://example.org/x)", "(see example.org)"),
        ("www.rust-lang.org, or <https://crates.io/x>", "rust-lang.org, or crates.io"),
        ("how and why, hw, www", "how and why, hw, www"),
        ("at https://a.example:8080/x and back", "at a.example and back"),
        ("write to me@example.com", "write to me@example.com"),
    ] {
        assert_eq!(said(reply), expected, "{reply}");
    }
}

#[test]
fn code_loses_its_fences_and_backticks() {
    assert_eq!(
        said("Run `cargo test` now:\n```rust\nlet a = b * c;\n```\nDone."),
        "Run cargo test now:\nlet a = b * c;\nDone."
    );
    assert_eq!(said("~~~\nx\n~~~"), "x\n");
    assert_eq!(said("`a*b*c` and *d*"), "a*b*c and d");
}

#[test]
fn rows_of_tables_are_sentences() {
    let reply = "Prices:\n\n| Dish | **Price** |\n|---|---:|\n| Soup | 3.50 |\n| [Tea](x) | 2 |\n\nEnjoy!";
    assert_eq!(said(reply), "Prices:\nDish, Price.\nSoup, 3.50.\nTea, 2.\nEnjoy!");
}

#[test]
fn emoji_are_left_out_with_the_space_before_them() {
    for (reply, expected) in [
        ("Great 🎉! Let's go 👩‍👩‍👧 now ✨", "Great! Let's go now"),
        ("1️⃣ First", "1 First"),
        ("🎉🎉", ""),
        ("☀️ Sunny, 20 °C", "Sunny, 20 °C"),
    ] {
        assert_eq!(said(reply), expected, "{reply}");
    }
}

#[test]
fn a_pattern_is_held_back_until_it_is_known_and_released() {
    let mut speakable = Speakable::new();
    assert_eq!(speakable.push("Read [the do"), "Read");
    assert_eq!(speakable.push("cs](http://x"), "");
    assert_eq!(speakable.push(") now"), " the docs now");
    assert_eq!(speakable.push(" *"), "");
    assert_eq!(speakable.push(" 3"), " * 3");
    assert_eq!(speakable.finish(), "");
}

#[test]
fn what_is_held_back_is_bounded() {
    for endless in ["[", "[a ", "https://x", "`", "*", "~~", "| a ", "<a", "---", "(", "\\", " "] {
        let mut speakable = Speakable::new();
        for _ in 0..4_000 {
            speakable.push(endless);
            assert!(speakable.held.len() <= LONGEST_HELD + endless.len(), "{endless}");
        }
        speakable.finish();
    }
}

#[test]
fn a_finished_text_begins_anew() {
    let mut speakable = Speakable::new();
    speakable.push("```\ncode");
    speakable.finish();
    assert_eq!(speakable.push("*a* b"), "a b");
}

/// Texts of what markdown is made of, at random.
pub(crate) fn random_reply(seed: u64) -> String {
    const PARTS: [&str; 32] = [
        "word",
        "Dr.",
        "3.50",
        " ",
        " ",
        "\n",
        "\n\n",
        "*",
        "**",
        "_",
        "`",
        "```",
        "[",
        "]",
        "(",
        ")",
        "![",
        "# ",
        "- ",
        "| ",
        "|",
        "~~",
        "https://example.com/x",
        "🎉",
        "ä",
        "。",
        ". ",
        ", ",
        "! ",
        "\\",
        "<br>",
        "3. Mai",
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    (0..random.usize(1..60)).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
}

#[test]
fn any_text_is_said_the_same_however_it_is_cut_and_places_only_grow() {
    for seed in 0..3_000 {
        let reply = random_reply(seed);
        let whole = said_in(&reply, usize::MAX >> 1);
        assert_eq!(said_in(&reply, 1), whole, "{reply:?}");
        let ends: Vec<_> = whole.letters().map(|(_, end)| end).collect();
        assert!(
            ends.is_sorted() && ends.iter().all(|end| reply.is_char_boundary(*end)),
            "{reply:?}: {ends:?}"
        );
    }
}
