use conversation::Usage;

use super::*;
use crate::llm::usage::{Reported, Spent};

fn decode(json: &str) -> Chunk {
    Chunk::decode(json).unwrap()
}

/// A chunk whose delta is this.
fn delta(delta: &str) -> Chunk {
    decode(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#))
}

fn skipped(json: &str) -> Vec<&'static str> {
    decode(json).skipped.into_iter().collect()
}

#[test]
fn text_id_model_and_finish_reason_are_read() {
    let chunk = decode(
        r#"{"id":"c1","object":"chat.completion.chunk","model":"gpt-x-2026","choices":[{"index":0,
            "delta":{"content":"Hi"},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
    );
    assert_eq!((chunk.text.as_str(), chunk.finish_reason.as_deref()), ("Hi", Some("stop")));
    assert_eq!((chunk.id.as_deref(), chunk.model.as_deref()), (Some("c1"), Some("gpt-x-2026")));
    assert!(chunk.skipped.is_empty() && chunk.fault.is_none());
}

#[test]
fn usage_is_read_with_its_cached_part_wherever_servers_put_it() {
    let counts = Counts { input: Some(9), output: Some(4), cached_input: Some(8) };
    for json in [
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0}}}"#,
        r#"{"usage":{"prompt_tokens":9.0,"completion_tokens":"4","prompt_cache_hit_tokens":8}}"#,
        r#"{"usage":{"input_tokens":9,"output_tokens":4,"input_tokens_details":{"cached_tokens":8}}}"#,
        r#"{"choices":[{"delta":{},"usage":{"prompt_tokens":9,"completion_tokens":4,"cached_tokens":8}}]}"#,
        r#"{"x_groq":{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":4,"cached_tokens":8}}}"#,
    ] {
        assert_eq!(decode(json).counts, counts, "{json}");
    }
}

