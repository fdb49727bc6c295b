//! A `.env` that other programs read too, and values in quotes: foreign variables never fail the start, and our own are
//! read in every usual way of writing them.

use std::process::Command;

use voiced::config::Purpose;

use crate::support::settings::Place;

fn dotenv(content: impl AsRef<[u8]>) -> Place {
    Place::new().file(".env", content)
}

/// The service name that a `.env` sets; the configuration must not be refused.
fn service(content: impl AsRef<[u8]>) -> String {
    let content = content.as_ref();
    let loaded = dotenv(content).loaded_for(Purpose::Export);
    let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(content)));
    loaded.config.telemetry.service_name
}

const OURS: &str = "OTEL_SERVICE_NAME=front-desk\n";

#[test]
fn what_belongs_to_other_programs_stops_nothing() {
    for theirs in [
        "SHOP_KEY=\"-----BEGIN\nabc=\n-----END\"\n",
        "SHOP_KEY='-----BEGIN\nabc\n-----END'\n",
        "SHOP_KEY=`-----BEGIN\nabc\n-----END`\n",
        "SHOP={\n  \"a\": [1, 2],\n  \"b\": \"c\"\n}\n",
        "SHOP='{\n  \"a\": \"it # is\",\n  \"VOICED_LLM__MODLE\": \"no\"\n}'\n",
        "shop.colour=blue\n",
        "my-shop=blue\n",
        "SHOP_MODE\n",
        "export SHOP_MODE\n",
        "SHOP MODE=blue\n",
        "=blue\n",
        "just some words\n",
        "SHOP=\"open\n",
        "SHOP='it's blue'\n",
        "SHOP=\"blue\" and \"green\"\n",
        "SHOP=${NOWHERE}\n",
        "SHOP=${NOWHERE?}\n",
        "SHOP=p${ss\n",
        "1SHOP=blue\n",
        "SHOP[0]=blue\n",
        "SHOP: blue\n",
        "VOICED_HTTP_PORT=tcp://10.0.0.1:80\n",
        "---\n",
        "{\n",
        "\t\u{a0} \n",
    ] {
        for content in
            [format!("{theirs}{OURS}"), format!("{OURS}{theirs}"), format!("{theirs}{OURS}{theirs}")]
        {
            for content in [content.clone(), content.replace('\n', "\r\n"), format!("\u{feff}{content}")] {
                assert_eq!(service(&content), "front-desk", "{content:?}");
            }
        }
    }
    assert_eq!(service([b"SHOP=caf\xe9\n", OURS.as_bytes()].concat()), "front-desk");
}

#[test]
fn lines_that_cannot_be_read_are_warned_of_once_and_not_repeated() {
    let content = format!("{OURS}SHOP=\"hunter2\n{}", "words of hunter2\n".repeat(1000));
    let warnings = dotenv(content).loaded().warnings;
    assert_eq!(
        warnings,
        ["1001 lines of .env cannot be read and are skipped; the first, .env:2: the quote is not closed"]
    );
    let warnings = dotenv("\nSHOP hunter2\n").loaded().warnings;
    assert_eq!(warnings, [".env:2 cannot be read and is skipped: expected NAME=VALUE"]);
    assert_eq!(dotenv("SHOP_MODE\nshop.colour=blue\nSHOP=${NOWHERE}\n").loaded().warnings, [""; 0]);
}

