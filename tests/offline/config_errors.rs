//! The message that the operator reads after a mistake in the configuration.

use crate::support::settings::Place;

fn refusal(agent_toml: &str) -> String {
    Place::with_agent_toml(agent_toml).refusal()
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
    assert_eq!(
        refusal("[llm]\nmodel = \"m\"\n  temprature = 0.5\n"),
        "error: unknown key `llm.temprature`\n  --> agent.toml:3:3\n  = did you mean `llm.temperature`?"
    );
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
    assert!(refusal("[agent]\nmodel = \"m\"\n").contains("did you mean `llm.model`?"));
    assert!(refusal("url = \"ws://h\"\n").contains("did you mean `url` in [livekit]?"));
}

#[test]
fn a_key_like_no_other_is_answered_with_the_keys_there_are() {
    let refusal = refusal("[http]\nqqqqqq = 1\n");
    assert!(refusal.contains("[http] has the keys listen"), "{refusal}");
}

#[test]
fn an_unknown_section_is_refused_with_the_nearest_one() {
    assert_eq!(
        refusal("[livkit]\nurl = \"ws://h\"\n"),
        "error: unknown section [livkit]\n  --> agent.toml:1:2\n  = did you mean [livekit]?"
    );
    assert!(refusal("[qqqqqq]\n").contains("the sections are [livekit], [worker]"));
    assert!(refusal("llm = 5\n").contains("`llm` is a section"));
}

#[test]
fn a_mistyped_value_is_refused_with_what_was_expected_and_found() {
    assert_eq!(
        refusal("[worker]\nmax_sessions = \"many\"\n"),
        "error: `worker.max_sessions` expects a whole number from 1 to 10000, found \"many\"\n  --> agent.toml:2:16"
    );
}

#[test]
fn every_kind_of_value_has_its_refusal() {
    let cases = [
        (
            "[livekit]\nurl = \"localhost:7880\"",
            "`livekit.url` expects a URL that begins with ws://, wss://, http:// or",
        ),
        ("[livekit]\nurl = \"ftp://host\"", "found \"ftp://host\""),
        ("[livekit]\nurl = \"ws://\"", "empty host"),
        ("[livekit]\nurl = 7", "found 7"),
        ("[llm]\nbase_url = \"ws://h/v1\"", "http:// or https://"),
        ("[llm]\nbase_url = \"http://h/v1?a=b\"", "before any `?`"),
        ("[llm]\ntemperature = 2.5", "a number from 0 to 2, found 2.5"),
        ("[llm]\ntemperature = nan", "a number from 0 to 2"),
        ("[llm]\nmax_attempts = 0", "a whole number from 1 to 10, found 0"),
        ("[llm]\nmax_tokens = 99999999999999999999", "found a value of type integer of more than 64 bits"),
        ("[llm]\nmodel = \"\"", "a string that is not empty"),
        ("[llm]\nmodel = [1]", "found a value of type array"),
        ("[llm]\nstall_timeout = 10", "a duration like \"250ms\", \"5s\" or \"1h\", found 10"),
        ("[llm]\nstall_timeout = \"10\"", "10 has no unit: ms, s, m, h or d"),
        ("[llm]\nstall_timeout = \"0s\"", "it must be longer than zero"),
        ("[llm]\nstall_timeout = \"2 weeks\"", "`weeks` is no unit"),
        ("[worker]\nmax_sessions = 10001", "from 1 to 10000, found 10001"),
        ("[worker]\npermissions = [\"publish_date\"]", "did you mean \"publish_data\"?"),
        ("[worker]\npermissions = \"publish\"", "a list of \"subscribe\""),
        ("[agent]\nname = 1979-05-27", "found a value of type date or time"),
        ("[telemetry]\nenabled = \"yes\"", "true or false, found \"yes\""),
        ("[telemetry]\ncapture_content = \"redact\"", "did you mean \"redacted\"?"),
        ("[telemetry]\nredact = ['a', '(']", "pattern 2, \"(\": unclosed group"),
        ("[telemetry]\nredact = 'C-[0-9]+'", "`telemetry.redact` expects a list of regular expressions"),
        ("[telemetry]\nredact = ['x*']", "it matches the empty text"),
        ("[telemetry]\nredact = ['(\\w{100}){100}']", "compiled it is larger than"),
        ("[telemetry]\nredact = [7]", "a list of regular expressions"),
        ("[telemetry]\nredact_builtins = [\"emails\"]", "did you mean \"email\"?"),
        ("[telemetry]\nuser_id = \"hash\"", "did you mean \"hashed\"?"),
        ("[telemetry]\nuser_id = \"hashed\"", "`telemetry.user_id_key` is not set"),
        ("[telemetry]\ncapture_content = \"of\"", "did you mean \"off\"?"),
        ("[telemetry]\notlp_endpoint = \"localhost:4318\"", "begins with http:// or https://"),
        ("[telemetry]\nresource_attributes = \"prod\"", "has no `=`"),
        ("[telemetry]\nresource_attributes = \"service.name=x\"", "telemetry.service_name"),
        ("[store]\npath = \"\"", "`store.path` expects the path of a file, or \"off\", found \"\""),
        ("[store]\npath = 7", "found 7"),
        ("[store]\nretention = \"0s\"", "it must be longer than zero"),
        ("[store]\nretention = 30", "a duration like"),
        ("[store]\nmax_bytes = 1", "a whole number from 1048576"),
        ("[store]\nfile = \"x\"", "[store] has the keys path, retention, max_bytes"),
        ("[http]\ntoken = 7", "`http.token` expects a string"),
        ("[http]\ntrace_url = \"x/{trace_id}\"", "begin with https://"),
        ("[http]\ntrace_url = \"http://x/{trace}\"", "`{trace}` is no place"),
        (
            "[http]\nlisten = \"8081\"",
            "an address and port like \"127.0.0.1:8081\", or \"off\", found \"8081\"",
        ),
        ("[http]\nlisten = \"localhost:8081\"", "write 127.0.0.1:8081"),
    ];
    for (text, expected) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(expected), "{text}\n{refusal}");
        assert!(refusal.contains("--> agent.toml:2:"), "{text}\n{refusal}");
    }
}

