//! The ways to keep a secret out of agent.toml, and the message of a command that misses one.

use std::os::unix::fs::PermissionsExt;

use crate::support::settings::Place;

fn api_secret(place: &Place) -> String {
    place.config().livekit.api_secret.expect("unset").expose().to_owned()
}

#[test]
fn a_secret_is_read_from_the_file_that_its_key_names_beside_agent_toml() {
    let place = Place::new()
        .file("conf/agent.toml", "[livekit]\napi_secret_file = \"secret.txt\"\n")
        .file("conf/secret.txt", "hush\n")
        .config_flag("conf/agent.toml");
    assert_eq!(api_secret(&place), "hush");
    assert_eq!(place.source("livekit.api_secret"), "conf/secret.txt (conf/agent.toml:2)");
}

#[test]
fn every_secret_has_a_file_in_every_source() {
    let config = Place::with_agent_toml("[livekit]\napi_key_file = \"key\"\n")
        .file("key", "devkey")
        .file("llm", "sk-1")
        .file("headers", "Authorization=Basic YQ==\n")
        .var("VOICED_LLM__API_KEY_FILE", "llm")
        .set("telemetry.otlp_headers_file=headers")
        .config();
    assert_eq!(config.livekit.api_key.as_deref(), Some("devkey"));
    assert_eq!(config.llm.api_key.unwrap().expose(), "sk-1");
    assert_eq!(config.telemetry.otlp_headers[0].1.expose(), "Basic YQ==");
}

#[test]
fn systemd_credentials_win_over_the_file_and_lose_to_the_environment() {
    let place = Place::with_agent_toml("[livekit]\napi_secret = \"file\"\n")
        .file("credentials/livekit_api_secret", "credential\n")
        .file("credentials/livekit_api_key", "key")
        .file("credentials/llm_api_key", "sk-2")
        .file("credentials/telemetry_otlp_headers", "a=b");
    let place = {
        let dir = place.path("credentials");
        place.var("CREDENTIALS_DIRECTORY", dir.to_str().unwrap())
    };
    assert_eq!(api_secret(&place), "credential");
    let config = place.config();
    assert_eq!(config.livekit.api_key.as_deref(), Some("key"));
    assert_eq!(config.llm.api_key.unwrap().expose(), "sk-2");
    assert_eq!(config.telemetry.otlp_headers[0].0, "a");
    assert_eq!(
        place.source("livekit.api_secret"),
        "credentials/livekit_api_secret (systemd credential livekit_api_secret)"
    );
    let place = place.var("LIVEKIT_API_SECRET", "environment");
    assert_eq!(api_secret(&place), "environment");
}

#[test]
fn a_stronger_secret_makes_the_weaker_ones_file_needless() {
    let place = Place::with_agent_toml("[livekit]\napi_secret_file = \"/nowhere\"\n")
        .var("LIVEKIT_API_SECRET", "environment");
    assert_eq!(api_secret(&place), "environment");

    let place = Place::with_agent_toml("[livekit]\napi_secret = \"file\"\n")
        .file("stronger", "stronger")
        .var("VOICED_LIVEKIT__API_SECRET_FILE", "stronger")
        .var("LIVEKIT_API_SECRET", "well-known");
    assert_eq!(api_secret(&place), "stronger");
}

#[test]
fn the_file_of_a_secret_must_be_readable_text() {
    let place = Place::with_agent_toml("[livekit]\napi_secret_file = \"secret\"\n");
    let refusal = place.refusal();
    assert!(refusal.contains("cannot read the file of `livekit.api_secret` secret"), "{refusal}");
    assert!(refusal.contains("--> secret, named by agent.toml:2:19"), "{refusal}");
    let place = place.file("secret", " \n");
    assert!(place.refusal().contains("the file of `livekit.api_secret` is empty"), "{}", place.refusal());
    let place = place.file("secret", b"\xff\xfe");
    assert!(place.refusal().contains("not UTF-8"), "{}", place.refusal());
    let place = place.file("secret", vec![b'x'; 100_000]);
    assert!(place.refusal().contains("larger than"), "{}", place.refusal());
}

