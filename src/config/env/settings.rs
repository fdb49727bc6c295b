//! The settings of the variables.

use super::{Env, Found};
use crate::config::error::Problem;
use crate::config::key::Key;
use crate::config::kind::Raw;
use crate::config::origin::Origin;
use crate::config::otel::Ignored;
use crate::config::sections;
use crate::config::setting::{Gathered, Said, Setting, Target};
use crate::config::variables::{self, OTEL, Reading, Variable};

impl Env {
    /// The settings of each key's variables, the strongest last.
    pub(in crate::config) fn settings(&self) -> Gathered {
        let mut gathered = Gathered::default();
        for key in sections::all() {
            match self.own(key) {
                Some(setting) => gathered.push(setting),
                None => gathered.append(self.well_known(key)),
            }
        }
        gathered.problems.extend(self.unknown());
        gathered
    }

    /// `VOICED_<SECTION>__<KEY>`, or the same with `_FILE`.
    fn own(&self, key: &'static Key) -> Option<Result<Setting, Problem>> {
        let name = key.own_variable();
        let file = key.file_key().and_then(|_| self.get(&format!("{name}_FILE")));
        match (self.get(&name), file) {
            (Some(value), None) => Some(self.setting(Target::Value(key), value)),
            (None, Some(file)) => Some(self.setting(Target::File(key), file)),
            (Some(value), Some(_)) => {
                let problem = Problem::new(format!("both {name} and {name}_FILE are set"));
                Some(Err(problem.at(value.origin.to_string()).help("keep one of them")))
            }
            (None, None) => None,
        }
    }

    /// A key's value by a variable that is not its own.
    pub(in crate::config) fn borrowed(
        &self,
        key: &'static Key,
        variable: &str,
    ) -> Option<Result<Setting, Problem>> {
        let setting = self.setting(Target::Value(key), self.get(variable)?);
        Some(setting).filter(|setting| setting.as_ref().map_or(true, Setting::is_set))
    }

    fn setting(&self, target: Target, found: &Found) -> Result<Setting, Problem> {
        let raw = Raw::Untyped(filled(target.key(), found)?.to_owned());
        Setting::read(target, &raw, &self.dir, found.origin.clone())
    }

    /// The variables of OpenTelemetry are set for every program, so all of them are kept, and a wrong one is judged
    /// when it is known what needs it. Of the others the strongest counts, and has to be right.
    fn well_known(&self, key: &'static Key) -> Gathered {
        let mut gathered = Gathered::default();
        let set = |variable: &'static Variable| {
            let found = self.get(variable.name)?;
            // A value of blanks alone counts as empty.
            found.read().map_or(true, |text| !text.trim().is_empty()).then_some((variable, found))
        };
        let (otel, others): (Vec<_>, Vec<_>) =
            key.variables.iter().filter_map(set).partition(|(variable, _)| variable.is_otel());
        for (variable, found) in otel.into_iter().rev() {
            let problem = match self.read_well_known(key, variable, found, &mut gathered) {
                Ok(setting) => {
                    gathered.settings.extend(setting);
                    continue;
                }
                Err(problem) => problem,
            };
            gathered.settings.push(Setting { key, said: Said::Wrong(problem), origin: found.origin.clone() });
        }
        if let Some((variable, found)) = others.first() {
            let setting = self.read_well_known(key, variable, found, &mut gathered);
            setting.transpose().into_iter().for_each(|setting| gathered.push(setting));
        }
        gathered
    }

    fn read_well_known(
        &self,
        key: &'static Key,
        variable: &Variable,
        found: &Found,
        gathered: &mut Gathered,
    ) -> Result<Option<Setting>, Problem> {
        let refused = |reason: String| {
            Problem::new(format!("{} is not valid", variable.name)).at(found.origin.to_string()).help(reason)
        };
        let raw =
            match (variable.read)(filled(key, found)?.trim()).map_err(|error| refused(error.to_string()))? {
                Reading::Is(raw) => raw,
                Reading::Partly(raw, why) => {
                    gathered.ignored.push(Ignored::part(variable.name, &found.origin, why));
                    raw
                }
                Reading::Ignored(why) => {
                    gathered.ignored.push(Ignored::warned(variable.name, &found.origin, why));
                    return Ok(None);
                }
                Reading::Nothing => return Ok(None),
            };
        Setting::read(Target::Value(key), &raw, &self.dir, found.origin.clone()).map(Some)
    }

    /// Variables that look like ours and set nothing.
    fn unknown(&self) -> impl Iterator<Item = Problem> {
        self.variables.keys().filter_map(|name| {
            let path = name.strip_prefix("VOICED_")?.to_ascii_lowercase();
            let (section, key) = path.split_once("__")?;
            let found = self.get(name)?;
            Target::find(section, key, &found.origin).err()
        })
    }

    /// Variables that miss an underscore to be ours. They are no error: Kubernetes makes names like VOICED_HTTP_PORT
    /// out of the names of services.
    pub(in crate::config) fn nearly_ours(&self) -> impl Iterator<Item = String> {
        self.variables.keys().filter(|name| self.get(name).is_some()).filter_map(|name| {
            let key = sections::all().find(|key| key.own_variable().replace("__", "_") == *name)?;
            Some(format!("{name} sets nothing; did you mean {}?", key.own_variable()))
        })
    }

    /// A variable's text without blanks around it, or its fault; None when it is unset.
    pub(in crate::config) fn text(&self, name: &str) -> Option<(Result<&str, Problem>, &Origin)> {
        let found = self.get(name)?;
        Some((found.read().map(str::trim), &found.origin)).filter(|(text, _)| *text != Ok(""))
    }

    /// The variables of OpenTelemetry that are set, and that no key and no rule of ours reads.
    pub(in crate::config) fn unread_otel(&self) -> impl Iterator<Item = (&str, &Origin, &str)> {
        let theirs = self.variables.range(OTEL.to_owned()..).take_while(|(name, _)| name.starts_with(OTEL));
        theirs.filter(|(name, _)| !variables::is_read(name)).filter_map(|(name, found)| {
            let text = found.text()?.to_str().unwrap_or_default().trim();
            (!text.is_empty()).then_some((name.as_str(), &found.origin, text))
        })
    }
}

/// A variable's text. No step before this fills places in, so a place that is left is refused where it cannot be meant.
fn filled<'f>(key: &Key, found: &'f Found) -> Result<&'f str, Problem> {
    let text = found.read()?;
    match (place(text), &found.origin) {
        (Some(place), Origin::Variable(name)) if !key.is_prose() => {
            let what = if key.kind.is_secret() { "a `${…}`".to_owned() } else { format!("`${{{place}}}`") };
            let problem = Problem::new(format!("{name} holds {what}, which nothing has filled in"));
            let help = "`docker run --env-file` and systemd fill nothing in; in .env and in compose.yaml it would be";
            Err(problem.at(found.origin.to_string()).help(help))
        }
        _ => Ok(text),
    }
}

/// The name in the first `${NAME}`, or in one with an operator.
fn place(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("${").find_map(|(at, mark)| {
        let name = &text[at + mark.len()..];
        let (name, behind) = name.split_at(name.find(|c| !is_part(c))?);
        let is_name = name.starts_with(|c: char| !c.is_ascii_digit());
        (is_name && behind.starts_with(['}', ':', '-', '?', '+'])).then_some(name)
    })
}