#[test]
fn everything_that_is_wrong_anywhere_is_reported_at_once() {
    let place = Place::with_agent_toml("[llm]\nmodle = \"m\"\n[worker]\nmax_sessions = 0\n")
        .file(".env", "A=1\nOPENAI_API_KEY nonsense\n")
        .var("VOICED_AGENT__NAMES", "x")
        .var("LIVEKIT_URL", "nowhere")
        .set("http.listen=here");
    let refusal = place.refusal();
    assert_eq!(refusal.matches("error: ").count(), 6, "{refusal}");
    for place in [
        "--> agent.toml:2:1",
        "--> agent.toml:4:16",
        "--> .env:2",
        "--> environment variable VOICED_AGENT__NAMES",
        "--> environment variable LIVEKIT_URL",
        "--> --set http.listen",
    ] {
        assert!(refusal.contains(place), "{place} is missing in:\n{refusal}");
    }
}

#[test]
fn an_unknown_variable_is_answered_in_the_spelling_of_variables() {
    let refusal = Place::new().var("VOICED_LLM__MODLE", "m").refusal();
    assert!(refusal.contains("did you mean `VOICED_LLM__MODEL`?"), "{refusal}");
    let refusal = Place::new().var("VOICED_LLM__API_KEI_FILE", "m").refusal();
    assert!(refusal.contains("did you mean `VOICED_LLM__API_KEY_FILE`?"), "{refusal}");
}

#[test]
fn a_malformed_set_is_refused() {
    assert!(
        Place::new().set("llm.model").refusal().contains("--set expects SECTION.KEY=VALUE, found no `=`")
    );
    assert!(Place::new().set("model=x").refusal().contains("no `.` in `model`"));
    assert!(Place::new().set("llm.modle=x").refusal().contains("did you mean `llm.model`?"));
}

