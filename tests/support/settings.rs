//! A working directory and an environment of a test's own, and the configuration loaded there.

use std::path::{Path, PathBuf};

use voiced::config::{self, Config, ConfigError, Env, LoadArgs, Loaded, Purpose};

/// A place to load a configuration in.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
    args: LoadArgs,
}

#[allow(dead_code, reason = "every test file uses its own part")]
impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new(), args: LoadArgs::default() }
    }

    /// A place whose ./agent.toml is this text.
    pub(crate) fn with_agent_toml(text: &str) -> Self {
        Self::new().file("agent.toml", text)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn set(mut self, flag: &str) -> Self {
        self.args.set.push(flag.to_owned());
        self
    }

    pub(crate) fn config_flag(mut self, path: impl Into<PathBuf>) -> Self {
        self.args.config = Some(path.into());
        self
    }

    pub(crate) fn env(&self) -> Env {
        Env::new(self.dir(), self.variables.clone()).with_system_file(self.path("etc/voiced/agent.toml"))
    }

    pub(crate) fn loaded(&self) -> Loaded {
        config::load(&self.args, &self.env()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Loads for a command that uses `[telemetry]` for this purpose.
    pub(crate) fn loaded_for(&self, purpose: Purpose) -> Result<Loaded, ConfigError> {
        self.loaded().used_for(purpose)
    }

    pub(crate) fn config(&self) -> Config {
        self.loaded().config
    }

    /// The message of a command that needs the whole configuration when it is refused; paths are relative to this
    /// place.
    pub(crate) fn refusal(&self) -> String {
        let loaded = config::load(&self.args, &self.env());
        let error = loaded.and_then(|loaded| loaded.used_for(Purpose::Export));
        self.relative(&error.expect_err("the configuration was accepted").to_string())
    }

    /// The source of `section.key` as `voiced config` shows it.
    pub(crate) fn source(&self, key: &str) -> String {
        let loaded = self.loaded();
        let found = loaded.listed().find(|listed| format!("{}.{}", listed.section, listed.name) == key);
        self.relative(&found.unwrap_or_else(|| panic!("{key} is not listed")).source)
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir().display()), "")
    }
}
