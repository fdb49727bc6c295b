//! `[network]`: the accepted authorities and proxies, and how they are shown.

use voiced::config::Shown;

use crate::support::settings::Place;

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

#[test]
fn a_socks_proxy_in_the_environment_is_refused_and_can_be_overruled() {
    for address in ["socks5://proxy.test:1080", "SOCKS5H://proxy.test", "socks4://10.0.0.1:1080", "socks://p"]
    {
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
            let place = Place::new().var(name, address);
            let refusal = place.refusal();
            let said = "is no proxy that we speak to; http:// is";
            assert!(refusal.contains(said) && refusal.contains(name), "{address}: {refusal}");
            let own = if name.eq_ignore_ascii_case("HTTPS_PROXY") { "HTTPS" } else { "HTTP" };
            let network = place.var(&format!("VOICED_NETWORK__{own}_PROXY"), "off").config().network;
            assert!(network.https_proxy.is_none() && network.http_proxy.is_none());
        }
        let network = Place::new().var("ALL_PROXY", address).var("all_proxy", address).config().network;
        assert!(network.https_proxy.is_none() && network.http_proxy.is_none(), "it is not read");
    }
}

#[test]
fn the_program_ends_with_78_over_a_socks_proxy_and_runs_without_it() {
    let run = |variables: &[(&str, &str)]| {
        let place = Place::new();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_voiced"));
        command.arg("config").current_dir(place.dir()).env_clear().envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let socks = ("HTTPS_PROXY", "socks5://ada:hush@proxy.test:1080");
    let (code, said) = run(&[socks]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("socks5:// is no proxy that we speak to") && !said.contains("hush"), "{said}");
    assert_eq!(run(&[socks, ("VOICED_NETWORK__HTTPS_PROXY", "off")]).0, Some(0));
    assert_eq!(run(&[("ALL_PROXY", "socks5://proxy.test:1080")]).0, Some(0));
}
