//! The settings that a command needs, beyond a valid configuration.

use conversation::{Secret, Secrets};
use otlp_spool::Signal;
use url::Url;

use super::error::Problem;
use super::key::Key;
use super::sections;
use super::{Config, ConfigError, LlmProvider, ProxyUrl, Stt, Tts, openai_key};

/// The host that answers no request without a key.
const OPENAI_HOST: &str = "api.openai.com";

/// The credentials for the LiveKit server.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub url: Url,
    pub key: String,
    pub secret: Secret,
}

impl Config {
    /// The key pair for `start`, `connect` and `call`; the error names every way to set a missing value.
    pub fn livekit_credentials(&self) -> Result<Credentials, ConfigError> {
        let livekit = &self.livekit;
        if let (Some(key), Some(secret)) = (&livekit.api_key, &livekit.api_secret) {
            return Ok(Credentials { url: livekit.url.clone(), key: key.clone(), secret: secret.clone() });
        }
        let mut problems = Vec::new();
        if livekit.api_key.is_none() {
            problems.push(missing(
                "livekit.api_key",
                &format!("the LiveKit server at {} wants one", livekit.url),
            ));
        }
        if livekit.api_secret.is_none() {
            problems.push(missing("livekit.api_secret", "it signs the tokens by which the server knows us"));
        }
        Err(ConfigError::of(problems))
    }

    /// Every secret there is. A new secret is added here, or it is in danger of being logged.
    pub fn secrets(&self) -> Secrets {
        let telemetry = self.telemetry.settings();
        let headers = Signal::ALL.into_iter().flat_map(|signal| telemetry.headers(signal));
        let headers = headers.map(|(_, value)| value);
        let keys = [
            &self.livekit.api_secret,
            &self.llm.api_key,
            &self.stt.api_key,
            &self.tts.api_key,
            &self.telemetry.user_id_key,
            &self.http.token,
        ];
        let proxies = [&self.network.https_proxy, &self.network.http_proxy].into_iter().flatten();
        let passwords = proxies.filter_map(ProxyUrl::password);
        keys.into_iter().flatten().chain(headers).cloned().chain(passwords).collect()
    }

    /// The credentials for the model for `start`, `connect` and `ask`, where some are surely needed: other servers than
    /// OpenAI's may want none.
    pub fn require_llm(&self) -> Result<(), ConfigError> {
        if self.llm.provider == LlmProvider::Livekit {
            return self.livekit_credentials().map(drop);
        }
        if self.llm.api_key.is_some() || self.llm.base_url.host_str() != Some(OPENAI_HOST) {
            return Ok(());
        }
        let problem = missing("llm.api_key", &format!("{OPENAI_HOST} wants one")).help(
            "another server: llm.base_url or OPENAI_BASE_URL, such as http://127.0.0.1:11434/v1 for Ollama",
        );
        Err(problem.into())
    }

    /// What the parts that hear and speak need, where they are on.
    pub fn require_speech(&self) -> Result<(), ConfigError> {
        let problems = self.stt_problems().into_iter().chain(self.tts_problems());
        ConfigError::check(problems.collect())
    }

    /// What `[stt]` needs, where it is on.
    pub fn require_stt(&self) -> Result<(), ConfigError> {
        ConfigError::check(self.stt_problems())
    }

    /// What `[tts]` needs, where it is on.
    pub fn require_tts(&self) -> Result<(), ConfigError> {
        ConfigError::check(self.tts_problems())
    }

    fn stt_problems(&self) -> Vec<Problem> {
        let Stt { base_url, api_key, model, .. } = &self.stt;
        if self.stt.is_on() { speech_problems("stt", base_url, api_key, model) } else { Vec::new() }
    }

    fn tts_problems(&self) -> Vec<Problem> {
        let Tts { base_url, api_key, model, .. } = &self.tts;
        if self.tts.is_on() { speech_problems("tts", base_url, api_key, model) } else { Vec::new() }
    }
}

fn speech_problems(
    section: &str,
    base_url: &Option<Url>,
    key: &Option<Secret>,
    model: &Option<String>,
) -> Vec<Problem> {
    let is_openai = base_url.as_ref().is_none_or(|url| url.host_str() == Some(OPENAI_HOST));
    let no_model = || missing(&format!("{section}.model"), "there is no default");
    let no_key = || missing_key(section);
    [model.is_none().then(no_model), (is_openai && key.is_none()).then(no_key)]
        .into_iter()
        .flatten()
        .collect()
}

