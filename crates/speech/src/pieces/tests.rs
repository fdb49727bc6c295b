use super::*;

fn cut_in(reply: &str, letters: usize) -> Vec<Piece> {
    let mut pieces = Pieces::new(Settings::default());
    let parts: Vec<char> = reply.chars().collect();
    let mut cut = Vec::new();
    for part in parts.chunks(letters) {
        cut.extend(pieces.push(&part.iter().collect::<String>()));
    }
    cut.extend(pieces.finish());
    cut
}

fn texts(reply: &str) -> Vec<String> {
    cut_in(reply, 3).into_iter().map(|piece| piece.text).collect()
}

#[test]
fn the_first_piece_is_a_clause_and_the_others_are_sentences() {
    let reply = "Sure, I can do that for you, if you tell me the date. Which day would suit you best, Monday? Or not?";
    assert_eq!(
        texts(reply),
        [
            "Sure, I can do that for you,",
            "if you tell me the date.",
            "Which day would suit you best, Monday?",
            "Or not?"
        ]
    );
}

#[test]
fn a_short_first_sentence_is_spoken_at_once_and_later_ones_are_joined() {
    assert_eq!(texts("Yes. No. I do not know that yet."), ["Yes.", "No. I do not know that yet."]);
}

#[test]
fn a_piece_leaves_when_the_next_one_has_begun() {
    let mut pieces = Pieces::new(Settings::default());
    assert!(pieces.push("It costs 3.").is_empty());
    assert!(pieces.push("50 euros. ").is_empty());
    let [piece] = &pieces.push("D")[..] else { panic!() };
    assert_eq!(piece.text, "It costs 3.50 euros.");
    let [piece] = &pieces.finish()[..] else { panic!() };
    assert_eq!(piece.text, "D");
}

#[test]
fn numbers_abbreviations_initials_and_addresses_are_whole() {
    for sentence in [
        "The bill was 3.50 and not 1,000.25 dollars.",
        "Am 3. Mai kommt Dr. Meier mit z.B. Frau Prof. Huber.",
        "Ask Dr. Smith, e.g. at St. Mary's, i.e. the hospital.",
        "J. R. R. Tolkien wrote it, not C. S. Lewis.",
        "Write to jane.doe@example.com or see docs.example.com.",
        "It is version 1.2.3. of the program.",
        "We meet at 5 p.m. tomorrow in the U.S. embassy.",
        "Wait... what did you say?",
        "\"Really?\" she asked him.",
    ] {
        let reply = format!("Well then. {sentence}");
        assert_eq!(texts(&reply), ["Well then.", sentence], "{sentence}");
    }
}

#[test]
fn a_clause_does_not_end_within_a_date() {
    assert_eq!(
        texts("The next one will be on May 3, 2026, if nothing changes."),
        ["The next one will be on May 3, 2026,", "if nothing changes."]
    );
}

#[test]
fn sentences_end_at_marks_of_any_script_and_behind_quotes() {
    assert_eq!(
        texts("He said \"no.\" Then he left us alone."),
        ["He said \"no.\"", "Then he left us alone."]
    );
    assert_eq!(texts("今天天气很好。我们去公园吧！好吗？"), ["今天天气很好。", "我们去公园吧！好吗？"]);
    assert_eq!(
        texts("Nimm z. B. Äpfel und Birnen. Oder Kirschen."),
        ["Nimm z. B. Äpfel und Birnen.", "Oder Kirschen."]
    );
    assert_eq!(
        texts("That was in 2024. The next was in 2025!"),
        ["That was in 2024.", "The next was in 2025!"]
    );
    assert_eq!(
        texts("It closes at 5 p.m. We open again at nine."),
        ["It closes at 5 p.m.", "We open again at nine."]
    );
}

#[test]
fn lines_of_a_list_are_pieces() {
    assert_eq!(
        texts("Here is the list:\n\n- apples\n- pears\n1. plums 🎉\n"),
        ["Here is the list:", "apples", "pears", "1. plums"]
    );
}

#[test]
fn no_piece_is_without_a_letter_or_a_digit() {
    for reply in ["...", "🎉", "!!! *** ???", "Well. ... !", "- \n- \n", "**", ""] {
        assert!(texts(reply).iter().all(|text| text.chars().any(char::is_alphanumeric)), "{reply}");
    }
    assert_eq!(texts("Well then. ... !"), ["Well then. ... !"]);
}

