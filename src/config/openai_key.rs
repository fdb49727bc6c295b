//! The API key of the parts that hear and speak, where OpenAI is their server and no source names a key.

use url::Url;

use super::Env;
use super::error::Problem;
use super::key::Key;
use super::load::winner;
use super::sections::{self, SpeechProvider};
use super::setting::{Gathered, Setting};

/// The variable that OpenAI's own programs read.
pub(super) const VARIABLE: &str = "OPENAI_API_KEY";
const SECTIONS: [&str; 2] = ["stt", "tts"];

/// The missing keys, as the environment has them. Its key is for OpenAI, so another server gets none of it.
pub(super) fn settings(env: &Env, gathered: &Gathered) -> Gathered {
    let mut borrowed = Gathered::default();
    for key in SECTIONS.into_iter().filter_map(|section| missing_key(section, &gathered.settings)) {
        match env.borrowed(key, VARIABLE) {
            // A fault of the variable is one mistake, however many keys read it.
            Some(Err(problem)) if is_told(&problem, gathered, &borrowed) => {}
            setting => setting.into_iter().for_each(|setting| borrowed.push(setting)),
        }
    }
    borrowed
}

/// The API key of a section that asks OpenAI and has none.
fn missing_key(section: &str, settings: &[Setting]) -> Option<&'static Key> {
    let key = |name: &str| sections::by_path(&format!("{section}.{name}"));
    let said = |name: &str| winner(settings, key(name)?);
    let is_on = said("provider")?.said.value() == Some(SpeechProvider::Openai);
    let base_url: Option<Url> = said("base_url").and_then(|setting| setting.said.value().flatten());
    let has_key = said("api_key").is_some_and(Setting::is_set);
    key("api_key").filter(|_| is_on && base_url.is_none() && !has_key)
}

fn is_told(problem: &Problem, gathered: &Gathered, borrowed: &Gathered) -> bool {
    [gathered, borrowed].iter().any(|gathered| gathered.problems.contains(problem))
}

#[cfg(test)]
mod tests {
    use crate::config::{self, Env, LoadArgs, Loaded};

    const STT: (&str, &str) = ("VOICED_STT__PROVIDER", "openai");
    const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-environment");

    fn loaded(variables: &[(&str, &str)]) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::new(dir.path(), variables.iter().copied()).with_system_file(dir.path().join("none"));
        config::load(&LoadArgs::default(), &env).unwrap()
    }

    /// The key of `[stt]`, and its source in the listing.
    fn key(variables: &[(&str, &str)]) -> (Option<String>, String) {
        let loaded = loaded(variables);
        let listed = loaded.listed().find(|key| (key.section, key.name) == ("stt", "api_key"));
        (loaded.config.stt.api_key.map(|key| key.expose().to_owned()), listed.unwrap().source)
    }

    #[test]
    fn the_key_of_the_environment_is_for_openai_alone() {
        let environment = (Some("sk-environment".to_owned()), "env OPENAI_API_KEY".to_owned());
        let none = (None, "default".to_owned());
        assert_eq!(key(&[STT, KEY]), environment);
        assert_eq!(key(&[STT, KEY, ("VOICED_LLM__API_KEY", "sk-llm")]), environment);
        assert_eq!(key(&[STT, ("VOICED_LLM__API_KEY", "sk-llm")]), none);
        assert_eq!(key(&[STT, KEY, ("VOICED_STT__BASE_URL", "http://whisper.test/v1")]), none);
        assert_eq!(key(&[KEY]), none, "nothing hears");
        let own = ("VOICED_STT__API_KEY", "sk-own");
        assert_eq!(key(&[STT, KEY, own]), (Some("sk-own".to_owned()), "env VOICED_STT__API_KEY".to_owned()));
        assert_eq!(loaded(&[STT, KEY]).config.tts.api_key.map(|key| key.expose().to_owned()), None);
    }

    #[test]
    fn a_fault_of_the_variable_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let both = [STT, ("VOICED_TTS__PROVIDER", "openai"), ("OPENAI_API_KEY", "${KEY}")];
        let told = |more: &[(&str, &str)]| {
            let variables = both.iter().chain(more).copied();
            let env = Env::new(dir.path(), variables).with_system_file(dir.path().join("none"));
            let error = config::load(&LoadArgs::default(), &env).unwrap_err().to_string();
            error.matches("OPENAI_API_KEY holds").count()
        };
        assert_eq!(told(&[]), 1);
        assert_eq!(told(&[("VOICED_LLM__API_KEY", "sk-llm")]), 1);
    }
}
