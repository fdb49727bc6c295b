//! `[network]`: what is taken for an authority and for a proxy, and what is shown of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why by panicking")]

#[path = "support/settings.rs"]
mod settings;

use settings::Place;
use voiced::config::Shown;

fn shown(place: &Place, name: &str) -> Shown {
    place.loaded().listed().find(|listed| listed.section == "network" && listed.name == name).unwrap().value
}

#[test]
fn the_usual_variables_set_the_proxies_with_or_without_a_scheme() {
    let place = Place::new()
        .var("https_proxy", "proxy.test:3128")
        .var("HTTP_PROXY", "http://plain.test")
        .var("no_proxy", "corp.test,10.0.0.0/8");
    let network = place.config().network;
    assert_eq!(network.https_proxy.unwrap().to_string(), "http://proxy.test:3128");
    assert_eq!(network.http_proxy.unwrap().to_string(), "http://plain.test");
    assert_eq!(network.no_proxy, "corp.test,10.0.0.0/8");
    assert_eq!(place.source("network.https_proxy"), "env https_proxy");
    let place = place.var("HTTPS_PROXY", "http://upper.test:1");
    assert_eq!(place.config().network.https_proxy.unwrap().to_string(), "http://upper.test:1");
    let place = place.var("VOICED_NETWORK__HTTPS_PROXY", "off");
    assert!(place.config().network.https_proxy.is_none());
}

#[test]
fn a_proxys_password_is_a_secret() {
    let place =
        Place::with_agent_toml("[network]\nhttps_proxy = \"http://ada:open%20sesame!!@proxy.test:3128\"\n");
    let config = place.config();
    let shown = format!("{:?} {config:?}", shown(&place, "https_proxy"));
    assert!(shown.contains("http://proxy.test:3128") && !shown.contains("sesame"), "{shown}");
    assert_eq!(config.secrets().taken_out("said sesame!!"), "said [secret]");
}

#[test]
fn what_is_no_proxy_is_refused_without_showing_a_password() {
    let refusal = Place::new().var("HTTPS_PROXY", "socks5://ada:hush@proxy.test:1080").refusal();
    assert!(refusal.contains("socks5:// is no proxy that we speak to"), "{refusal}");
    assert!(refusal.contains("environment variable HTTPS_PROXY") && !refusal.contains("hush"), "{refusal}");
}

#[test]
fn a_file_of_authorities_is_read_when_the_configuration_is() {
    let agent_toml = "[network]\nca_file = \"ca.pem\"\n";
    let refusal = Place::with_agent_toml(agent_toml).refusal();
    assert!(refusal.contains("`network.ca_file`: cannot read certificates from ca.pem"), "{refusal}");
    assert!(refusal.contains("--> agent.toml:2:11"), "{refusal}");
    let place = Place::with_agent_toml(agent_toml).file("ca.pem", "-----BEGIN PRIVATE KEY-----\n");
    assert!(place.refusal().contains("ca.pem"), "{}", place.refusal());
    let authority = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem();
    let place = Place::with_agent_toml(agent_toml).file("ca.pem", &authority);
    assert_eq!(place.config().network.ca_file, Some(place.path("ca.pem")));
    let place = place.set("network.ca_file=off");
    assert!(place.config().network.ca_file.is_none());
}
