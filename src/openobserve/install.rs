//! Puts the assets there: looks first, then makes missing ones and changes those that are an older version of ours.
//!
//! People's changes stay until we have a new version: a revision in the description names the version that we
//! installed, not its present state. The place of a thing, whether an alert is on, and whom it tells and how, are
//! always theirs.

use conversation::Secret;
use serde_json::{Value, json};

use super::api::{Api, ApiError, Call};
use super::assets::{Assets, revision, text};
use super::target::Target;

/// The only folder that every organisation has, in which new things are made. People may move them.
const FOLDER: &str = "default";
/// The fields of an alert that are not ours: whether it is on, whom it tells, and how.
const THEIRS: [&str; 12] = [
    "enabled",
    "owner",
    "template",
    "context_attributes",
    "row_template",
    "row_template_type",
    "tz_offset",
    "deduplication",
    "creates_incident",
    "workflows",
    "priority",
    "tags",
];
/// The template and, with a webhook, the destination.
const OUR_NAME: &str = "voiced";

/// The things to install, and their target.
pub(crate) struct Installation {
    api: Api,
    assets: Assets,
    /// The destinations of alerts; with none, alerts stay as they are and no new ones are made.
    destinations: Vec<String>,
    /// The URL of a destination to be made. A reader who knows it can post there.
    webhook: Option<Secret>,
    dry_run: bool,
}

/// The outcome of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) done: Done,
    /// `dashboard`, `alert`, …
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Created,
    Updated,
    Unchanged,
    /// The thing was skipped, for this reason.
    Skipped(&'static str),
}

// === impl Installation ===

impl Installation {
    pub(crate) fn new(
        target: &Target,
        assets: Assets,
        mut destinations: Vec<String>,
        webhook: Option<Secret>,
        dry_run: bool,
    ) -> Result<Self, ApiError> {
        if webhook.is_some() {
            destinations.push(OUR_NAME.to_owned());
        }
        Ok(Self { api: Api::new(target, webhook.as_ref())?, assets, destinations, webhook, dry_run })
    }

    /// Installs all things, one after the other, and reports each step as it is done. With a dry run nothing is
    /// written.
    pub(crate) async fn run(&self, mut tell: impl FnMut(&Step)) -> Result<(), ApiError> {
        self.api.greet().await?;
        tell(&self.dashboard().await?);
        if let Some(url) = &self.webhook {
            tell(&self.template().await?);
            tell(&self.destination(url).await?);
        }
        let listed = self.alerts().await?;
        for alert in &self.assets.alerts {
            tell(&self.alert(alert, &listed).await?);
        }
        Ok(())
    }

    async fn dashboard(&self) -> Result<Step, ApiError> {
        let ours = &self.assets.dashboard;
        let title = text(ours, "title");
        // With a title and no folder, all folders are looked through.
        let call = Call::get(["api", self.api.org(), "dashboards"]).query("title", title);
        let found = only(self.api.call(call).await?, "dashboards", "title", title)?;
        let done = match found {
            None => {
                let path = ["api", self.api.org(), "dashboards"];
                self.write(Call::post(path, ours).query("folder", FOLDER)).await?;
                Done::Created
            }
            Some(found) if is_current(&found, ours) => Done::Unchanged,
            Some(found) => {
                let [id, hash, folder] = ["dashboard_id", "hash", "folder_id"].map(|key| text(&found, key));
                let changed = replacing(ours, &found);
                let path = ["api", self.api.org(), "dashboards", id];
                self.write(Call::put(path, &changed).query("folder", folder).query("hash", hash)).await?;
                Done::Updated
            }
        };
        Ok(Step::new(done, "dashboard", title))
    }

    async fn template(&self) -> Result<Step, ApiError> {
        self.named("template", "templates", &self.assets.template).await
    }

    async fn destination(&self, url: &Secret) -> Result<Step, ApiError> {
        let ours = json!({
            "name": OUR_NAME, "type": "http", "url": url.expose(), "method": "post", "template": OUR_NAME, "skip_tls_verify": false,
        });
        self.named("destination", "destinations", &ours).await
    }