fn missing_key(section: &str) -> Problem {
    missing(&format!("{section}.api_key"), &format!("{OPENAI_HOST} wants one")).help(format!(
        "environment, or .env here: {}, where {section}.base_url is unset",
        openai_key::VARIABLE
    ))
}

pub(super) fn missing(path: &str, why: &str) -> Problem {
    let problem = Problem::new(format!("`{path}` is not set, and {why}"));
    match sections::by_path(path) {
        Some(key) => ways_to_set(key).into_iter().fold(problem, Problem::help),
        None => problem,
    }
}

fn ways_to_set(key: &Key) -> Vec<String> {
    let variables = key.variables.iter().map(|variable| variable.name.to_owned());
    let variables: Vec<String> = variables.chain([key.own_variable()]).collect();
    let mut ways = vec![
        format!("environment, or .env here: {}", variables.join(", or ")),
        format!("agent.toml: {} = \"…\" in [{}]", key.name(), key.section()),
    ];
    if let (Some(file), Some(credential)) = (key.file_key(), key.credential()) {
        ways.push(format!(
            "a file that holds it: {file} = \"/path\" in [{}], or {}_FILE",
            key.section(),
            key.own_variable()
        ));
        ways.push(format!("systemd: LoadCredential={credential}:/path"));
    }
    ways
}

#[cfg(test)]
mod tests {
    use crate::config::{self, Env, LoadArgs};

    #[test]
    fn the_units_of_systemd_load_every_secret_and_nothing_else() {
        let units =
            [include_str!("../../systemd/voiced.service"), include_str!("../../systemd/voiced@.service")];
        let secrets: Vec<String> = super::sections::all().filter_map(super::Key::credential).collect();
        for unit in units {
            let loaded = unit.lines().filter_map(|line| line.strip_prefix("LoadCredential="));
            let expected: Vec<String> = secrets.iter().map(|name| format!("{name}:voiced.{name}")).collect();
            assert_eq!(loaded.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn speech_without_a_model_or_openais_key_is_refused() {
        let refused = |variables: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let env = Env::new(dir.path(), variables).with_system_file(dir.path().join("none"));
            let config = config::load(&LoadArgs::default(), &env).unwrap().config;
            config.require_speech().map_err(|error| error.to_string()).err()
        };
        assert_eq!(refused(&[]), None);
        let error =
            refused(&[("VOICED_STT__PROVIDER", "openai"), ("VOICED_TTS__PROVIDER", "openai")]).unwrap();
        assert!(error.contains("stt.model") && error.contains("VOICED_TTS__MODEL"), "{error}");
        let model = [("VOICED_STT__PROVIDER", "openai"), ("VOICED_STT__MODEL", "whisper")];
        let error = refused(&model).unwrap();
        assert!(error.contains("`stt.api_key` is not set") && error.contains("OPENAI_API_KEY"), "{error}");
        for more in [("OPENAI_API_KEY", "sk"), ("VOICED_STT__BASE_URL", "http://whisper.test/v1")] {
            assert_eq!(refused(&[model[0], model[1], more]), None);
        }
    }

    #[test]
    fn every_key_that_is_a_secret_is_among_the_secrets() {
        // Headers have secrets for values, and a form of their own.
        let is_plain = |key: &&super::Key| key.kind.is_secret() && !key.name().ends_with("headers");
        let secrets: Vec<_> = super::sections::all().filter(is_plain).collect();
        let of = |key: &super::Key| format!("hidden-{}", key.path.replace('.', "-"));
        let variables = secrets.iter().map(|key| (key.own_variable(), of(key)));
        let dir = tempfile::tempdir().unwrap();
        let env = Env::new(dir.path(), variables).with_system_file(dir.path().join("none"));
        let config = config::load(&LoadArgs::default(), &env).unwrap().config;
        // An API key's name is no secret by itself: it tells which secret is meant.
        for key in secrets.iter().filter(|key| key.path != "livekit.api_key") {
            assert_eq!(config.secrets().taken_out(&of(key)), "[secret]", "{}", key.path);
        }
    }
}
