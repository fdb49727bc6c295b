//! From all sources to one `Config`.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use conversation::Secret;
use figment::Figment;
use outbound::trust;
use redaction::UserId;

use super::error::Problem;
use super::key::Key;
use super::kind::Raw;
use super::listing::Listed;
use super::origin::{Layer, Origin};
use super::otel::{Ignored, Judged, Unmet};
use super::sections::{self, Config};
use super::setting::{Gathered, Said, Setting, Target};
use super::{ConfigError, Env, exposure, file, flags, gateway, needs, openai_key, otel, state, template};

/// A longer secret is some other file.
const MAX_SECRET_BYTES: u64 = 64 << 10;
const USER_ID_KEY: &str = "telemetry.user_id_key";

/// The arguments of the command line about the configuration.
#[derive(Clone, Debug, Default)]
pub struct LoadArgs {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--set`, each as SECTION.KEY=VALUE.
    pub set: Vec<String>,
}

/// A configuration and its source.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The agent.toml that was read; None when there is none.
    pub file: Option<PathBuf>,
    /// Settings that are not wrong, but surely not meant. For the log, once there is one.
    pub warnings: Vec<String>,
    /// Variables that are set and change nothing, with the reason.
    pub ignored: Vec<Ignored>,
    /// Variables that only a command that exports cannot work with; see [`Loaded::used_for`].
    pub(super) unmet: Vec<Unmet>,
    pub(super) settings: Vec<Setting>,
}

/// Reads all sources. All faults in any of them are reported at once.
pub fn load(args: &LoadArgs, env: &Env) -> Result<Loaded, ConfigError> {
    let (env, problems) = env.with_dotenv();
    let path = file::find(args.config.as_deref(), &env);
    let mut gathered = Gathered { settings: defaults(), problems, ..Gathered::default() };
    gathered.append(state::settings(&env));
    if let Some(path) = &path {
        gathered.append(file::read(path));
    }
    gathered.append(credentials(&env));
    gathered.append(env.settings());
    gathered.append(flags::settings(&args.set, env.dir()));
    gathered.settings = otel::inherited(gathered.settings);
    gathered.append(openai_key::settings(&env, &gathered));
    gathered.append(contents(&gathered.settings));
    gathered.problems.extend(distrusted(&gathered.settings));
    let told = std::mem::take(&mut gathered.ignored);
    let (config, settings) = settle(gathered)?;
    let Judged { ignored, unmet } = otel::judge(&env, &config.telemetry, &settings, told);
    let exposed = exposure::warnings(&settings, path.as_deref(), &env.dotenv());
    let told = ignored.iter().filter(|ignored| ignored.is_warning).map(Ignored::to_string);
    let warnings = env.nearly_ours().chain(env.oddities()).chain(told).chain(exposed).collect();
    Ok(Loaded { config, file: path, warnings, ignored, unmet, settings })
}

/// The values of all sources as one configuration; or all faults in it.
pub(super) fn settle(mut gathered: Gathered) -> Result<(Config, Vec<Setting>), ConfigError> {
    gathered.settings.extend(gateway::base_url(&gathered.settings));
    gathered.append(limits(&gathered.settings));
    gathered.problems.extend(nameless(&gathered.settings));
    ConfigError::check(gathered.problems)?;
    Ok((merge(&gathered.settings)?, gathered.settings))
}

impl Loaded {
    /// Every key with its value, as it may be shown, and its source.
    pub fn listed(&self) -> impl Iterator<Item = Listed> {
        sections::all().map(|key| Listed::new(key, winner(&self.settings, key)))
    }
}

impl Default for Config {
    /// The built-in defaults.
    fn default() -> Self {
        merge(&defaults()).expect("the defaults are a valid configuration, as tests check")
    }
}

/// The reference agent.toml names every default; reading the defaults from it keeps that true. It is read once.
pub(super) fn defaults() -> Vec<Setting> {
    static DEFAULTS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let settings = file::read_text("the defaults", &template::agent_toml()).settings;
        settings.into_iter().map(|setting| Setting { origin: Origin::Default, ..setting }).collect()
    });
    DEFAULTS.clone()
}

/// Secrets that systemd passes to the service as files.
fn credentials(env: &Env) -> Gathered {
    let mut gathered = Gathered::default();
    let Some(dir) = env.var("CREDENTIALS_DIRECTORY").map(PathBuf::from) else { return gathered };
    for key in sections::all() {
        let Some(name) = key.credential() else { continue };
        let path = dir.join(&name);
        // A file that cannot be examined is not absent: reading it will tell the reason.
        if path.try_exists().unwrap_or(true) {
            let origin = Origin::Credential(name);
            gathered.settings.push(Setting { key, said: Said::File(path), origin });
        }
    }
    gathered
}

/// The setting of `key` that counts: sources are in order, the strongest last.
pub(super) fn winner<'s>(settings: &'s [Setting], key: &Key) -> Option<&'s Setting> {
    let is_right = |setting: &&Setting| !matches!(setting.said, Said::Wrong(_));
    settings.iter().filter(is_right).rfind(|setting| setting.key.path == key.path)
}

/// The setting that would count if it were right.
pub(super) fn strongest<'s>(settings: &'s [Setting], key: &Key) -> Option<&'s Setting> {
    settings.iter().rfind(|setting| setting.key.path == key.path)
}

fn merge(settings: &[Setting]) -> Result<Config, ConfigError> {
    let figment = settings.iter().cloned().fold(Figment::new(), Figment::merge);
    // Each value was read by its kind already, so this is a mistake of ours; still no reason to panic.
    figment
        .extract()
        .map_err(|error| Problem::new(format!("the configuration does not fit together: {error}")).into())
}

// === secrets in files ===

/// The secrets that stand in files. Only files that count are read: the file of an overridden secret need not exist.
fn contents(settings: &[Setting]) -> Gathered {
    let mut gathered = Gathered::default();
    for key in sections::all() {
        if let Some(Setting { said: Said::File(path), origin, .. }) = winner(settings, key) {
            let file = path.display().to_string();
            let origin = Origin::Content { file, named_by: Box::new(origin.clone()) };
            gathered.push(content(key, path, origin));
        }
    }
    gathered
}

fn content(key: &'static Key, path: &std::path::Path, origin: Origin) -> Result<Setting, Problem> {
    let what = format!("the file of `{}`", key.path);
    let at = |problem: Problem| problem.at(origin.to_string());
    let content = file::read_bytes(path, MAX_SECRET_BYTES, &what).map_err(at)?;
    if let Some(problem) = exposure::refusal(content.mode, path, &what) {
        return Err(at(problem));
    }
    let text = file::utf8(content.bytes, path, &what).map_err(at)?;
    if text.trim().is_empty() {
        return Err(Problem::new(format!("{what} is empty")).at(origin.to_string()));
    }
    Setting::read(Target::Value(key), &Raw::Untyped(text), std::path::Path::new(""), origin)
}

// === authorities that cannot be trusted ===

/// A file of certificates that cannot be used.
fn distrusted(settings: &[Setting]) -> Option<Problem> {
    let setting = winner(settings, sections::by_path("network.ca_file")?)?;
    let file: Option<PathBuf> = setting.said.value()?;
    let error = trust::check_file(&file?).err()?;
    Some(Problem::new(format!("`network.ca_file`: {error}")).at(setting.origin.to_string()))
}

// === a hash without a key ===

/// Identities are to be hashed, and there is no key for that.
fn nameless(settings: &[Setting]) -> Option<Problem> {
    let said = |path: &str| sections::by_path(path).and_then(|key| winner(settings, key));
    let is_hashed = |setting: &&Setting| setting.said.value() == Some(UserId::Hashed);
    let hashed = said("telemetry.user_id").filter(is_hashed)?;
    let is_set = said(USER_ID_KEY).is_some_and(|key| key.said.value::<Option<Secret>>() != Some(None));
    let problem = || needs::missing(USER_ID_KEY, "`telemetry.user_id` = \"hashed\" wants one");
    (!is_set).then(|| problem().at(hashed.origin.to_string()))
}

// === timeouts within a timeout ===

/// Time limits of an attempt that are longer than that of the whole turn. When the same source sets both this is a
/// mistake; otherwise the stronger source is followed, and the weaker limit gives way.
fn limits(settings: &[Setting]) -> Gathered {
    let mut gathered = Gathered::default();
    let Some(total) = sections::by_path("llm.total_timeout").and_then(|key| winner(settings, key)) else {
        return gathered;
    };
    for path in ["llm.connect_timeout", "llm.first_token_timeout", "llm.stall_timeout"] {
        let Some(part) = sections::by_path(path).and_then(|key| winner(settings, key)) else { continue };
        if length(part) > length(total) {
            gathered.push(limited(part, total));
        }
    }
    // An operator who lowers the whole limit in a copy of the reference file does not mean to keep this one.
    let cold = sections::by_path("llm.cold_first_token_timeout").and_then(|key| winner(settings, key));
    if let Some(cold) = cold.filter(|cold| length(cold) > length(total)) {
        gathered.push(Ok(gives_way(cold, total)));
    }
    gathered
}

fn limited(part: &Setting, total: &Setting) -> Result<Setting, Problem> {
    if part.origin.layer() >= total.origin.layer() && part.origin.layer() != Layer::Default {
        let problem = Problem::new(format!("`{}` is longer than `{}`", part.key.path, total.key.path));
        let whole = format!("`{}` stands at: {}", total.key.path, total.origin);
        return Err(problem.at(part.origin.to_string()).help(whole));
    }
    Ok(gives_way(part, total))
}

fn gives_way(part: &Setting, total: &Setting) -> Setting {
    let origin = Origin::Limited { by: total.key.path };
    Setting { key: part.key, said: total.said.clone(), origin }
}

fn length(setting: &Setting) -> Option<Duration> {
    setting.said.value()
}