#[test]
fn broken_toml_is_refused_with_its_place() {
    let refusal = refusal("[llm]\nmodel = \"m\n[http]\n");
    assert!(refusal.starts_with("error: not valid TOML: "), "{refusal}");
    assert!(refusal.contains("--> agent.toml:2:"), "{refusal}");
    let twice = Place::with_agent_toml("[llm]\nmodel = \"a\"\nmodel = \"b\"\n").refusal();
    assert!(twice.contains("duplicate key") && twice.contains("agent.toml:3:1"), "{twice}");
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_the_place_of_the_first_bad_byte() {
    let refusal = Place::new().file("agent.toml", b"[llm]\nmodel = \"\xff\"\n").refusal();
    assert!(refusal.contains("the configuration file is not UTF-8 text\n  --> agent.toml:2:10"), "{refusal}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let absent = Place::new().config_flag("absent.toml").refusal();
    assert!(absent.contains("cannot read the configuration file absent.toml: No such file"), "{absent}");
    let directory = Place::new().file("agent.toml/x", "").refusal();
    assert!(
        directory.contains("cannot read the configuration file agent.toml: Is a directory"),
        "{directory}"
    );
    let absent = Place::new().var("VOICED_CONFIG", "absent.toml").refusal();
    assert!(absent.contains("VOICED_CONFIG"), "{absent}");
    let huge = Place::with_agent_toml(&"#".repeat(2 << 20)).refusal();
    assert!(huge.contains("larger than"), "{huge}");
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "hunter2";
    for place in [
        Place::with_agent_toml("[livekit]\napi_secret = [\"hunter2\"]\n"),
        Place::with_agent_toml("[livekit]\napi_secrt = \"hunter2\"\n"),
        Place::with_agent_toml("[livekit]\napi_secret = \"hunter2\n"),
        Place::with_agent_toml("[livekit]\napi_secret = hunter2\n"),
        Place::with_agent_toml("[livekit]\nurl = \"wss://user:hunter2@host\"\n"),
        Place::with_agent_toml("[telemetry]\notlp_headers = \"Authorization: Basic hunter2\"\n"),
        Place::with_agent_toml("[telemetry]\notlp_endpoint = \"http://user:hunter2@host\"\n"),
        Place::new().set("llm.api_kee=hunter2"),
        Place::new().set("hunter2"),
        Place::new().var("VOICED_LLM__APIKEY", secret),
        Place::new().var("OTEL_EXPORTER_OTLP_HEADERS", secret).set("telemetry.otlp_endpoint=http://h"),
        Place::new().file(".env", "OPENAI_API_KEY hunter2\n"),
    ] {
        let refusal = place.refusal();
        assert!(!refusal.contains(secret), "{refusal}");
    }
}

#[test]
fn what_later_versions_have_is_refused_as_that() {
    let expected = "`llm.fallback`: a fallback model is not available";
    let refused = refusal("[[llm.fallback]]\nmodel = \"x\"\n");
    assert!(refused.contains(expected), "{refused}");
    assert!(Place::new().set("llm.fallback.model=x").refusal().contains("not available in this version"));
}

#[test]
fn only_protobuf_over_http_is_spoken() {
    for value in ["grpc", "http/json"] {
        let place = Place::new().var("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        let refusal = place.var("OTEL_EXPORTER_OTLP_PROTOCOL", value).refusal();
        assert!(refusal.contains(&format!("http/protobuf, not {value:?}")), "{refusal}");
    }
}

#[test]
fn one_file_may_not_give_an_attempt_more_time_than_the_turn() {
    assert_eq!(
        refusal("[llm]\nfirst_token_timeout = \"20s\"\ntotal_timeout = \"10s\"\n"),
        "error: `llm.first_token_timeout` is longer than `llm.total_timeout`\n  --> agent.toml:2:23\n  \
         = `llm.total_timeout` stands at: agent.toml:3:17"
    );
}

#[test]
fn a_mistake_in_a_list_over_many_lines_is_shown_in_its_own() {
    let too_many = format!("[telemetry]\nredact = [\n{}]\n", "'x',\n".repeat(65));
    let cases = [
        (
            "[telemetry]\nredact = [\n  'C-\\d+',  # customers\n  '(',\n  ')',\n]\n",
            "agent.toml:4:3\n  = pattern 2",
        ),
        ("[telemetry]\nredact = [\n'a',\n\n    7]\n", "agent.toml:5:5"),
        (
            "[worker]\npermissions = [\n\"subscribe\",\n\"publish_date\",\n]\n",
            "agent.toml:4:1\n  = \"publish_date\"",
        ),
        (too_many.as_str(), "agent.toml:2:10\n  = there are 65"),
        ("[llm]\nmodel = [\n1\n]\n", "agent.toml:2:9"),
    ];
    for (text, expected) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(&format!("--> {expected}")), "{text}\n{refusal}");
    }
}
