use super::*;
use crate::llm::error::{Fault, Kind};

fn said(body: &str) -> Said {
    explain(body.as_bytes()).unwrap_or_else(|| panic!("{body}"))
}

fn words(body: &str) -> String {
    said(body).words(None).unwrap_or_else(|| panic!("{body}"))
}

/// The fault that an event with this error stands for.
fn fault(event: &str) -> Fault {
    of_event(&Object::read(event).unwrap()).unwrap_or_else(|| panic!("{event}")).fault()
}

#[test]
fn errors_are_read_as_the_different_servers_write_them() {
    for (body, expected) in [
        (
            r#"{"error":{"message":"no such model","type":"t","param":null,"code":"model_not_found"}}"#,
            "model_not_found: no such model",
        ),
        (r#"{"error":"model not loaded"}"#, "model not loaded"),
        (r#"{"error":"no","error_type":"validation"}"#, "validation: no"),
        (r#"{"detail":"Not Found"}"#, "Not Found"),
        (r#"{"message":"slow down"}"#, "slow down"),
        (r#"{"error":{"code":502,"message":"upstream"}}"#, "502: upstream"),
        (
            r#"[{"error":{"code":400,"message":"the key is not one of ours","status":"INVALID_ARGUMENT"}}]"#,
            "400: the key is not one of ours",
        ),
        (
            r#"{"detail":[{"loc":["body","model"],"msg":"there is no such model here","type":"value_error"}]}"#,
            "value_error: body.model: there is no such model here",
        ),
        (
            r#"{"success":false,"errors":[{"code":5007,"message":"there is no such model here"}],"result":{}}"#,
            "5007: there is no such model here",
        ),
        (
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","top_k"],"msg":"Extra inputs"}]},"type":"invalid_request_error"}"#,
            "extra_forbidden: body.top_k: Extra inputs",
        ),
        (r#"{"message":[{"msg":"one"},{"msg":"two"}]}"#, "one; two"),
        (
            r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"the card fell out"}}}"#,
            "502: Provider returned error: the card fell out",
        ),
        (r#"{"error":{"error":{"message":"deep"}}}"#, "deep"),
        (r#"{"title":"Bad Request","status":400}"#, "400: Bad Request"),
        (r#"{"statusCode":400,"message":"no such model","error":"Bad Request"}"#, "400: no such model"),
        (r#"{"error":"invalid_client","error_description":"who are you"}"#, "invalid_client: who are you"),
        (r#"{"error_code":336003,"error_msg":"the prompt is empty"}"#, "336003: the prompt is empty"),
        (r#"{"code":"x1","errorMessage":"the prompt is empty"}"#, "x1: the prompt is empty"),
    ] {
        assert_eq!(words(body), expected, "{body}");
    }
}

#[test]
fn a_body_of_no_known_shape_is_quoted_and_of_a_page_its_title() {
    assert_eq!(words("upstream connect error"), "upstream connect error");
    assert_eq!(words(r#"{"what":"ever"}"#), r#"{"what":"ever"}"#);
    assert_eq!(words("<html><head><title>502 Bad Gateway</title></head>"), "502 Bad Gateway");
    for body in ["", " \n", "<html><body>", "{}", "[]"] {
        assert!(
            explain(body.as_bytes())
                .is_none_or(|said| said.words(None).is_some_and(|words| words.len() <= 2)),
            "{body}"
        );
    }
    assert!(words(&"long ".repeat(1000)).chars().count() <= MAX_EXCERPT_CHARS);
}

#[test]
fn a_used_up_quota_is_told_from_a_rate_limit() {
    let quota = r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    assert!(said(quota).is_quota());
    let rate = r#"{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}"#;
    assert!(!said(rate).is_quota());
}

#[test]
fn a_status_in_the_stream_counts_like_one_in_the_head() {
    for (event, status) in [
        (r#"{"error":{"code":503,"message":"m"}}"#, 503),
        (r#"{"error":{"code":"503","message":"m"}}"#, 503),
        (r#"{"error":{"status_code":429,"message":"m"}}"#, 429),
        (r#"{"error":{"message":"m","type":"BadRequestError","code":400}}"#, 400),
        (r#"{"error":{"message":"m","type":"overloaded_error"}}"#, 529),
        (r#"{"error":{"message":"m","status":"RESOURCE_EXHAUSTED"}}"#, 429),
        (r#"{"error":"m","error_type":"overloaded"}"#, 429),
        (r#"{"error":"m","code":503}"#, 503),
        (r#"{"object":"error","message":"m","code":500}"#, 500),
    ] {
        assert_eq!(fault(event).kind, Kind::Reported(status), "{event}");
    }
}

#[test]
fn whether_an_error_without_a_status_may_pass_is_told_by_its_code_or_its_words() {
    for (event, kind, retryable) in [
        (r#"{"error":{"type":"server_error","message":"m"}}"#, Kind::ProviderError, true),
        (r#"{"error":{"message":"Provider disconnected","code":"x"}}"#, Kind::ProviderError, true),
        (r#"{"error":{"type":"invalid_request_error","message":"m"}}"#, Kind::RequestRefused, false),
        (r#"{"error":"m","error_type":"validation"}"#, Kind::RequestRefused, false),
        (r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#, Kind::RequestRefused, false),
        (r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, Kind::QuotaExceeded, false),
        (r#"{"error":{"message":"m","code":"content_filter"}}"#, Kind::ContentFilter, false),
        (r#"{"error":"too many words for this model"}"#, Kind::ProviderError, false),
        (r#"{"error":{"code":5007,"message":"No such model"}}"#, Kind::ProviderError, false),
        (r#"{"error":"Model is overloaded, please try again"}"#, Kind::ProviderError, true),
        (r#"{"error":"the card fell out"}"#, Kind::ProviderError, true),
        (r#"{"error":true}"#, Kind::ProviderError, true),
        (r#"{"error":"Rate limit exceeded, try again in 2s"}"#, Kind::ProviderError, true),
        (r#"{"error":"The model is at maximum capacity"}"#, Kind::ProviderError, true),
        (
            r#"{"error":{"message":"context deadline exceeded","type":"server_error"}}"#,
            Kind::ProviderError,
            true,
        ),
        (r#"{"error":{"message":"m","type":"exceeded_current_quota_error"}}"#, Kind::QuotaExceeded, false),
    ] {
        let fault = fault(event);
        assert_eq!((fault.kind, fault.is_retryable()), (kind, retryable), "{event}");
    }
}

#[test]
fn an_error_that_says_nothing_is_none() {
    for event in [
        "{}",
        r#"{"error":null}"#,
        r#"{"error":""}"#,
        r#"{"error":{}}"#,
        r#"{"error":[]}"#,
        r#"{"error":{"code":0,"message":""}}"#,
        r#"{"error":{"code":200}}"#,
        r#"{"errors":[],"detail":null}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","message":"hello"}"#,
        r#"{"code":0,"message":"success"}"#,
        r#"{"code":200,"msg":"OK"}"#,
        r#"{"error":"none"}"#,
        r#"{"choices":[],"message":"m","code":"x"}"#,
    ] {
        assert_eq!(of_event(&Object::read(event).unwrap()), None, "{event}");
    }
}

#[test]
fn a_delay_is_read_from_googles_details_and_others_fields() {
    let google = r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]"#;
    assert_eq!(said(google).retry_after, Some(Duration::from_millis(34_500)));
    assert_eq!(
        said(r#"{"error":{"message":"m","retry_after":3}}"#).retry_after,
        Some(Duration::from_secs(3))
    );
    assert_eq!(said(r#"{"error":{"message":"m","retry_after":"soon"}}"#).retry_after, None);
}

#[test]
fn errors_within_errors_end_somewhere() {
    let deep = format!("{}\"deep\"{}", r#"{"error":"#.repeat(500), "}".repeat(500));
    let _ = explain(deep.as_bytes());
    let lists = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let _ = explain(lists.as_bytes());
}