#[test]
fn reasoning_is_a_sign_of_life_and_no_text() {
    for json in [
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning":"hm","reasoning_content":"hm"}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
        r#"{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]}]}"#,
    ] {
        let chunk = delta(json);
        assert!(chunk.reasoning && chunk.text.is_empty() && chunk.skipped.is_empty(), "{json}");
    }
    assert!(!delta(r#"{"reasoning":null,"reasoning_content":null,"content":"Hi"}"#).reasoning);
}

#[test]
fn words_are_read_in_every_shape_in_which_servers_send_them() {
    for json in [
        r#"{"content":"Good morning."}"#,
        r#"{"content":"Good morning.","content":"Good morning."}"#,
        r#"{"content":[{"type":"text","text":"Good morning.","thought":false,"reasoning":""}]}"#,
        r#"{"content":[{"type":"text","text":"","content":"Good morning."}]}"#,
        r#"{"content":null,"content":"Good morning."}"#,
        r#"{"content":["Good ","morning."]}"#,
        r#"{"content":[{"type":"text","text":"Good "},{"type":"output_text","text":"morning."}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"text":"hm"}]},{"type":"text","text":"Good morning."}]}"#,
        r#"{"content":{"type":"text","text":"Good morning."}}"#,
        r#"{"content":[{"type":"text","text":{"value":"Good morning.","annotations":[]}}]}"#,
        r#"{"content":{"parts":[{"text":"Good "},{"text":"morning."}]}}"#,
        r#"{"content":null,"refusal":"Good morning."}"#,
        r#"{"content":null,"audio":{"id":"a","transcript":"Good morning."}}"#,
        r#""Good morning.""#,
    ] {
        let chunk = delta(json);
        assert_eq!((chunk.text.as_str(), chunk.skipped.len()), ("Good morning.", 0), "{json}");
    }
    assert_eq!(delta(r#"{"content":7}"#).text, "7");
    for json in [
        r#"{"choices":[{"text":"Good morning.","index":0}]}"#,
        r#"{"choices":[{"text":"Good morning.","delta":{}}]}"#,
        r#"{"choices":{"delta":{"content":"Good morning."}}}"#,
        r#"{"response":"Good morning.","p":"abc"}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"Good "}},{"index":0,"delta":{"content":"morning."}}]}"#,
    ] {
        assert_eq!(decode(json).text, "Good morning.", "{json}");
    }
}

#[test]
fn the_same_words_under_two_names_are_read_once() {
    let together = r#"{"choices":[{"index":0,"text":"Hi","delta":{"content":"Hi","token_id":1}}]}"#;
    assert_eq!(decode(together).text, "Hi");
    let cloudflare = r#"{"response":"Hi","choices":[{"delta":{"content":"Hi"}}]}"#;
    assert_eq!((decode(cloudflare).text.as_str(), decode(cloudflare).is_native), ("Hi", false));
    let perplexity =
        r#"{"choices":[{"delta":{"content":" Hi"},"message":{"role":"assistant","content":"Oh Hi"}}]}"#;
    let chunk = decode(perplexity);
    assert_eq!((chunk.text.as_str(), chunk.whole.as_deref()), (" Hi", Some("Oh Hi")));
}

#[test]
fn no_other_field_can_fail_a_chunk() {
    let words = r#""choices":[{"index":0,"delta":{"content":"Hi"}}]"#;
    for field in [
        r#""id":7"#,
        r#""id":{"a":[]}"#,
        r#""id":"a","id":"b""#,
        r#""model":["m"]"#,
        r#""created":"yesterday""#,
        r#""object":null"#,
        r#""usage":{"prompt_tokens":null,"completion_tokens":null}"#,
        r#""usage":"many""#,
        r#""usage":[1]"#,
        r#""error":"""#,
        r#""error":null"#,
        r#""error":{}"#,
        r#""error":false"#,
        r#""error":{"code":0,"message":""}"#,
        r#""error":{"code":0,"message":"success"}"#,
        r#""error":"none""#,
        r#""system_fingerprint":7,"service_tier":{}"#,
        r#""base_resp":{"status_code":0,"status_msg":""}"#,
        r#""":1"#,
    ] {
        for json in [format!("{{{field},{words}}}"), format!("{{{words},{field}}}")] {
            let chunk = decode(&json);
            assert_eq!((chunk.text.as_str(), &chunk.fault), ("Hi", &None), "{json}");
        }
    }
    for choice in [
        r#""index":null"#,
        r#""index":"0""#,
        r#""index":-1"#,
        r#""index":1"#,
        r#""logprobs":7"#,
        r#""finish_reason":null"#,
        r#""finish_reason":"""#,
        r#""finish_reason":"null""#,
        r#""finish_reason":"None""#,
        r#""finish_reason":{}"#,
        r#""error":null"#,
    ] {
        let chunk = decode(&format!(r#"{{"choices":[{{{choice},"delta":{{"content":"Hi","role":""}}}}]}}"#));
        assert_eq!((chunk.text.as_str(), chunk.finish_reason), ("Hi", None), "{choice}");
    }
}

#[test]
fn what_could_not_be_read_is_named_and_never_quoted() {
    assert_eq!(skipped(r#"{"id":{"a":1},"model":["m"],"usage":"many"}"#), ["id", "model", "usage"]);
    assert_eq!(skipped(r#"{"choices":["Ada"]}"#), ["choices"]);
    assert_eq!(skipped(r#"{"choices":[{"delta":true}]}"#), ["delta"]);
    assert_eq!(delta(r#"{"content":[{"type":"image_url","image_url":{}}]}"#).skipped.len(), 1);
    assert_eq!(delta(r#"{"content":[{"type":"text","text":"Hi"},{"type":"reference"}]}"#).text, "Hi");
    assert!(skipped(r#"{"id":null,"usage":{},"choices":[{"delta":{"content":[]}}]}"#).is_empty());
}

#[test]
fn what_is_missing_or_null_is_nothing() {
    for json in ["{}", r#"{"choices":null}"#] {
        assert_eq!(decode(json), Chunk::default(), "{json}");
    }
    let completion = || Chunk { is_completion: true, ..Chunk::default() };
    assert_eq!(decode(r#"{"choices":[]}"#), completion());
    for json in [r#"{"choices":[{"delta":null}]}"#, r#"{"choices":[{"delta":{"content":null}}]}"#] {
        assert_eq!(decode(json), Chunk { choice: Some(0), ..completion() }, "{json}");
    }
}

#[test]
fn an_error_is_found_wherever_servers_put_it_and_words_before_it_count() {
    for json in [
        r#"{"error":{"message":"the card fell out","code":500}}"#,
        r#"{"error":"the card fell out"}"#,
        r#"{"error":["the card fell out"]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"the card fell out"}}]}"#,
        r#"{"choices":[{"delta":{"error":{"message":"the card fell out"}}}]}"#,
        r#"{"object":"error","message":"the card fell out","code":500}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"the card fell out"}}"#,
        r#"{"detail":"the card fell out"}"#,
        r#"{"errors":[{"message":"the card fell out"}],"success":false}"#,
        r#"{"message":"the card fell out","code":"x"}"#,
        r#"{"message":"the card fell out"}"#,
        r#"{"success":false,"message":"the card fell out"}"#,
        r#"{"status":"failed","message":"the card fell out"}"#,
        r#"{"error":"Internal Server Error","message":"the card fell out","status":500}"#,
        r#"{"error":true,"message":"the card fell out"}"#,
        r#"{"type":"response.failed","response":{"error":{"message":"the card fell out"}}}"#,
        r#"{"choices":[{"message":{"error":{"message":"the card fell out"}}}]}"#,
        r#"{"base_resp":{"status_code":1004,"status_msg":"the card fell out"}}"#,
    ] {
        let fault = decode(json).fault.unwrap_or_else(|| panic!("{json}"));
        assert!(fault.detail.is_some_and(|detail| detail.contains("the card fell out")), "{json}");
    }
    let chunk = decode(r#"{"error":{"message":"no"},"choices":[{"delta":{"content":"Good mor"}}]}"#);
    assert_eq!((chunk.text.as_str(), chunk.fault.is_some()), ("Good mor", true));
}

#[test]
fn what_is_no_object_is_malformed_and_quotes_nothing() {
    let fault = Chunk::decode(r#"["my name is Ada"]"#).unwrap_err();
    assert_eq!(fault, Fault::new(Kind::MalformedStream));
}

#[test]
fn zeros_in_the_middle_and_counts_at_the_end_come_to_the_counts() {
    let mut reported = Reported::default();
    reported.note(decode(r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#).counts, false);
    reported.note(decode(r#"{"usage":{"prompt_tokens":11,"completion_tokens":3}}"#).counts, true);
    let usage = reported.settle(Spent::Worked, &[], "Good morning.");
    assert_eq!(usage, Usage { input: 11, output: 3, ..Usage::default() });
}