#[test]
fn our_own_names_are_read_in_every_way_in_which_people_write_them() {
    for line in [
        "OTEL_SERVICE_NAME=front-desk",
        "export OTEL_SERVICE_NAME=front-desk",
        "export\tOTEL_SERVICE_NAME=front-desk",
        "  export  \t OTEL_SERVICE_NAME = front-desk  ",
        "OTEL_SERVICE_NAME: front-desk",
        "'OTEL_SERVICE_NAME'=front-desk",
        "OTEL_SERVICE_NAME=\"front-desk\"",
        "OTEL_SERVICE_NAME='front-desk' # the service",
        "OTEL_SERVICE_NAME=`front-desk`",
        "OTEL_SERVICE_NAME=front-desk # the service",
        "OTEL_SERVICE_NAME=front-desk\t#the service",
        "OTEL_SERVICE_NAME=\"front\\x2ddesk\"\nOTEL_SERVICE_NAME=front-desk",
        "PLACE=front\nOTEL_SERVICE_NAME=${PLACE}-desk",
        "PLACE='front'\nOTEL_SERVICE_NAME=\"${PLACE}-${KIND:-desk}\"",
        "OTEL_SERVICE_NAME=${OTEL_SERVICE_NAME:-front-desk}",
    ] {
        for end in ["", "\n", "\r\n", "\r"] {
            assert_eq!(service(format!("{line}{end}")), "front-desk", "{line:?} {end:?}");
        }
    }
    let utf16: Vec<u8> = format!("\u{feff}{OURS}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(service(utf16), "front-desk");
    let instructions = "Be brief.\nSay \"hi\" # first.";
    let place = dotenv(format!("VOICED_AGENT__INSTRUCTIONS='{instructions}'\n"));
    assert_eq!(place.config().agent.instructions, instructions);
}

#[test]
fn a_line_that_sets_a_name_of_ours_and_cannot_be_read_is_refused_with_its_place() {
    for (line, said) in [
        ("OPENAI_API_KEY=\"hunter2", "cannot read OPENAI_API_KEY: the quote is not closed"),
        (
            "export LIVEKIT_API_SECRET='hunter2' hunter2",
            "cannot read LIVEKIT_API_SECRET: there is more behind",
        ),
        ("OPENAI_API_KEY hunter2", "cannot read OPENAI_API_KEY: expected NAME=VALUE"),
        ("VOICED_LLM__API_KEY=hunter2${hunter2", "cannot read VOICED_LLM__API_KEY: a `${` begins no place"),
        ("VOICED_CONFIG='agent.toml", "cannot read VOICED_CONFIG"),
        ("HTTPS_PROXY=\"http://hunter2", "cannot read HTTPS_PROXY"),
        ("OPENAI_BASE_URL=http://${MODEL_HOST}:8000/v1", "`${MODEL_HOST}` is filled in by nothing"),
        ("OPENAI_BASE_URL=\"http://${MODEL_HOST:?}:8000/v1\"", "`${MODEL_HOST}` is filled in by nothing"),
        ("OPENAI_BASE_URL=http://$MODEL_HOST:8000/v1", "its host holds a `$` or a brace"),
        ("OPENAI_BASE_URL='http://${MODEL_HOST}:8000/v1'", "its host holds a `$` or a brace"),
        ("LIVEKIT_URL=wss://{host}", "its host holds a `$` or a brace"),
        ("HTTP_PROXY=http://$PROXY:3128", "its host holds a `$` or a brace"),
        ("VOICED_LLM__MODLE=m", "did you mean `VOICED_LLM__MODEL`?"),
    ] {
        let refusal = dotenv(format!("SHOP=1\n{line}\n")).refusal();
        assert!(refusal.contains(said) && refusal.contains("--> .env:2"), "{line}: {refusal}");
        assert_eq!(refusal.matches("error: ").count(), 1, "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    let spoiled = Place::new().file(".env", b"OPENAI_API_KEY=caf\xe9\n").refusal();
    assert!(spoiled.contains("cannot read OPENAI_API_KEY: it is not UTF-8 text\n  --> .env:1"), "{spoiled}");
}

#[test]
fn a_line_that_the_process_overrules_stops_nothing() {
    let place = dotenv("OPENAI_API_KEY=\"open\nOPENAI_BASE_URL=${NOWHERE}\n")
        .var("OPENAI_API_KEY", "sk-process")
        .var("OPENAI_BASE_URL", "http://process/v1");
    let llm = place.config().llm;
    assert_eq!((llm.api_key.unwrap().expose(), llm.base_url.as_str()), ("sk-process", "http://process/v1"));
    let corrected = dotenv("OPENAI_API_KEY=\"open\nOPENAI_API_KEY=sk-later\n");
    assert_eq!(corrected.config().llm.api_key.unwrap().expose(), "sk-later");
}

#[test]
fn lines_with_variables_of_opentelemetry_stop_what_exports_and_nothing_else() {
    let place =
        dotenv("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\nOTEL_EXPORTER_OTLP_HEADERS=\"a=hunter2\n");
    let refusal = place.refusal();
    assert!(refusal.contains("OTEL_EXPORTER_OTLP_HEADERS") && refusal.contains("--> .env:2"), "{refusal}");
    let loaded = place.loaded_for(Purpose::Nothing).unwrap();
    assert!(loaded.warnings[0].contains("OTEL_EXPORTER_OTLP_HEADERS (.env:2)"), "{:?}", loaded.warnings);
    assert!(!format!("{refusal}{:?}", loaded.warnings).contains("hunter2"));
}

#[test]
fn places_are_filled_in_from_the_process_first() {
    let content = "MODEL_HOST=here\nBASE=http://${MODEL_HOST}:8000\nOPENAI_BASE_URL=${BASE}/v1\n";
    assert_eq!(dotenv(content).config().llm.base_url.as_str(), "http://here:8000/v1");
    let place = dotenv(content).var("MODEL_HOST", "there");
    assert_eq!(place.config().llm.base_url.as_str(), "http://there:8000/v1");
    let place = dotenv(content).var("MODEL_HOST", "");
    assert_eq!(place.config().llm.base_url.as_str(), "http://here:8000/v1", "an empty one counts as unset");
    let place = dotenv("OPENAI_API_KEY='p${ss}w$rd'\nLIVEKIT_API_SECRET=a$b$$c\n");
    let config = place.config();
    assert_eq!(config.llm.api_key.unwrap().expose(), "p${ss}w$rd");
    assert_eq!(config.livekit.api_secret.unwrap().expose(), "a$b$$c");
}

// === values in quotes, and places that nothing fills in, of the process ===

/// Every variable that we read, with a valid value.
const VARIABLES: [(&str, &str); 40] = [
    ("LIVEKIT_URL", "wss://lk.example"),
    ("LIVEKIT_API_KEY", "devkey"),
    ("LIVEKIT_API_SECRET", "hush"),
    ("LIVEKIT_AGENT_NAME", "helper"),
    ("OPENAI_API_KEY", "sk-1"),
    ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1"),
    ("OTEL_SDK_DISABLED", "true"),
    ("OTEL_SERVICE_NAME", "desk"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c=d"),
    ("OTEL_TRACES_EXPORTER", "none"),
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/x"),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:4318/x"),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:4318/x"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic dXNlcjp0b2tlbg=="),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b"),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=b"),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=b"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2500"),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2500"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT"),
    ("HTTPS_PROXY", "http://proxy.test:3128"),
    ("https_proxy", "http://proxy.test:3128"),
    ("HTTP_PROXY", "http://proxy.test:3128"),
    ("http_proxy", "http://proxy.test:3128"),
    ("NO_PROXY", "corp.test"),
    ("no_proxy", "corp.test"),
    ("VOICED_CONFIG", "named.toml"),
    ("VOICED_LLM__API_KEY_FILE", "key"),
    ("VOICED_TELEMETRY__REDACT", "\\bC-[0-9]{6}\\b"),
];

