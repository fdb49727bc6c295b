//! The variables of OpenTelemetry, which are set for every program of a machine or a cluster: those that stop a
//! command that exports, those that change something, and those that are ignored, with the reason.
//!
//! - [`inherited`]: the settings that metrics and logs take from the variables for all signals, where traces have
//!   their own
//! - [`judge`]: variables that are wrong or without effect, once the configuration is known
//! - `protocol`: the transports that we do not speak
//! - `unread`: the variables that we do not read

mod inherited;
mod protocol;
mod unread;

use std::fmt;

use otlp_spool::Signal;

use super::error::Problem;
use super::key::Key;
use super::load::{strongest, winner};
use super::origin::{Layer, Origin};
use super::sections;
use super::setting::{Said, Setting};
use super::{ConfigError, Env, Loaded, Telemetry};
use crate::telemetry;

pub(super) use self::inherited::inherited;

/// A variable that is set and has no effect, or not all the effect that it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub variable: String,
    /// "env NAME", with its line in `.env`.
    pub source: String,
    pub reason: String,
    /// Whether the log says so, and not the listing alone.
    pub(super) is_warning: bool,
    is_part: bool,
}

/// A command's use of `[telemetry]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The command exports nothing.
    Nothing,
    /// The command reads the traces' receiver, and sends none.
    Address,
    Export,
}

/// A variable that only some commands can work with as it is.
#[derive(Clone, Debug)]
pub(super) struct Unmet {
    problem: Problem,
    ignored: Ignored,
    /// It is about the transport, so it does not matter to [`Purpose::Address`].
    is_transport: bool,
}

/// The judgement of all variables.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) ignored: Vec<Ignored>,
    pub(super) unmet: Vec<Unmet>,
}

/// Judges the variables by the whole configuration. `told` are the findings that were made while they were read.
pub(super) fn judge(env: &Env, telemetry: &Telemetry, settings: &[Setting], told: Vec<Ignored>) -> Judged {
    let telemetry = &telemetry.settings();
    let mut judged = Judged { ignored: told, unmet: Vec::new() };
    settings.iter().for_each(|setting| judged.wrong(setting, settings, telemetry));
    protocol::judge(&mut judged, env, telemetry, settings);
    let used: Vec<&str> =
        sections::all().filter_map(|key| winner(settings, key)?.origin.variable()).collect();
    for key in sections::all() {
        judged.overruled(env, key, settings, &used);
    }
    let exports = Signal::ALL.iter().any(|signal| telemetry.exports(*signal));
    judged.ignored.extend(unread::of(env, exports));
    judged.once_each();
    judged
}

/// Whether something that this process sends depends on a key.
fn is_needed(key: &Key, telemetry: &telemetry::Settings) -> bool {
    let exported = |signals: &[Signal]| signals.iter().any(|signal| telemetry.exports(*signal));
    let telemetry::Settings { metrics_endpoint, logs_endpoint, .. } = telemetry;
    // Without an endpoint of their own, metrics and logs go beside the traces.
    let beside = |own: bool, signal| !own && telemetry.wants(signal);
    match key.path {
        // The key applies to records, too.
        "telemetry.capture_content" => true,
        "telemetry.otlp_endpoint" => {
            telemetry.wants(Signal::Traces)
                || beside(metrics_endpoint.is_some(), Signal::Metrics)
                || beside(logs_endpoint.is_some(), Signal::Logs)
        }
        "telemetry.metrics_endpoint" => telemetry.wants(Signal::Metrics),
        "telemetry.logs_endpoint" => telemetry.wants(Signal::Logs),
        path if path.starts_with("telemetry.metrics_") => exported(&[Signal::Metrics]),
        path if path.starts_with("telemetry.logs_") => exported(&[Signal::Logs]),
        _ => exported(&Signal::ALL),
    }
}

// === impl Judged ===