#[test]
fn a_sentence_without_an_end_is_cut_at_a_clause_or_a_word() {
    let long = "and then we went on, ".repeat(40);
    let pieces = texts(&long);
    assert!(pieces.iter().all(|piece| piece.chars().count() <= 300), "{pieces:?}");
    assert!(pieces.iter().rev().skip(1).all(|piece| piece.ends_with("on,")), "{pieces:?}");
    let digits = "call 555 123 4567 now ".repeat(40);
    let whole = texts(&digits).iter().map(|piece| piece.matches("555 123 4567").count()).sum::<usize>();
    assert_eq!(whole, 40);
    let endless = texts(&"x".repeat(1_000));
    assert_eq!(endless.iter().map(String::len).sum::<usize>(), 1_000);
    assert!(endless.iter().all(|piece| piece.len() <= 300));
}

#[test]
fn ranges_follow_each_other_and_end_with_the_reply() {
    let reply = "**Hello** [there](https://x.y). It *is* fine, see www.example.com/a/b now. 🎉 Bye!  \n\n";
    let pieces = cut_in(reply, 4);
    let said: Vec<&str> = pieces.iter().map(|piece| &reply[piece.source.clone()]).collect();
    assert_eq!(said.concat(), reply);
    assert_eq!(said[0], "**Hello** [there](https://x.y).");
    assert_eq!(pieces[1].text, "It is fine, see example.com now.");
    assert_eq!(pieces[2].text, "Bye!");
}

#[test]
fn a_part_of_a_piece_is_a_part_of_the_reply() {
    let reply = "Say **hello** to [my friend](https://x.y) now.";
    let piece = cut_in(reply, 5).remove(0);
    assert_eq!(piece.text, "Say hello to my friend now.");
    let up_to = |words: &str| &reply[..piece.source_at(piece.text.find(words).unwrap() + words.len())];
    assert_eq!(up_to("Say"), "Say");
    assert_eq!(up_to("hello"), "Say **hello");
    assert_eq!(up_to("friend"), "Say **hello** to [my friend](https://x.y)");
    assert_eq!((piece.source_at(0), piece.source_at(1_000)), (0, reply.len()));
}

#[test]
fn the_first_clause_leaves_at_its_comma_and_a_number_does_not() {
    let mut pieces = Pieces::new(Settings::default());
    assert!(pieces.push("The town has a population of 12,").is_empty(), "of 12,000");
    let mut pieces = Pieces::new(Settings::default());
    assert!(pieces.push("Of course,").is_empty(), "it is too short");
    let first = pieces.push(" I can tell you,");
    assert_eq!(first.iter().map(|piece| &*piece.text).collect::<Vec<_>>(), ["Of course, I can tell you,"]);
    assert!(pieces.push(" 😊").is_empty());
    assert!(pieces.finish().is_empty(), "nothing is left to be spoken");
}

#[test]
fn any_reply_is_covered_whole_by_pieces_that_can_be_spoken() {
    for seed in 0..3_000 {
        let reply = crate::text::tests::random_reply(seed);
        let pieces = cut_in(&reply, 1 + seed as usize % 5);
        let mut end = 0;
        for piece in &pieces {
            assert_eq!(piece.source.start, end, "{reply:?}");
            assert!(
                boundary::is_speakable(&piece.text) && piece.text.trim() == piece.text,
                "{reply:?}: {piece:?}"
            );
            assert!(piece.text.chars().count() <= 320, "{reply:?}");
            end = piece.source.end;
        }
        let is_whole =
            end == reply.len() || !boundary::is_speakable(Speakable::new().push_mapped(&reply[end..]).text());
        assert!(pieces.is_empty() || is_whole, "{reply:?}: {pieces:?}");
        assert_eq!(
            pieces.is_empty(),
            !Speakable::new()
                .push_mapped(&format!("{reply}\n\nx\n"))
                .text()
                .trim_end_matches('x')
                .chars()
                .any(char::is_alphanumeric),
            "{reply:?}"
        );
    }
}

#[test]
fn what_waits_is_bounded_for_symbols_without_end() {
    for endless in ["! ", "!\n", "-", ".\n\n", "( "] {
        let mut pieces = Pieces::new(Settings::default());
        pieces.push("Well");
        (0..5_000).for_each(|_| assert!(pieces.push(endless).is_empty()));
        assert!(pieces.waiting.text().len() < 64, "{endless}");
        let last = pieces.finish().pop().unwrap();
        assert_eq!(last.source, 0..4 + 5_000 * endless.len());
    }
}