/// A valid value of every key that `voiced config` shows, by its `VOICED_` variable.
fn own_variables() -> Vec<(String, String)> {
    let loaded = Place::new().loaded();
    let keys: Vec<_> = loaded.listed().collect();
    let own = keys.iter().filter_map(|key| {
        let name = format!("VOICED_{}__{}", key.section, key.name).to_ascii_uppercase();
        let voiced::config::Shown::Plain(value) = &key.value else { return Some((name, "9s".to_owned())) };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (!text.is_empty() && !text.starts_with('[')).then_some((name, text))
    });
    // A valid value where the default is none.
    let fitting = |name: &str| match name {
        "VOICED_HTTP__TRACE_URL" => Some("http://h/{trace_id}"),
        name if name.ends_with("_HEADERS") => Some("a=b"),
        name if name.ends_with("_ENDPOINT") => Some("http://h/x"),
        name if name.ends_with("_COMPRESSION") => Some("none"),
        "VOICED_STT__BASE_URL" | "VOICED_TTS__BASE_URL" => Some("http://h/v1"),
        "VOICED_TTS__SAMPLE_RATE" => Some("16000"),
        "VOICED_LLM__TOP_P" | "VOICED_TTS__SPEED" => Some("1"),
        name if name.ends_with("TEMPERATURE") || name.ends_with("MAX_TOKENS") => Some("1"),
        name if name.ends_with("CA_FILE") || name.ends_with("_PROXY") => Some("off"),
        _ => None,
    };
    own.map(|(name, text)| {
        let text = fitting(&name).map_or(text, str::to_owned);
        (name, text)
    })
    .collect()
}

fn with(name: &str, value: &str) -> Place {
    Place::new().file("named.toml", "[llm]\nmodel = \"named\"\n").file("key", "sk-file").var(name, value)
}

#[test]
fn quotes_around_a_whole_value_are_taken_off_of_every_variable_alike() {
    let others = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all: Vec<_> = others.into_iter().chain(own_variables()).collect();
    assert!(all.len() > 90, "{}", all.len());
    for (index, (name, value)) in all.into_iter().enumerate() {
        let plain = with(&name, &value);
        let quote = ["\"", "'", "`"][index % 3];
        let quoted = with(&name, &format!("{quote}{value}{quote}"));
        assert_eq!(shown(&quoted), shown(&plain), "{name}={quote}{value}{quote}");
        let is_told = |warning: &String| warning.starts_with(&format!("{name}: the quotes"));
        assert_eq!(quoted.loaded().warnings.iter().filter(|warning| is_told(warning)).count(), 1, "{name}");
    }
}

/// The whole configuration and its sources, without the path of the directory.
fn shown(place: &Place) -> String {
    let loaded = place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{error}"));
    let text = format!("{:?} {:?}", loaded.config, loaded.listed().collect::<Vec<_>>());
    text.replace(&place.dir().display().to_string(), "")
}

