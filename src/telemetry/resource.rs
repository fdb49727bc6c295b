//! The description of the process that every signal carries.

/// The resource attributes, the later ones stronger.
use super::settings::Settings;

pub(crate) fn attributes(config: &Settings, instance_id: &str) -> Vec<(String, String)> {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance_id)];
    let own = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let given = config.resource_attributes.iter().cloned();
    own.chain(given).chain([("service.name".to_owned(), config.service_name.clone())]).collect()
}
