//! `OTEL_EXPORTER_OTLP_PROTOCOL`: we speak one of the three transports, whatever its value. That matters where the same
//! environment names the receiver: that receiver may understand the other transport only.

use otlp_spool::Signal;

use super::{Ignored, Judged};
use crate::config::Env;
use crate::config::error::Problem;
use crate::config::kind;
use crate::config::load::strongest;
use crate::config::origin::{Layer, Origin};
use crate::config::sections;
use crate::config::setting::{Said, Setting};
use crate::config::variables::{self, OTEL, PROTOCOL, SPOKEN};
use crate::telemetry::Settings;

pub(super) fn judge(judged: &mut Judged, env: &Env, telemetry: &Settings, settings: &[Setting]) {
    let own = |signal: &Signal| env.text(variables::protocol(*signal)).is_some();
    let general: Vec<Signal> = Signal::ALL.into_iter().filter(|signal| !own(signal)).collect();
    let each = Signal::ALL.into_iter().map(|signal| (variables::protocol(signal), vec![signal]));
    for (name, signals) in each.chain([(PROTOCOL, general)]) {
        let Some((text, origin)) = env.text(name) else { continue };
        let judge = Judge { name, origin, telemetry, settings };
        match text.map(str::to_ascii_lowercase) {
            Err(problem) => judge.refused(judged, &signals, |_| problem),
            Ok(text) if text == SPOKEN => {}
            Ok(text) if matches!(text.as_str(), "grpc" | "http/json") => {
                judge.refused(judged, &signals, |signals| unspoken(&text, signals, origin));
            }
            Ok(text) => {
                let why = format!("{} is no transport of OTLP", kind::shortened(&text));
                judged.ignored.push(Ignored::warned(name, origin, why));
            }
        }
    }
}

/// One variable.
struct Judge<'a> {
    name: &'a str,
    origin: &'a Origin,
    telemetry: &'a Settings,
    settings: &'a [Setting],
}

// === impl Judge ===

impl Judge<'_> {
    /// Stops commands that send one of the signals to the receiver that the environment names; otherwise it is ignored.
    fn refused(&self, judged: &mut Judged, signals: &[Signal], problem: impl FnOnce(&[Signal]) -> Problem) {
        let concerned: Vec<Signal> =
            signals.iter().copied().filter(|signal| self.concerns(*signal)).collect();
        if concerned.is_empty() {
            let why = self.without_effect(signals);
            judged.ignored.push(Ignored::warned(self.name, self.origin, why));
        } else {
            let ignored = Ignored::warned(self.name, self.origin, "");
            judged.unmet(problem(&concerned), ignored, true);
        }
    }

    fn concerns(&self, signal: Signal) -> bool {
        let is_theirs = |origin: &Origin| origin.variable().is_some_and(|name| name.starts_with(OTEL));
        self.telemetry.wants(signal) && self.endpoint(signal).is_some_and(is_theirs)
    }

    /// The source of a signal's endpoint.
    fn endpoint(&self, signal: Signal) -> Option<&Origin> {
        let set = |path: &str| {
            let setting = strongest(self.settings, sections::by_path(path)?)?;
            let says_something = match &setting.said {
                Said::Value(read) => read.notation.as_str().is_some_and(|text| !text.is_empty()),
                Said::File(_) | Said::Wrong(_) => true,
            };
            (says_something && setting.origin.layer() > Layer::Default).then_some(&setting.origin)
        };
        let own = format!("telemetry.{}_endpoint", signal.name());
        set(&own).or_else(|| set("telemetry.otlp_endpoint"))
    }

    fn without_effect(&self, signals: &[Signal]) -> String {
        let wanted: Vec<Signal> =
            signals.iter().copied().filter(|signal| self.telemetry.wants(*signal)).collect();
        let ours = wanted.iter().find_map(|signal| self.endpoint(*signal));
        match (ours, wanted.is_empty()) {
            _ if signals.is_empty() => "each signal has a variable of its own".to_owned(),
            _ if !self.telemetry.enabled => "telemetry.enabled is false".to_owned(),
            (_, true) => format!("{} are not exported", names(signals)),
            (None, _) => format!("no endpoint is set, so {} go nowhere", names(&wanted)),
            (Some(origin), _) => {
                format!("{} sets the endpoint, and {} go there by {SPOKEN}", origin.short(), names(&wanted))
            }
        }
    }
}

fn unspoken(text: &str, signals: &[Signal], origin: &Origin) -> Problem {
    Problem::new(format!("{} are sent by {SPOKEN}, not \"{text}\"", names(signals)))
        .at(origin.to_string())
        .help("unset it, and name the collector's HTTP port, usually 4318, as the endpoint")
        .help(
            "VOICED_TELEMETRY__OTLP_ENDPOINT overrules the endpoint of OTEL_ variables, and this one with it",
        )
}

fn names(signals: &[Signal]) -> String {
    let names: Vec<String> = signals.iter().map(|signal| signal.name().to_owned()).collect();
    match names.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}
