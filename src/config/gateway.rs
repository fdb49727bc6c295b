//! The address of LiveKit Inference, where that answers.

use std::path::Path;

use url::Url;

use super::LlmProvider;
use super::kind::Raw;
use super::load::winner;
use super::origin::{Layer, Origin};
use super::sections;
use super::setting::{Setting, Target};

const GATEWAY: &str = "https://agent-gateway.livekit.cloud/v1";
const STAGING: &str = "https://agent-gateway.staging.livekit.cloud/v1";
/// A part of the host of LiveKit's servers for staging.
const STAGING_HOST: &str = ".staging.livekit.cloud";
/// The variable names OpenAI's server, so it is not meant for LiveKit's.
const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";

/// The base URL of the gateway, where LiveKit Inference answers and no source names another server for it.
pub(super) fn base_url(settings: &[Setting]) -> Option<Setting> {
    let said = |path: &str| winner(settings, sections::by_path(path)?);
    let is_livekit = said("llm.provider")?.said.value() == Some(LlmProvider::Livekit);
    let named = said("llm.base_url")?;
    let is_openais =
        named.origin.layer() == Layer::Default || named.origin.variable() == Some(OPENAI_BASE_URL);
    let server: Option<Url> = said("livekit.url")?.said.value();
    let is_staging = server?.host_str().is_some_and(|host| host.ends_with(STAGING_HOST));
    let url = if is_staging { STAGING } else { GATEWAY };
    let setting = || {
        let raw = Raw::String(url.to_owned());
        Setting::read(Target::Value(named.key), &raw, Path::new(""), Origin::Implied { by: "llm.provider" })
    };
    (is_livekit && is_openais).then(setting)?.ok()
}

#[cfg(test)]
mod tests {
    use crate::config::{self, Env, LoadArgs};

    fn base_url(set: &[&str], variables: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::new(dir.path(), variables.iter().copied()).with_system_file(dir.path().join("none"));
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        let loaded = config::load(&LoadArgs { config: None, set }, &env).unwrap();
        loaded.config.llm.base_url.to_string()
    }

    #[test]
    fn livekits_gateway_answers_unless_a_key_names_another_server() {
        let livekit = "llm.provider=livekit";
        let openai = [("OPENAI_BASE_URL", "http://ollama.test/v1")];
        assert_eq!(base_url(&[livekit], &[]), super::GATEWAY);
        assert_eq!(base_url(&[livekit], &openai), super::GATEWAY);
        assert_eq!(base_url(&[livekit, "livekit.url=wss://x.staging.livekit.cloud"], &[]), super::STAGING);
        assert_eq!(base_url(&[livekit, "llm.base_url=http://own.test/v1"], &openai), "http://own.test/v1");
        assert_eq!(base_url(&[], &openai), "http://ollama.test/v1");
        assert_eq!(base_url(&[], &[]), "https://api.openai.com/v1");
    }
}