impl Judged {
    fn wrong(&mut self, setting: &Setting, settings: &[Setting], telemetry: &telemetry::Settings) {
        let Said::Wrong(problem) = &setting.said else { return };
        let is_strongest = strongest(settings, setting.key).is_some_and(|other| std::ptr::eq(other, setting));
        let variable = setting.origin.variable().unwrap_or_default();
        let why = format!("{}; nothing that is sent needs it", problem.in_one_line());
        let ignored = Ignored::warned(variable, &setting.origin, why);
        if is_strongest && is_needed(setting.key, telemetry) {
            self.unmet(problem.clone(), ignored, false);
        } else if is_strongest {
            self.ignored.push(ignored);
        }
    }

    fn unmet(&mut self, problem: Problem, ignored: Ignored, is_transport: bool) {
        let reason = format!("{}; commands that export something are refused", problem.in_one_line());
        self.unmet.push(Unmet { problem, ignored: Ignored { reason, ..ignored }, is_transport });
    }

    /// Variables of a key that a stronger source sets, but for those that are `used` by this key or another.
    fn overruled(&mut self, env: &Env, key: &Key, settings: &[Setting], used: &[&str]) {
        let Some(winner) = winner(settings, key).filter(|winner| winner.origin.layer() > Layer::Default)
        else {
            return;
        };
        for variable in key.variables.iter().filter(|variable| !used.contains(&variable.name)) {
            if let Some((_, origin)) = env.text(variable.name) {
                let why = format!("{} overrules it", winner.origin.short());
                self.ignored.push(Ignored::quiet(variable.name, origin, why));
            }
        }
    }

    /// Keeps one finding for each variable: the first one, or the one that stops a command.
    fn once_each(&mut self) {
        let mut problems: Vec<Problem> = Vec::new();
        self.unmet.retain(|unmet| {
            let is_new = !problems.contains(&unmet.problem);
            problems.push(unmet.problem.clone());
            is_new
        });
        let mut names: Vec<String> = self.unmet.iter().map(|unmet| unmet.ignored.variable.clone()).collect();
        self.ignored.retain(|ignored| {
            let is_new = !names.contains(&ignored.variable);
            names.push(ignored.variable.clone());
            is_new
        });
    }
}

// === impl Ignored ===

impl Ignored {
    fn new(variable: &str, origin: &Origin, reason: impl Into<String>) -> Self {
        Self {
            variable: variable.to_owned(),
            source: origin.short(),
            reason: reason.into(),
            is_warning: false,
            is_part: false,
        }
    }

    /// A finding for the listing alone.
    pub(super) fn quiet(variable: &str, origin: &Origin, reason: impl Into<String>) -> Self {
        Self::new(variable, origin, reason)
    }

    pub(super) fn warned(variable: &str, origin: &Origin, reason: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::new(variable, origin, reason) }
    }

    /// A finding that a part of the value has no effect.
    pub(super) fn part(variable: &str, origin: &Origin, reason: impl Into<String>) -> Self {
        Self { is_warning: true, is_part: true, ..Self::new(variable, origin, reason) }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ignored = if self.is_part { "" } else { " is ignored" };
        write!(f, "{}{is_ignored}: {}", self.source, self.reason)
    }
}

// === impl Loaded ===

impl Loaded {
    /// The same for a command with this purpose, or the reason why it cannot run.
    pub fn used_for(mut self, purpose: Purpose) -> Result<Self, ConfigError> {
        let unmet = std::mem::take(&mut self.unmet);
        let (stops, spared): (Vec<_>, Vec<_>) = unmet.into_iter().partition(|unmet| match purpose {
            Purpose::Nothing => false,
            Purpose::Address => !unmet.is_transport,
            Purpose::Export => true,
        });
        ConfigError::check(stops.into_iter().map(|unmet| unmet.problem).collect())?;
        let spared: Vec<Ignored> = spared.into_iter().map(|unmet| unmet.ignored).collect();
        self.warnings.extend(spared.iter().map(Ignored::to_string));
        self.ignored.extend(spared);
        Ok(self)
    }
}
