//! The keys that control what is recorded, in every source that can set them.

use redaction::{Builtin, Privacy};
use voiced::config::{CaptureContent, UserId};

use crate::support::settings::Place;

fn redacted(place: &Place, text: &str) -> String {
    Privacy::new(&place.config().telemetry.privacy()).quoted(text).unwrap()
}

#[test]
fn everything_is_recorded_and_no_identity_hashed_by_default() {
    let telemetry = Place::new().config().telemetry;
    assert_eq!(telemetry.capture_content, CaptureContent::Full);
    assert_eq!(telemetry.user_id, UserId::Plain);
    assert_eq!(telemetry.redact_builtins.len(), Builtin::ALL.len());
    assert!(telemetry.redact.is_empty());
}

#[test]
fn own_patterns_come_from_the_file_a_variable_or_a_flag() {
    let text = "C-123456, D-1,2 and ada@example.com";
    let place = Place::with_agent_toml(
        "[telemetry]\ncapture_content = \"redacted\"\nredact = ['C-\\d{6}', \"D-\\\\d,\\\\d\"]\n",
    );
    assert_eq!(redacted(&place, text), "[redacted], [redacted] and [email]");
    let one = place.var("VOICED_TELEMETRY__REDACT", r"D-\d,\d");
    assert_eq!(redacted(&one, text), "C-123456, [redacted] and [email]");
    let list = one.set(r#"telemetry.redact=["C-\\d+", "and"]"#);
    assert_eq!(redacted(&list, text), "[redacted], D-1,2 [redacted] [email]");
}

#[test]
fn the_built_in_finders_can_be_chosen() {
    let place =
        Place::new().set("telemetry.capture_content=redacted").set("telemetry.redact_builtins=card,iban");
    let text = "ada@example.com, 4111111111111111, DE89370400440532013000";
    assert_eq!(redacted(&place, text), "ada@example.com, [card], [iban]");
}

#[test]
fn at_most_so_many_patterns_are_taken() {
    let patterns = vec!["'x'"; 65].join(", ");
    let refusal = Place::with_agent_toml(&format!("[telemetry]\nredact = [{patterns}]\n")).refusal();
    assert!(refusal.contains("there are 65; at most 64 are allowed"), "{refusal}");
    assert!(refusal.contains("--> agent.toml:2:10"), "{refusal}");
}

#[test]
fn identities_are_hashed_with_a_key_from_every_place_of_a_secret() {
    let hashed = Place::new().set("telemetry.user_id=hashed");
    let by_variable = hashed.var("VOICED_TELEMETRY__USER_ID_KEY", "Jefe");
    // RFC 4231, test case 2.
    let expected = "u_5bdcc146bf60754e6a042426";
    let user = |place: &Place| {
        Privacy::new(&place.config().telemetry.privacy()).user("what do ya want for nothing?")
    };
    assert_eq!(user(&by_variable), expected);
    let by_file = Place::with_agent_toml("[telemetry]\nuser_id = \"hashed\"\nuser_id_key_file = \"key\"\n");
    assert_eq!(user(&by_file.file("key", "Jefe\n")), expected);
    let by_credential =
        Place::new().set("telemetry.user_id=hashed").file("c/telemetry_user_id_key", "Jefe\n");
    let dir = by_credential.path("c").to_str().unwrap().to_owned();
    assert_eq!(user(&by_credential.var("CREDENTIALS_DIRECTORY", dir)), expected);
}

#[test]
fn a_hash_without_a_key_is_refused_with_every_way_to_set_one() {
    let refusal = Place::new().set("telemetry.user_id=hashed").refusal();
    for part in [
        "error: `telemetry.user_id_key` is not set, and `telemetry.user_id` = \"hashed\" wants one",
        "--> --set telemetry.user_id",
        "VOICED_TELEMETRY__USER_ID_KEY",
        "user_id_key_file = \"/path\" in [telemetry]",
        "LoadCredential=telemetry_user_id_key:/path",
    ] {
        assert!(refusal.contains(part), "{part} is missing in:\n{refusal}");
    }
    let empty = Place::with_agent_toml("[telemetry]\nuser_id = \"hashed\"\nuser_id_key = \" \"\n").refusal();
    assert!(empty.contains("--> agent.toml:2:11"), "{empty}");
    Place::with_agent_toml("[telemetry]\nuser_id_key = \"unused\"\n").loaded();
}
