//! LiveKit Inference, which lets in whom a token of a project's key pair names.

use std::time::Duration;

use livekit_api::access_token::TokenVerifier;
use scripted_model::Step;
use voiced::llm;
use voiced::metrics::Metrics;

use super::support::{ask_of, model};
use crate::support::settings::Place;

const SECRET: &str = "a-secret-of-at-least-32-characters";

#[tokio::test]
async fn each_request_has_a_token_of_its_own_that_may_use_inference() {
    let model = model([Step::reply("Good morning."), Step::reply("Good evening.")]).await;
    let config = Place::new()
        .set("llm.provider=livekit")
        .set(&format!("llm.base_url={}", model.base_url()))
        .set("llm.model=openai/gpt-test")
        .var("LIVEKIT_API_KEY", "devkey")
        .var("LIVEKIT_API_SECRET", SECRET)
        .var("OPENAI_API_KEY", "sk-not-for-livekit")
        .loaded()
        .config;
    let answerer = llm::answerer(&config, &Metrics::default()).unwrap();
    let mut tokens = Vec::new();
    for words in ["Good morning.", "Good evening."] {
        let asked = ask_of(answerer.as_ref()).await;
        assert_eq!((asked.class(), asked.text()), ("complete", words), "{}", asked.message());
        // The times in a token are whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    for request in model.requests() {
        let token = request.headers["authorization"].strip_prefix("Bearer ").unwrap().to_owned();
        let claims = TokenVerifier::with_api_key("devkey", SECRET).verify(&token).unwrap();
        assert_eq!((claims.sub.as_str(), claims.exp - claims.nbf), ("agent", 600));
        assert!(claims.inference.perform && !claims.video.room_join);
        assert!(request.headers["x-livekit-session-id"].starts_with("inference_"));
        assert_eq!(request.body["model"], "openai/gpt-test");
        tokens.push(token);
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_refused_token_points_to_the_key_pair() {
    let model = model([Step::status(401)]).await;
    let config = Place::new()
        .set("llm.provider=livekit")
        .set(&format!("llm.base_url={}", model.base_url()))
        .var("LIVEKIT_API_KEY", "devkey")
        .var("LIVEKIT_API_SECRET", SECRET)
        .loaded()
        .config;
    let answerer = llm::answerer(&config, &Metrics::default()).unwrap();
    let asked = ask_of(answerer.as_ref()).await;
    assert_eq!(asked.class(), "401");
    assert!(asked.message().contains("[livekit] api_key and api_secret"), "{}", asked.message());
}

#[test]
fn without_a_key_pair_the_commands_that_ask_name_what_is_missing() {
    let config = Place::new().set("llm.provider=livekit").var("OPENAI_API_KEY", "sk-1").loaded().config;
    let error = config.require_llm().unwrap_err().to_string();
    assert!(
        error.contains("`livekit.api_key` is not set") && error.contains("`livekit.api_secret`"),
        "{error}"
    );
}
