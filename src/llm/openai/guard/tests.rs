use super::*;

/// The whole outcome of a body in pieces of this size.
fn read_in(body: &[u8], size: usize) -> (Vec<Next>, Option<Fault>, Exchange) {
    let (mut reader, exchange) = (Reader::default(), Exchange::default());
    let mut came = Vec::new();
    let pieces = body.chunks(size).map(Some).chain([None]);
    for piece in pieces {
        match piece {
            Some(piece) => reader.feed(piece),
            None => {
                if let Err(fault) = reader.finish(&exchange) {
                    return (came, Some(fault), exchange);
                }
            }
        }
        loop {
            match reader.next(&exchange) {
                Ok(Some(Next::Done)) => {
                    came.push(Next::Done);
                    return (came, None, exchange);
                }
                Ok(Some(next)) => came.push(next),
                Ok(None) => break,
                Err(fault) => return (came, Some(fault), exchange),
            }
        }
    }
    (came, None, exchange)
}

/// The library's input from a body, however that is cut, and the reason why it breaks off.
fn read(body: &str) -> (String, Option<Fault>) {
    let shown = |(came, fault, _): (Vec<Next>, Option<Fault>, Exchange)| {
        let text: Vec<u8> = came.into_iter().flat_map(Next::into_bytes).collect();
        (String::from_utf8(text).unwrap(), fault)
    };
    let whole = shown(read_in(body.as_bytes(), body.len().max(1)));
    for size in 1..body.len() {
        assert_eq!(shown(read_in(body.as_bytes(), size)), whole, "in pieces of {size}");
    }
    whole
}

fn skipped(body: &str) -> Vec<&'static str> {
    let (_, _, exchange) = read_in(body.as_bytes(), 7);
    exchange.skipped().into_iter().collect()
}

#[test]
fn the_library_gets_objects_in_one_plain_form() {
    let body = "\u{feff}: comment\r\n\r\nevent: x\r\nid: 7\r\ndata: {\"a\":\r\ndata: \"ü👋\"}\r\n\r\ndata:[DONE]\r\n\r\n";
    assert_eq!(read(body), ("data: {\"a\": \"ü👋\"}\n\ndata: [DONE]\n\n".into(), None));
}

#[test]
fn what_says_nothing_does_not_reach_it() {
    for nothing in
        ["data: null\n\n", "data:\n\n", "data\n\n", ": ping\n\n", "event: ping\n\n", "data: []\n\n", "\n\n"]
    {
        let body = format!("{nothing}data: {{}}\n\n{nothing}data: [DONE]\n\n");
        assert_eq!(read(&body).0, "data: {}\n\ndata: [DONE]\n\n", "{nothing:?}");
        assert!(skipped(&body).is_empty(), "{nothing:?}");
    }
    for noted in ["data: 7\n\n", "data: ping\n\n", "data: \"hi\"\n\n", "data: true\n\n"] {
        assert_eq!(read(&format!("{noted}data: {{}}\n\n")).0, "data: {}\n\n", "{noted:?}");
        assert_eq!(skipped(noted), ["event"], "{noted:?}");
    }
}

#[test]
fn lists_lines_without_blank_ones_and_bare_json_are_read_one_by_one() {
    for body in [
        "data: [{\"a\":1},{\"a\":2}]\n\n",
        "data: {\"a\":1}\ndata: {\"a\":2}\n\n",
        "data: {\"a\":1} {\"a\":2}\n\n",
        "{\"a\":1}\n{\"a\":2}\n",
        "{\"a\":1}\n{\"a\":2}",
        "[{\"a\":1},{\"a\":2}]",
    ] {
        assert_eq!(read(body).0, "data: {\"a\":1}\n\ndata: {\"a\":2}\n\n", "{body:?}");
    }
    assert_eq!(read("[\n {\"a\":1}\n]\n").0, "data: {\"a\":1}\n\n");
    assert_eq!(read("data: data: {}\n\n").0, "data: {}\n\n");
    assert_eq!(read("data: {\"a\":NaN}\n\n").0, "data: {\"a\":null}\n\n");
    assert_eq!(read("data: {}\ndata: [DONE]\n\n").0, "data: {}\n\ndata: [DONE]\n\n");
}

#[test]
fn an_object_that_was_cut_breaks_the_stream_off() {
    for body in ["data: {\"a\":\n\n", "data: {\"a\":\"x\n\n", "data: [{}\n\n", "data: {}\n\ndata: {]\n\n"] {
        assert_eq!(read(body).1.map(|fault| fault.kind), Some(Kind::MalformedStream), "{body:?}");
    }
}

