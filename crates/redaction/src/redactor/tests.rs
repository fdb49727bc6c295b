use std::time::Duration;

use super::*;

fn redact(text: &str) -> String {
    of(&Redactor::new(Builtin::ALL, &[]), text)
}

/// The result of this redactor for `text`, however long it takes.
fn of(redactor: &Redactor, text: &str) -> String {
    redactor.redact(text, &Budget::new(Duration::MAX / 4)).unwrap()
}

fn assert_becomes(cases: &[(&str, &str)]) {
    for (said, expected) in cases {
        assert_eq!(redact(said), *expected, "{said}");
    }
}

#[test]
fn email_addresses() {
    assert_becomes(&[
        ("Write to ada.lovelace+news@mail.example.co.uk.", "Write to [email]."),
        ("<ada@example.com>, 'bob@example.org'", "<[email]>, '[email]'"),
        ("mailto:ada@example.com?subject=x", "mailto:[email]?subject=x"),
        ("jürgen@müller.de und 李@例子.公司", "[email] und [email]"),
        ("a@b.cc@d.ee", "[email]@d.ee"),
    ]);
}

#[test]
fn payment_cards() {
    assert_becomes(&[
        ("It is 4111 1111 1111 1111, thanks", "It is [card], thanks"),
        ("4111111111111111", "[card]"),
        ("4111-1111-1111-1111 valid till 12/26", "[card] valid till 12/26"),
        ("amex 3782 822463 10005", "amex [card]"),
        ("diners 3056 930902 5904", "diners [card]"),
        ("6 0 1 1 1 1 1 1 1 1 1 1 1 1 1 7", "[card]"),
        ("41 11 11 11 11 11 11 11", "[card]"),
        ("4111\u{a0}1111\u{2013}1111\u{a0}1111", "[card]"),
        // A card beside other numbers.
        ("4111 1111 1111 1111 12 26 123", "[card] 12 26 123"),
        ("2 5555 5555 5555 4444", "2 [card]"),
        ("4111 1111 1111 1111 5555 5555 5555 4444", "[card] [card]"),
        ("4111111111111111,123", "[card],123"),
    ]);
}

#[test]
fn ibans() {
    assert_becomes(&[
        ("DE89 3704 0044 0532 0130 00 please call", "[iban] please call"),
        ("GB82WEST12345698765432.", "[iban]."),
        ("de89370400440532013000", "[iban]"),
        ("FR14 2004 1010 0505 0001 3M02 606 and NO93 8601 1117 947", "[iban] and [iban]"),
        ("MT84-MALT-0110-0001-2345-MTLC-AST0-01S", "[iban]"),
    ]);
}

