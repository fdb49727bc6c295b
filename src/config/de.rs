//! How the canonical values deserialise into the types of `Config`. Each was read by its [`Kind`](super::kind::Kind)
//! before, so the errors here are for the day on which the two disagree.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use conversation::Secret;
use redaction::pattern::Pattern;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{ProxyUrl, TraceUrl, duration as durations, kind};
use crate::telemetry::endpoint;

pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    Url::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(None),
        text => Url::parse(text).map(Some).map_err(D::Error::custom),
    }
}

/// For keys that are unset by default.
pub(super) fn url_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| Url::parse(&text).map_err(D::Error::custom)).transpose()
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    durations::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Secret)>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    endpoint::parse_headers(&text).map_err(D::Error::custom)
}

pub(super) fn optional_headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<(String, Secret)>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| endpoint::parse_headers(&text).map_err(D::Error::custom)).transpose()
}

pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| durations::parse(&text).map_err(D::Error::custom)).transpose()
}

pub(super) fn optional_gzip<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| text == "gzip"))
}

pub(super) fn attributes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, String)>, D::Error> {
    kind::attributes(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Pattern::new(text).map_err(D::Error::custom)).collect()
}

pub(super) fn gzip<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "gzip")
}

pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| text != kind::OFF).map(PathBuf::from))
}

pub(super) fn trace_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TraceUrl>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => TraceUrl::parse(text).map(Some).map_err(D::Error::custom),
    }
}

pub(super) fn proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProxyUrl>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some(kind::OFF) => Ok(None),
        Some(text) => ProxyUrl::parse(text).map(Some).map_err(D::Error::custom),
    }
}

pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    kind::listen(&text).map_err(|_| D::Error::custom("no address and port"))
}