    /// Installs a thing that has no id but its name.
    async fn named(&self, kind: &'static str, place: &str, ours: &Value) -> Result<Step, ApiError> {
        let path = ["api", self.api.org(), "alerts", place, OUR_NAME];
        let done = match self.api.find(Call::get(path)).await? {
            None => {
                self.write(Call::post(["api", self.api.org(), "alerts", place], ours)).await?;
                Done::Created
            }
            Some(found) if holds(&found, ours) => Done::Unchanged,
            Some(_) => {
                self.write(Call::put(path, ours)).await?;
                Done::Updated
            }
        };
        Ok(Step::new(done, kind, OUR_NAME))
    }

    /// The alerts of all folders.
    async fn alerts(&self) -> Result<Value, ApiError> {
        self.api.call(Call::get(["api", "v2", self.api.org(), "alerts"])).await
    }

    async fn alert(&self, ours: &Value, listed: &Value) -> Result<Step, ApiError> {
        let name = text(ours, "name");
        let done = match only(listed.clone(), "list", "name", name)? {
            None if self.destinations.is_empty() => {
                Done::Skipped("an alert needs a destination: --destination NAME, or --webhook URL")
            }
            None => {
                let path = ["api", "v2", self.api.org(), "alerts"];
                let new = telling(ours, &self.destinations);
                self.write(Call::post(path, &new).query("folder", FOLDER)).await?;
                Done::Created
            }
            Some(found) => self.known_alert(ours, text(&found, "alert_id")).await?,
        };
        Ok(Step::new(done, "alert", name))
    }

    async fn known_alert(&self, ours: &Value, id: &str) -> Result<Done, ApiError> {
        let path = ["api", "v2", self.api.org(), "alerts", id];
        let found = self.api.call(Call::get(path)).await?;
        let theirs = names(&found["destinations"]);
        let wanted = if self.destinations.is_empty() { &theirs } else { &self.destinations };
        if is_current(&found, ours) && *wanted == theirs {
            return Ok(Done::Unchanged);
        }
        let mut changed = telling(ours, wanted);
        for key in THEIRS {
            if let Some(value) = found.get(key) {
                changed[key] = value.clone();
            }
        }
        self.write(Call::put(path, &changed)).await?;
        Ok(Done::Updated)
    }

    async fn write(&self, call: Call<'_>) -> Result<(), ApiError> {
        if self.dry_run { Ok(()) } else { self.api.call(call).await.map(drop) }
    }
}

// === impl Step ===

impl Step {
    fn new(done: Done, kind: &'static str, name: &str) -> Self {
        Self { done, kind, name: name.to_owned() }
    }
}

/// The one entry of a list whose `key` is `name`. Of several, it is not known which is meant.
fn only(mut listed: Value, list: &str, key: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let Some(Value::Array(entries)) = listed.get_mut(list).map(Value::take) else {
        return Err(ApiError::new(format!(
            "OpenObserve's answer has no list of {list}: its version may be too old or too new"
        )));
    };
    let mut named = entries.into_iter().filter(|entry| text(entry, key) == name);
    let first = named.next();
    match named.count() {
        0 => Ok(first),
        more => {
            let count = more + 1;
            Err(ApiError::new(format!("there are {count} of the name \"{name}\": delete all but one")))
        }
    }
}

fn is_current(found: &Value, ours: &Value) -> bool {
    let installed = revision(text(found, "description"));
    installed.is_some() && installed == revision(text(ours, "description"))
}

/// Whether the existing thing has all values of ours.
fn holds(found: &Value, ours: &Value) -> bool {
    let Some(ours) = ours.as_object() else { return false };
    // A server leaves out empty values.
    let is_blank = |value: &Value| matches!(value, Value::Null) || value.as_str() == Some("");
    ours.iter().all(|(key, value)| found.get(key).map_or(is_blank(value), |found| found == value))
}

/// Our dashboard with the id and the owner of the existing one.
fn replacing(ours: &Value, found: &Value) -> Value {
    let mut changed = ours.clone();
    for (key, there) in
        [("dashboardId", "dashboard_id"), ("owner", "owner"), ("role", "role"), ("created", "created")]
    {
        if let Some(value) = found.get(there) {
            changed[key] = value.clone();
        }
    }
    changed
}

fn telling(alert: &Value, destinations: &[String]) -> Value {
    let mut alert = alert.clone();
    alert["destinations"] = destinations.into();
    alert
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
