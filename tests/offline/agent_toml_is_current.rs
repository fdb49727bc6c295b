//! The agent.toml of this repository is the one that the code generates, and changes no default.

use std::path::Path;

use voiced::config::{self, Config};

use crate::support::settings::Place;

fn committed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("agent.toml");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, config::agent_toml()).unwrap();
    }
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_committed_file_is_what_the_keys_say() {
    assert!(
        committed() == config::agent_toml(),
        "agent.toml is out of date; write it anew with: BLESS=1 cargo test --test offline agent_toml"
    );
}

#[test]
fn the_committed_file_says_the_built_in_defaults() {
    let from_file = Place::with_agent_toml(&committed()).config();
    assert_eq!(format!("{from_file:?}"), format!("{:?}", Config::default()));
}

#[test]
fn no_file_at_all_is_the_built_in_defaults() {
    assert_eq!(format!("{:?}", Place::new().config()), format!("{:?}", Config::default()));
}

#[test]
fn every_key_that_is_commented_out_is_valid_when_it_is_not() {
    let commented = committed();
    let keys = commented.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| is_key(line));
    let keys: Vec<&str> = keys.collect();
    assert!(keys.len() >= 8, "{keys:?}");
    let authority = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem();
    for key in keys {
        let text = commented.replace(&format!("# {key}"), key);
        let file = "run/secrets/placeholder";
        let text = ["otlp", "metrics", "logs"].iter().fold(text, |text, signal| {
            text.replace(&format!("/run/secrets/telemetry_{signal}_headers"), "headers")
        });
        let text = text.replace("/run/secrets/", "run/secrets/../../secrets/");
        let text = text.replace("/etc/voiced/private-ca.pem", "ca.pem");
        let place =
            Place::with_agent_toml(&text).file("headers", "a=b").file(file, "x").file("ca.pem", &authority);
        let secrets = [
            "http_token",
            "livekit_api_key",
            "livekit_api_secret",
            "llm_api_key",
            "stt_api_key",
            "tts_api_key",
            "telemetry_user_id_key",
        ];
        let with = |place: Place, name: &&str| place.file(&format!("secrets/{name}"), "content");
        let place = secrets.iter().fold(place, with);
        place.loaded();
    }
}

/// `name = value`, as opposed to prose.
fn is_key(line: &str) -> bool {
    line.split_once(" = ")
        .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

#[test]
fn nothing_in_the_file_is_too_wide_to_read_except_the_values() {
    for line in committed().lines().filter(|line| line.starts_with('#')) {
        assert!(line.chars().count() <= 120, "{line}");
    }
}