#[test]
fn secrets_in_quotes_are_what_stands_in_the_quotes() {
    let config = Place::new()
        .var("LIVEKIT_API_SECRET", "\"hush\"")
        .var("OPENAI_API_KEY", "'sk-1'")
        .var("OTEL_EXPORTER_OTLP_HEADERS", "\"Authorization=Basic eA==\"")
        .config();
    assert_eq!(config.livekit.api_secret.unwrap().expose(), "hush");
    assert_eq!(config.llm.api_key.unwrap().expose(), "sk-1");
    assert_eq!(config.telemetry.otlp_headers[0].1.expose(), "Basic eA==");
    let config = Place::new()
        .var("VOICED_AGENT__GREETING", "\"Hi\" and \"welcome\"")
        .var("VOICED_TELEMETRY__REDACT", "[\"a\", \"b\"]")
        .config();
    assert_eq!(config.agent.greeting, "\"Hi\" and \"welcome\"", "these stand around no whole value");
    assert_eq!(config.telemetry.redact.len(), 2);
    let elsewhere =
        Place::with_agent_toml("[agent]\ngreeting = '\"Hi\"'\n").set("agent.apology=\"Sorry\"").config();
    assert_eq!(
        (elsewhere.agent.greeting.as_str(), elsewhere.agent.apology.as_str()),
        ("\"Hi\"", "\"Sorry\"")
    );
}

#[test]
fn the_quotes_of_many_variables_are_one_warning() {
    let place =
        Place::new().var("OPENAI_API_KEY", "\"sk\"").var("LIVEKIT_URL", "'ws://h'").var("SHOP", "\"x\"");
    let warnings = place.loaded().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("LIVEKIT_URL, OPENAI_API_KEY: the quotes"), "{warnings:?}");
}

#[test]
fn a_place_that_nothing_filled_in_is_refused_for_every_variable_but_prose() {
    for (name, _) in VARIABLES.into_iter().filter(|(name, _)| !name.ends_with("REDACT")) {
        let place = Place::new()
            .set("telemetry.metrics=true")
            .set("telemetry.logs=true")
            .var("VOICED_TELEMETRY__OTLP_ENDPOINT", "http://h")
            .var(name, "${SOMETHING}");
        // A file that does not exist is an error of its own.
        let files = ["VOICED_CONFIG", "VOICED_LLM__API_KEY_FILE"];
        let overruled = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        let switches = ["OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"];
        if overruled.contains(&name) || switches.contains(&name) {
            place.loaded_for(Purpose::Export).unwrap_or_else(|error| panic!("{name}: {error}"));
            continue;
        }
        let refusal = place.refusal();
        assert!(files.contains(&name) || refusal.contains("nothing has filled in"), "{name}: {refusal}");
        assert!(refusal.contains(name) || files.contains(&name), "{name}: {refusal}");
    }
    for value in ["http://${HOST}:1/v1", "${URL:-http://h}", "http://h/${PATH}"] {
        let refusal = Place::new().var("OPENAI_BASE_URL", value).refusal();
        assert!(refusal.contains("nothing has filled in"), "{value}: {refusal}");
    }
    let prose = Place::new()
        .var("VOICED_AGENT__INSTRUCTIONS", "Write ${NAME} for a name.")
        .var("VOICED_TELEMETRY__REDACT", "\\$\\{[A-Z]+\\}")
        .config();
    assert_eq!(
        (prose.agent.instructions.as_str(), prose.telemetry.redact.len()),
        ("Write ${NAME} for a name.", 1)
    );
    let secret = Place::new().var("OPENAI_API_KEY", "hunter${hunter2}").refusal();
    assert!(secret.contains("OPENAI_API_KEY holds a `${…}`") && !secret.contains("hunter"), "{secret}");
    assert_eq!(
        Place::new().var("OPENAI_API_KEY", "a$b{c}$").config().llm.api_key.unwrap().expose(),
        "a$b{c}$"
    );
}

// === the program ===

#[test]
fn the_program_starts_beside_a_dotenv_of_others() {
    let theirs = "\u{feff}SHOP_KEY=\"-----BEGIN\nabc\n-----END\"\nshop.colour=blue\nSHOP_MODE\nexport\tA=b\nwhat is this\n";
    let run = |content: &str, arguments: &[&str]| {
        let place = dotenv(content);
        let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
        let output = command.args(arguments).current_dir(place.dir()).env_clear().output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, listing, said) = run(&format!("{theirs}{OURS}"), &["config"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(listing.contains("service_name = \"front-desk\""), "{listing}");
    assert!(listing.contains("# env OTEL_SERVICE_NAME (.env:8)"), "{listing}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for arguments in [&["config"][..], &["sessions"]] {
        let (code, _, said) = run(&format!("{theirs}OPENAI_API_KEY=\"hunter2\n"), arguments);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("--> .env:8") && !said.contains("hunter2"), "{said}");
    }
}