#[test]
fn telephone_numbers() {
    assert_becomes(&[
        ("Call +49 170 1234567 now", "Call [phone] now"),
        ("+49 (0) 170 / 123 45 67", "[phone]"),
        ("(+1) 555-123-4567", "([phone]"),
        ("+14155550132", "[phone]"),
        ("(555) 123-4567 or 555-123-4567", "[phone] or [phone]"),
        ("my number is 415 555 0132", "my number is [phone]"),
        ("0170 5550 99", "[phone]"),
        ("01 23 45 67 89, 06.12.34.56.78", "[phone], [phone]"),
        ("030/1234567", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("0049 170 1234567", "[phone]"),
        ("0 1 7 0 5 5 5 0 9 9", "[phone]"),
        ("since 01.02.2024 0170 5550 99", "since 01.02.2024 [phone]"),
        ("call me at 5550132", "call me at [phone]"),
        ("Meine Handynummer: 1705550", "Meine Handynummer: [phone]"),
        ("12 0170555099", "12 [phone]"),
    ]);
}

#[test]
fn tokens() {
    assert_becomes(&[
        ("key sk-proj-Ab12Cd34Ef56Gh78Ij90 leaked", "key [token] leaked"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[token]"),
        ("github_pat_11ABCDEFG0abcdefghij_klmnopqrstuv", "[token]"),
        ("AKIAIOSFODNN7EXAMPLE", "[token]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl", "[token]"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [token]"),
        ("authorization=Basic dXNlcjpwYXNz=", "authorization=Basic [token]"),
        ("password: hunter2!", "password: [token]"),
        (r#"{"api_key": "a1b2c3d4"}"#, r#"{"api_key": "[token]"}"#),
        ("https://ada:s3cret@host/x", "https://ada:[token]@host/x"),
        ("0123456789abcdef0123456789abcdef01234567", "[token]"),
        ("wJalrXUtnFEMIK7MDENGbPxRfiCYEX4MPLEKEY9", "[token]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "[token] end"),
    ]);
}

#[test]
fn what_only_looks_like_personal_data_survives() {
    for text in [
        "at 10:30 on 2024-11-25, or 25.11.2024 16:45, or 11/25/2024 4:45",
        "2024-11-25T10:30:00.123456789Z and 2024-11-25 10:30:00.123456",
        "from 2024-11-25 2024-11-26 to 2024-12-01",
        "the years 2019 2020 2021 2022 2023",
        "1732550400, 1732550400123, 1732550400123456, 1732550400123456789",
        "order 12345678, #0123456789, A-0170555099, ORD/2024/0001234567",
        "invoice 4111 1111 1111 1112 and 1234567890123456",
        "EAN 4006381333931x, 0123456789012",
        "version 1.2.3, v0.17.14, rust 1.90.0-nightly, package@1.2.3",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "550e8400-e29b-41d4-a716-446655440000 and 550e8400-e29b-41d4-a716-017055509912",
        "10.0.0.1, 192.168.100.200:7880, http://127.0.0.1:4318/v1/traces, ::1",
        "3.14159265358979, 0.3333333333333333, 0.1234567891, 1,000,000,000, 4111111111111111.5",
        "it costs 1234.56 euros, or 12,345,678.90 dollars",
        "DE is not an IBAN, and DE89 3704 0044 0532 0130 02 has wrong digits",
        "an @ sign, @ada, ada@localhost, user@host, 5 @ 3.50",
        "basic understanding, bearer of bad news, the secret: love, tokens: 1234567",
        "sk-learn-and-other-libraries, RM_aBcDeFgHiJkL, AJ_9sDf8gHj2kLq",
        "https://github.com/owner/Project/blob/main/src/Some/Path2/File3.rs",
        "the_quick_brown_fox_jumps_over_the_lazy_dog_1234",
        "100 200 3000, 5 6 7 8, rooms 101 102 1030",
        "hotel 1234567, 42 people, 7 of 9, 100 %, 1st, 2nd",
        "gpt-4o-mini-2024-07-18 took 1234 ms and 98765 tokens",
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn a_check_digit_decides_over_a_card_and_an_iban() {
    let prefix = "411111111111111";
    let cards = (0..10).filter(|digit| redact(&format!("{prefix}{digit}")) == "[card]").count();
    assert_eq!(cards, 1);
    let ibans =
        (0..97).filter(|check| redact(&format!("DE{check:02}370400440532013000")) == "[iban]").count();
    assert_eq!(ibans, 1);
}

#[test]
fn only_the_chosen_finders_look_and_own_patterns_with_them() {
    let own = [Pattern::new(r"\bC-\d{6}\b").unwrap(), Pattern::new("(?i)project [a-z]+").unwrap()];
    let text = "C-123456 of Project Apollo: ada@example.com, 4111111111111111";
    let redacted = of(&Redactor::new(&[Builtin::Card], &own), text);
    assert_eq!(redacted, "[redacted] of [redacted]: ada@example.com, [card]");
    assert_eq!(of(&Redactor::new(&[], &[]), text), text);
}

#[test]
fn places_that_overlap_become_one() {
    let own = [Pattern::new("4111 1111").unwrap(), Pattern::new("1111 and").unwrap()];
    let redactor = Redactor::new(Builtin::ALL, &own);
    assert_eq!(of(&redactor, "4111 1111 1111 1111 and more"), "[card] more");
    assert_eq!(of(&redactor, "password: ada@example.com"), "password: [token]");
}

#[test]
fn redacting_again_changes_nothing() {
    let text =
        "ada@example.com, +49 170 1234567, 4111111111111111, password: hunter2!, DE89370400440532013000";
    let once = redact(text);
    assert_eq!(once, "[email], [phone], [card], password: [token] [iban]".replace(" [iban]", ", [iban]"));
    assert_eq!(redact(&once), once);
}

/// Any text is cut at character boundaries only, keeps its order, and holds no whole address afterwards. The texts are
/// random; a failure prints the one that broke.
#[test]
fn whatever_stands_around_it_a_card_never_survives_whole() {
    const AROUND: &[&str] =
        &["", " ", ", ", "é", "李", "x ", "\n", "(", ") ", "«", "\u{1f600}", ". ", "7 ", "12:30 "];
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5_000 {
        let gap = *random.choice(["", " ", "-", "\u{a0}", " - "].iter()).unwrap();
        let card = ["5555", "5555", "5555", "4444"].join(gap);
        let pick = |random: &mut fastrand::Rng| *random.choice(AROUND.iter()).unwrap();
        let mut before = String::new();
        (0..3).for_each(|_| before.push_str(pick(&mut random)));
        let after = pick(&mut random);
        // Digits that touch it make another number of it, and so does an x.
        let touches = before.ends_with(|char: char| char.is_ascii_alphanumeric());
        if touches || after.starts_with(|char: char| char.is_ascii_alphanumeric()) {
            continue;
        }
        let text = format!("{before}{card}{after}");
        let redacted = redact(&text);
        assert!(redacted.contains("[card]") && !redacted.contains("5555"), "{text:?} became {redacted:?}");
    }
}

#[test]
fn no_text_is_too_hostile() {
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet: Vec<char> = "0123456789 -.+()@:#/,DE49aZ_=eyJ\u{a0}é".chars().collect();
    for _ in 0..2_000 {
        let length = random.usize(..200);
        let text: String = (0..length).map(|_| *random.choice(alphabet.iter()).unwrap()).collect();
        let once = redact(&text);
        assert!(once.is_char_boundary(once.len()), "{text:?}");
    }
}

/// Prints how long hostile texts take, for `bench/redaction.sh`: twice the text must take about twice the time.
#[test]
#[ignore = "measures; bench/redaction.sh runs it"]
fn time_taken_by_hostile_texts() {
    const UNITS: &[&str] = &[
        "1",
        "1-",
        "4 ",
        "0170 ",
        "4111 1111 1111 1111 ",
        "1.2.",
        "01.02.2024 ",
        "a@",
        "a",
        "aA1",
        "@a.bb ",
        "DE89 ",
        "DE893704004405320130 ",
        "Bearer ",
        "eyJ",
        "sk-",
        "password=",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
        "+(",
        "tel tel 1 ",
        "é",
        "What is distributed tracing? ",
    ];
    let redactor = Redactor::new(Builtin::ALL, &[]);
    for unit in UNITS {
        let times = [1, 2].map(|times| {
            let text = unit.repeat(times * (64 << 10) / unit.len());
            let started = std::time::Instant::now();
            std::hint::black_box(of(&redactor, &text));
            started.elapsed()
        });
        println!("{unit:?}: 64 KiB {:?}, 128 KiB {:?}", times[0], times[1]);
    }
}

/// Prints how long the most expensive accepted expressions take for a text that one person may write, and for a long
/// reply: to its end, and to the end of a session's patience.
#[test]
#[ignore = "measures; bench/redaction.sh runs it"]
fn time_taken_by_expensive_expressions() {
    let most = (1..100_000).rev().step_by(500).map(|count| format!("[ab][ab]{{{count}}}c"));
    let longest =
        most.map(|text| (Pattern::new(&text), text)).find_map(|(pattern, text)| Some((pattern.ok()?, text)));
    let (longest, text) = longest.unwrap();
    let quadratic = (Pattern::new(".*[^a-z]|[a-z]").unwrap(), ".*[^a-z]|[a-z]".to_owned());
    for (pattern, text) in [(longest, text), quadratic] {
        for (unit, bytes) in [("ab", 4 << 10), ("ab", 64 << 10)] {
            let said = unit.repeat(bytes / unit.len());
            let started = std::time::Instant::now();
            let patience = Duration::from_secs(2);
            let searched =
                Redactor::new(&[], std::slice::from_ref(&pattern)).redact(&said, &Budget::new(patience));
            let end = if searched.is_ok() { "to its end" } else { "given up" };
            println!("{text} over {bytes} bytes of {unit}: {:.2?}, {end}", started.elapsed());
        }
    }
}
