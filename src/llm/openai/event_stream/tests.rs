use super::*;

/// All events of a body that comes in pieces of this size, and its unfinished rest.
fn read_in(body: &[u8], size: usize) -> (Vec<Event>, Option<(Event, Ending)>) {
    let mut stream = EventStream::default();
    let mut events = Vec::new();
    for piece in body.chunks(size) {
        stream.feed(piece);
        while let Some(event) = stream.next().unwrap() {
            events.push(event);
        }
    }
    let unfinished = stream.finish().unwrap();
    (events, unfinished)
}

/// The data of all events, however the body is cut.
fn data(body: &[u8]) -> Vec<String> {
    let whole = read_in(body, body.len().max(1));
    for size in 1..=body.len() {
        assert_eq!(read_in(body, size), whole, "in pieces of {size}");
    }
    whole.0.into_iter().map(|event| event.data).collect()
}

#[test]
fn the_examples_of_the_specification_read_as_it_says() {
    let messages =
        b"data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\n\
        data: This is the third message.\n\n";
    assert_eq!(
        data(messages),
        [
            "This is the first message.",
            "This is the second message, it\nhas two lines.",
            "This is the third message."
        ]
    );
    assert_eq!(data(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    let comments =
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    assert_eq!(data(comments), ["first event", "second event", " third event"]);
    assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn every_end_of_line_counts_and_crlf_counts_once() {
    for end in ["\n", "\r", "\r\n"] {
        let body = format!("data: a{end}{end}: comment{end}data: b{end}data: c{end}{end}");
        assert_eq!(data(body.as_bytes()), ["a", "b\nc"], "{end:?}");
    }
    assert_eq!(data(b"data: a\r\ndata: b\n\r\ndata: c\r\r"), ["a\nb", "c"]);
}

#[test]
fn one_byte_order_mark_is_skipped_and_only_in_front() {
    assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n"), ["a"]);
    assert_eq!(data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(data(b"data: \xef\xbb\xbfa\n\n"), ["\u{feff}a"]);
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    assert_eq!(data(b"data: a\xff\xfeb \xe2\x82\n\n"), ["a\u{fffd}\u{fffd}b \u{fffd}"]);
}

#[test]
fn unknown_fields_ids_and_waits_are_ignored() {
    let body = b"id: 7\nretry: 10\nfoo: bar\nDATA: no\n data: no\ndata: yes\nid: \0\n\nretry\n\n";
    assert_eq!(data(body), ["yes"]);
}

#[test]
fn an_event_keeps_its_name_until_the_blank_line() {
    let (events, _) = read_in(b"event: error\n\ndata: a\n\nevent: error\ndata: b\n\ndata: c\n\n", 3);
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Message, EventKind::Error, EventKind::Message]);
}

#[test]
fn what_has_no_blank_line_behind_it_is_told_apart() {
    for end in ["", "\n"] {
        let body = format!("data: a\n\ndata: b{end}");
        let (events, unfinished) = read_in(body.as_bytes(), 4);
        let (event, ending) = unfinished.unwrap();
        assert_eq!((events.len(), event.data.as_str(), ending), (1, "b", Ending::Cut));
    }
}

#[test]
fn a_field_of_the_name_error_is_one() {
    let (events, _) = read_in(b"error: {\"code\":500}\n\n", 5);
    assert_eq!(events, [Event { kind: EventKind::Error, data: "{\"code\":500}".into() }]);
}

#[test]
fn json_without_data_in_front_is_read_on_lines_and_as_a_document() {
    assert_eq!(data(b"{\"a\":1}\n{\"a\":2}\n"), ["{\"a\":1}", "{\"a\":2}"]);
    assert_eq!(data(b"data: a\n\n{\"a\":1}\n"), ["a", "{\"a\":1}"]);
    for document in ["[{\n  \"error\": {}\n}]", "{\"a\":1}"] {
        let (events, left) = read_in(document.as_bytes(), 2);
        let (event, ending) = left.unwrap();
        assert_eq!((events, event.data.trim(), ending), (vec![], document, Ending::Whole));
    }
}

#[test]
fn a_line_or_an_event_without_end_is_given_up_and_not_kept() {
    for line in [&b"data: "[..], b"data: x\ndata: "] {
        let mut stream = EventStream::default();
        let piece = [line, &vec![b'x'; 1 << 20]].concat();
        let failed = (0..8).find_map(|_| {
            stream.feed(&piece);
            stream.next().err()
        });
        assert_eq!(failed, Some(TooLong));
        assert!(stream.line.len() + stream.event.data.len() <= MAX_EVENT_BYTES);
    }
}

#[test]
fn the_first_line_that_is_no_event_is_kept_short() {
    let mut stream = EventStream::default();
    stream.feed(format!("Internal error {}\nmore\n", "ü".repeat(2000)).as_bytes());
    assert_eq!(stream.next(), Ok(None));
    let stray = stream.stray().unwrap();
    assert!(stray.starts_with("Internal error") && stray.chars().count() == MAX_STRAY_CHARS);
}