#[test]
fn an_event_that_is_called_an_error_is_one_whatever_is_in_it() {
    for (body, words) in [
        ("event: error\ndata: the card fell out\n\n", "the card fell out"),
        ("event: error\ndata: {\"message\":\"the card fell out\"}\n\n", "the card fell out"),
        ("error: {\"code\":500,\"message\":\"the card fell out\"}\n\n", "the card fell out"),
        ("data: {}\n\nevent: error\ndata: \"the card fell out\"\n\n", "the card fell out"),
    ] {
        assert_eq!(read(body).1.unwrap().detail.as_deref(), Some(words), "{body:?}");
    }
    for body in
        ["event: ERROR\ndata: no\n\n", "event: error\ndata: {\"message\":\"no\"}\n", "data: [ERROR] no\n\n"]
    {
        assert_eq!(read(body).1.unwrap().detail.as_deref(), Some("no"), "{body:?}");
    }
    assert_eq!(read("event: error\ndata:\n\n").1.unwrap().kind, Kind::ProviderError);
}

#[test]
fn words_without_a_blank_line_behind_them_do_not_count_and_other_things_do() {
    let words = "data: {\"choices\":[{\"delta\":{\"content\":\"cut\"}}]}\n";
    assert_eq!(read(words), (String::new(), None));
    assert_eq!(skipped(words), ["event"]);
    assert_eq!(read("data: {\"choices\":[]}\n").0, "data: {\"choices\":[]}\n\n");
    for done in ["data: [DONE]\n", "data: [DONE]", "data: \"[DONE]\"\n\n"] {
        assert_eq!(read(done).0, "data: [DONE]\n\n", "{done:?}");
    }
}

#[test]
fn an_event_without_end_is_given_up() {
    let body = [b"data: ".as_slice(), &vec![b'x'; 5 << 20]].concat();
    let (_, fault, _) = read_in(&body, 1 << 16);
    assert_eq!(fault.unwrap().kind, Kind::MalformedStream);
}

#[test]
fn comments_without_end_are_given_up() {
    let comments = b": ping\n\n".repeat(8192);
    let (mut reader, exchange) = (Reader::default(), Exchange::default());
    let failed = (0..1000).find_map(|_| {
        reader.feed(&comments);
        reader.next(&exchange).err()
    });
    assert_eq!(failed.map(|fault| fault.kind), Some(Kind::MalformedStream));
}

#[tokio::test]
async fn one_event_is_handed_out_for_each_that_is_asked_for() {
    let demand = Demand::new();
    let reads = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = reads.clone();
    let body = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(b"data: {}\n\ndata: {}\n\n: comment\n\n".to_vec())
    });
    let mut guarded = Box::pin(guarded(body, Arc::default(), demand.clone()));
    let patience = Duration::from_millis(20);
    for events in 1..=3 {
        assert!(tokio::time::timeout(patience, guarded.next()).await.is_err());
        demand.ask();
        assert_eq!(guarded.next().await.unwrap().unwrap(), b"data: {}\n\n");
        assert_eq!(reads.load(Ordering::Relaxed), usize::div_ceil(events, 2));
    }
}

#[tokio::test]
async fn the_reason_of_a_break_is_left_where_the_caller_finds_it() {
    let demand = Demand::new();
    let exchange = Arc::new(Exchange::default());
    let body = stream::iter([Ok(b"data: {\"a\n\n")]);
    let mut guarded = Box::pin(guarded(body, exchange.clone(), demand.clone()));
    demand.ask();
    assert!(guarded.next().await.unwrap().is_err());
    assert!(guarded.next().await.is_none());
    assert_eq!(exchange.broken.get().unwrap().kind, Kind::MalformedStream);
}

#[tokio::test]
async fn a_panic_of_the_task_that_reads_is_told_from_an_ended_connection() {
    let (demand, exchange) = (Demand::new(), Arc::new(Exchange::default()));
    let body = stream::iter([Ok(b"data: {}\n\n")]).chain(stream::pending());
    let mut guarded = Box::pin(guarded(body, exchange.clone(), demand.clone()));
    demand.ask();
    // The library's task panics like this on input that its author did not foresee.
    let task = tokio::spawn(async move {
        let event = guarded.next().await;
        assert!(event.is_none(), "a defect");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(exchange.broken.get().map(|fault| fault.kind), Some(Kind::Panicked));
}
