use super::*;

fn given(name: &str) -> Option<String> {
    (name == "MODEL_HOST").then(|| "gpu".to_owned())
}

fn read(text: &str) -> Vec<Entry> {
    entries(text, given)
}

/// The value of the last entry.
fn value(text: &str) -> Result<String, Refusal> {
    read(text).pop().unwrap_or_else(|| panic!("no entry in {text:?}")).value
}

/// The names, values and lines that could be read.
fn found(text: &str) -> Vec<(String, String, usize)> {
    let good = read(text).into_iter().filter_map(|entry| Some((entry.name, entry.value.ok()?, entry.line)));
    good.collect()
}

fn entry(name: &str, value: &str, line: usize) -> (String, String, usize) {
    (name.to_owned(), value.to_owned(), line)
}

#[test]
fn values_are_read_as_people_write_them() {
    let cases = [
        ("A=b", "b"),
        ("export A = b ", "b"),
        ("export\tA=b", "b"),
        ("  export \t A\t=\tb", "b"),
        ("A: b", "b"),
        ("'A'=b", "b"),
        ("A=Authorization=Basic dXNlcjp0b2tlbg==", "Authorization=Basic dXNlcjp0b2tlbg=="),
        ("A=p$ss#word # the password", "p$ss#word"),
        ("A=p$$word$", "p$$word$"),
        ("A=#f00", "#f00"),
        ("A=b\t# so", "b"),
        ("A='it #is' # so", "it #is"),
        (r"A='it\'s'", "it's"),
        (r"A='a\nb${MODEL_HOST}'", r"a\nb${MODEL_HOST}"),
        (r"A='C:\'", r"C:\"),
        (r#"A="C:\""#, r"C:\"),
        (r#"A="say \"hi\"\n" "#, "say \"hi\"\n"),
        (r#"A="tab\there, \\d+, \bword\b, \$5""#, "tab\there, \\d+, \\bword\\b, $5"),
        ("A=`it's \"so\"` # both", "it's \"so\""),
        (r#"A={"a": "b", "c": [1]}"#, r#"{"a": "b", "c": [1]}"#),
        ("A=it's", "it's"),
        (r"A=C:\new\table", r"C:\new\table"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=\"\"", ""),
        ("A=\u{a0}b\u{a0}", "b"),
    ];
    for (line, expected) in cases {
        assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn quoted_values_may_go_over_many_lines() {
    let pem = "-----BEGIN KEY-----\nMIIE= # no comment\n\n-----END KEY-----\n";
    for quote in ['"', '\'', '`'] {
        let text = format!("FIRST=1\nSHOP_KEY={quote}{pem}{quote} # theirs\nLAST=2\n");
        let expected = [entry("FIRST", "1", 1), entry("SHOP_KEY", pem, 2), entry("LAST", "2", 7)];
        assert_eq!(found(&text), expected);
    }
    let json = "{\n  \"a\": \"b\",\n  \"c\": [\"LIVEKIT_URL=no\"]\n}";
    assert_eq!(found(&format!("J='{json}'\nA=1")), [entry("J", json, 1), entry("A", "1", 5)]);
}

#[test]
fn lines_are_numbered_and_comments_and_bare_names_skipped() {
    let lines = "# keys\n\nA=1\r\nSHOP_MODE\r\n  # B=no\r\nexport SHOP_OTHER # no value\nB=2\rC=3";
    let expected = [entry("A", "1", 3), entry("B", "2", 7), entry("C", "3", 8)];
    assert_eq!(found(lines), expected);
    assert_eq!(read(lines).len(), 3);
}

#[test]
fn names_of_others_may_be_anything() {
    let text = "shop.colour=blue\nmy-name=1\n1st=2\nétat=3\nA[0]=4\nexport=5\nOTEL_SERVICE_NAME=desk\n";
    let names: Vec<_> = found(text).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["shop.colour", "my-name", "1st", "état", "A[0]", "export", "OTEL_SERVICE_NAME"]);
}

#[test]
fn a_line_that_cannot_be_read_costs_no_other() {
    let text = "A=\"open\nB=1\nC='a' b\nwords without sense\n=x\nD=`open\nE=\"fine\"\n";
    let refused: Vec<_> =
        read(text).into_iter().filter_map(|entry| Some((entry.line, entry.value.err()?))).collect();
    let expected = [
        (1, Refusal::Unclosed),
        (3, Refusal::Trailing),
        (4, Refusal::NoAssignment),
        (5, Refusal::NoAssignment),
        (6, Refusal::Unclosed),
    ];
    assert_eq!(refused[..4], expected[..4]);
    assert_eq!(refused.last(), expected.last());
    assert_eq!(found(text), [entry("B", "1", 2), entry("E", "fine", 7)]);
    // A shell would join them; none of the readers of such files does.
    assert_eq!(value("A='it''s'"), Err(Refusal::Trailing));
}

#[test]
fn places_are_filled_in_from_the_process_and_the_lines_above() {
    let above = "BASE=http://${MODEL_HOST}:8000\nEMPTY=\n";
    let cases = [
        ("A=${BASE}/v1", "http://gpu:8000/v1"),
        ("A=\"${BASE}/v1\"", "http://gpu:8000/v1"),
        ("A=${NONE:-there}", "there"),
        ("A=${NONE-there}", "there"),
        ("A=${EMPTY:-there}", "there"),
        ("A=${EMPTY-there}", ""),
        ("A=${EMPTY}x", "x"),
        ("A=${MODEL_HOST:-other}", "gpu"),
        ("A=${NONE:-${MODEL_HOST:-x}.lan}:1", "gpu.lan:1"),
        ("A=${NONE:-}", ""),
        ("A=${MODEL_HOST:+yes}${NONE:+no}", "yes"),
        ("A=${MODEL_HOST:?needed}", "gpu"),
        ("A=${NONE:-a \"b\" c}", "a \"b\" c"),
        (r"A=\${MODEL_HOST}", "${MODEL_HOST}"),
        (r#"A="\${MODEL_HOST}""#, "${MODEL_HOST}"),
        ("A='${MODEL_HOST}'", "${MODEL_HOST}"),
        ("A=`${MODEL_HOST}`", "${MODEL_HOST}"),
        ("A=$MODEL_HOST", "$MODEL_HOST"),
        ("BASE=${BASE}0", "http://gpu:80000"),
    ];
    for (line, expected) in cases {
        assert_eq!(value(&format!("{above}{line}")).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn what_nothing_fills_in_is_refused_with_its_name() {
    let unset = |name: &str| Err(Refusal::Unset(name.to_owned()));
    assert_eq!(value("A=http://${NONE}:8000/v1"), unset("NONE"));
    assert_eq!(value("A=\"${NONE:?say it}\""), unset("NONE"));
    assert_eq!(value("A=${B}\nB=1\nC=${A}"), unset("A"), "neither a line below nor one that was refused");
    assert_eq!(value("A=${NONE:-${OTHER}}"), unset("OTHER"));
    for broken in ["A=pa${ss", "A=${}", "A=${1}", "A=${A B}", "A=${A:}", "A=${A:=b}", "A=${a/b/c}"] {
        assert_eq!(value(broken), Err(Refusal::NoPlace), "{broken}");
    }
}

#[test]
fn a_file_cannot_make_gigabytes_of_itself() {
    let mut text = format!("A0={}\n", "x".repeat(1000));
    for n in 0..30 {
        let place = format!("${{A{n}}}");
        text += &format!("A{}={}\n", n + 1, place.repeat(10));
    }
    text += &"B=${A3}${A3}${A3}${A3}${A3}\n".repeat(20_000);
    text += "OURS=plain\n";
    let read = read(&text);
    let bytes: usize = read.iter().filter_map(|entry| entry.value.as_ref().ok()).map(String::len).sum();
    assert!(bytes < 16 << 20, "{bytes}");
    assert_eq!(read.last().unwrap().value.as_deref(), Ok("plain"));
    assert!(read.iter().any(|entry| entry.value == Err(Refusal::TooMuch)));
    let deep = format!("A={}x{}", "${N:-".repeat(100_000), "}".repeat(100_000));
    assert_eq!(value(&deep), Err(Refusal::TooMuch));
}

#[test]
fn marks_of_windows_editors_are_no_part_of_the_first_name() {
    let text = "NAME=é\r\nB=1\r\n";
    let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect()
    };
    let files = [
        text.as_bytes().to_vec(),
        ["\u{feff}", text].concat().into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ];
    for file in files {
        assert_eq!(found(&decoded(&file)), [entry("NAME", "é", 1), entry("B", "1", 2)], "{file:?}");
    }
}

#[test]
fn bytes_that_are_no_text_spoil_their_own_value_only() {
    let read = read(&decoded(b"SHOP=caf\xe9\nOURS=1\n"));
    assert_eq!(read[0].value, Err(Refusal::NotText));
    assert_eq!(read[1].value.as_deref(), Ok("1"));
}

#[test]
fn a_text_in_quotes_is_told_from_one_that_only_has_some() {
    let cases = [
        ("\"x\"", Some("x")),
        ("'x y'", Some("x y")),
        (" `x` ", Some("x")),
        (r#""a \"b\" \\d ${X}""#, Some(r#"a "b" \d ${X}"#)),
        ("\"\"", Some("")),
        ("\"a\nb\"", Some("a\nb")),
        ("x", None),
        ("\"x", None),
        ("x\"", None),
        ("\"", None),
        ("\"a\" or \"b\"", None),
        ("\"a\" # b", None),
        ("[\"a\"]", None),
    ];
    for (text, expected) in cases {
        assert_eq!(unquoted(text).as_deref(), expected, "{text}");
    }
}
