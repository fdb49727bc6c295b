//! Can the health endpoints listen where they should, or does a worker of ours do so already?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use outbound::web::Web;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use url::Url;

use super::Finding;
use crate::config::Config;
use crate::http;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The fields of `/worker` by which a worker is told from another server.
#[derive(Deserialize)]
struct Neighbour {
    agent_name: String,
    active_jobs: u32,
    #[serde(rename = "worker_type")]
    _worker_type: String,
}

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let Some(address) = config.http.listen else {
        return Finding::skipped("http.listen is off: there are no health endpoints");
    };
    let finding = match http::bind(address).await {
        Ok(_listener) => Finding::good(format!("{address} is free for the health endpoints")),
        Err(error) if error.is_taken() => match neighbour(address).await {
            Some(neighbour) => of_neighbour(&neighbour, address, &config.worker.agent_name),
            None => Finding::failed(error.to_string()),
        },
        Err(error) => Finding::failed(error.to_string()),
    };
    finding.with("address", address.to_string())
}

async fn neighbour(address: SocketAddr) -> Option<Neighbour> {
    let url = Url::parse(&format!("http://{}/worker", reachable(address))).ok()?;
    let answer = Web::new(TIMEOUT, HeaderMap::new()).get(url).await.ok()?;
    serde_json::from_slice(&answer.body).ok()
}

/// The address under which a listener can be called: "every interface" is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn of_neighbour(neighbour: &Neighbour, address: SocketAddr, agent_name: &str) -> Finding {
    let Neighbour { agent_name: other, active_jobs, .. } = neighbour;
    if other == agent_name {
        return Finding::good(format!(
            "a worker of this configuration listens on {address} already, with {active_jobs} sessions"
        ));
    }
    Finding::failed(format!(
        "a worker of another agent, \"{other}\", listens on {address}; choose another address with http.listen \
         (VOICED_HTTP__LISTEN)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn every_interface_is_called_by_loopback() {
        let called = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(called("0.0.0.0:8081"), "127.0.0.1:8081");
        assert_eq!(called("[::]:8081"), "[::1]:8081");
        assert_eq!(called("192.0.2.1:8081"), "192.0.2.1:8081");
    }

    #[test]
    fn a_worker_of_another_agent_is_in_the_way() {
        let there = Neighbour { agent_name: "support".into(), active_jobs: 3, _worker_type: String::new() };
        let verdict = |name| of_neighbour(&there, "127.0.0.1:1".parse().unwrap(), name).verdict;
        assert_eq!((verdict("support"), verdict("sales")), (Verdict::Good, Verdict::Failed));
    }
}