#[test]
fn a_secret_and_its_file_in_one_place_contradict_each_other() {
    let place = Place::with_agent_toml("[llm]\napi_key = \"a\"\napi_key_file = \"b\"\n").file("b", "b");
    assert_eq!(
        place.refusal(),
        "error: both `llm.api_key` and `llm.api_key_file` are set\n  --> agent.toml:2:11\n  \
         = the other is at agent.toml:3:16; keep one of them"
    );
    let place =
        Place::new().file("b", "b").var("VOICED_LLM__API_KEY", "a").var("VOICED_LLM__API_KEY_FILE", "b");
    assert!(place.refusal().contains("both VOICED_LLM__API_KEY and VOICED_LLM__API_KEY_FILE are set"));
}

/// A place whose files have this mode.
fn with_mode(place: Place, name: &str, mode: u32) -> Place {
    std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    place
}

#[test]
fn a_secret_that_other_users_can_read_is_warned_of_once_a_file() {
    let place = || {
        Place::with_agent_toml("[llm]\napi_key = \"sk-1\"\n[http]\ntoken_file = \"token\"\n")
            .file("token", "hush")
            .file(".env", "LIVEKIT_API_SECRET=hush\nLIVEKIT_API_KEY=devkey\n")
    };
    let warnings = |modes: [u32; 3]| {
        let files = ["agent.toml", "token", ".env"].into_iter().zip(modes);
        let place = files.fold(place(), |place, (name, mode)| with_mode(place, name, mode));
        place.loaded().warnings
    };
    let said = warnings([0o644, 0o644, 0o604]);
    assert_eq!(said.len(), 3, "{said:#?}");
    for (file, secret, mode) in [
        ("agent.toml", "llm.api_key", "644"),
        ("token", "http.token", "644"),
        (".env", "livekit.api_key", "604"),
    ] {
        let one = said.iter().filter(|said| {
            said.contains(&format!("/{file} holds `{secret}`"))
                && said.contains(&format!("(mode {mode})"))
                && said.contains("chmod 0400")
        });
        assert_eq!(one.count(), 1, "{file}: {said:#?}");
    }
    assert_eq!(warnings([0o640, 0o440, 0o400]), Vec::<String>::new(), "a group is somebody's decision");
}

#[test]
fn a_file_without_a_secret_that_counts_may_be_read_by_all() {
    let place = Place::with_agent_toml("[llm]\nmodel = \"m\"\napi_key = \"sk-1\"\n").set("llm.api_key=sk-2");
    assert_eq!(with_mode(place, "agent.toml", 0o644).loaded().warnings, Vec::<String>::new());
}

#[test]
fn a_secrets_file_that_other_users_can_write_is_refused() {
    let place = Place::with_agent_toml("[llm]\napi_key_file = \"key\"\n").file("key", "sk-1");
    let place = with_mode(place, "key", 0o602);
    let refusal = place.refusal();
    for words in ["the file of `llm.api_key` can be written by every user", "(mode 602)", "chmod 0400 key"] {
        assert!(refusal.contains(words), "{words} is missing in {refusal}");
    }
}

#[test]
fn an_empty_secret_is_an_unset_one() {
    let config = Place::with_agent_toml("[livekit]\napi_key = \"\"\napi_secret = \" \"\n").config();
    assert!(config.livekit.api_key.is_none() && config.livekit.api_secret.is_none());
}

#[test]
fn missing_livekit_credentials_are_named_with_every_way_to_set_them() {
    let error = Place::new().config().livekit_credentials().unwrap_err().to_string();
    for way in [
        "`livekit.api_key` is not set",
        "`livekit.api_secret` is not set",
        "LIVEKIT_API_SECRET, or VOICED_LIVEKIT__API_SECRET",
        "api_secret = \"…\" in [livekit]",
        "api_secret_file",
        "LoadCredential=livekit_api_secret:",
    ] {
        assert!(error.contains(way), "{way} is missing in: {error}");
    }
    let config = Place::new().var("LIVEKIT_API_KEY", "devkey").config();
    let error = config.livekit_credentials().unwrap_err().to_string();
    assert!(!error.contains("`livekit.api_key` is not set"), "{error}");
}

#[test]
fn only_openai_itself_surely_wants_a_key() {
    let error = Place::new().config().require_llm().unwrap_err().to_string();
    assert!(error.contains("`llm.api_key` is not set") && error.contains("OPENAI_API_KEY"), "{error}");
    assert!(Place::new().var("OPENAI_API_KEY", "sk").config().require_llm().is_ok());
    assert!(Place::new().var("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").config().require_llm().is_ok());
}
