//! Whether hosts can be reached: one TCP connection each, nothing sent.
//!
//! Ok when at least half of the hosts, rounded up, accept a connection; else down. The seed's words are "at least half"; its code let one of three pass and asked
//! public hosts. Ours are those of the configuration, and an empty list is `skipped`. ICMP, DNS answers and throughput are not looked at.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::health::settings::{GRACE, TimeoutMs, ms};
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings};
use crate::ports::Ports;

/// The port when none is written: the seed asked over HTTP.
const DEFAULT_PORT: u16 = 80;

/// More hosts than this is a scan, not a check.
const MAX_HOSTS: usize = 64;

/// The kind `network`.
pub(super) struct Network;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    hosts: Vec<Host>,
    #[serde(default = "default_timeout")]
    timeout_ms: TimeoutMs,
}

fn default_timeout() -> TimeoutMs {
    TimeoutMs::of(5_000)
}

/// `name`, `name:port`, `1.2.3.4:port`, `::1` or `[::1]:port`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Host {
    written: String,
    name: String,
    port: u16,
}

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let wrong = || "write a host as name, name:port, 10.0.0.1:443 or [::1]:443".to_owned();
        let (name, port) = match written.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((v6, "")) => (v6, None),
            Some((v6, rest)) => (v6, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None if written.matches(':').count() > 1 => (written.as_str(), None),
            None => written.split_once(':').map_or((written.as_str(), None), |(name, port)| (name, Some(port))),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-:%".contains(&b);
        if name.is_empty() || name.len() > 253 || !name.bytes().all(allowed) {
            return Err(wrong());
        }
        let port = port.map_or(Ok(DEFAULT_PORT), |p| p.parse().ok().filter(|p| *p > 0).ok_or_else(wrong))?;
        Ok(Self { name: name.to_owned(), port, written })
    }
}

impl CheckKind for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn summary(&self) -> &'static str {
        "at least half of the listed hosts accept a TCP connection"
    }

    fn example(&self) -> &'static str {
        "[health.network]\nhosts = [\"10.0.0.1:443\", \"db.internal:5432\"]\ntimeout_ms = 5000\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        use serde::de::Error as _;
        let config = Config::deserialize(settings)?;
        if config.hosts.len() > MAX_HOSTS {
            return Err(toml::de::Error::custom(format!("at most {MAX_HOSTS} hosts")));
        }
        Ok(Box::new(Hosts(config)))
    }
}

struct Hosts(Config);

#[async_trait]
impl Check for Hosts {
    fn deadline(&self) -> Duration {
        self.0.timeout_ms.duration() + GRACE
    }

    fn scope(&self) -> Scope {
        Scope::Remote
    }

    async fn run(&self, _: &Ports) -> Reading {
        let hosts = &self.0.hosts;
        if hosts.is_empty() {
            return Reading::new(State::Skipped, Scope::Remote, "no hosts are configured");
        }
        let times = futures::future::join_all(hosts.iter().map(|h| reach(h, self.0.timeout_ms.duration()))).await;
        let reached = times.iter().flatten().count();
        let needed = hosts.len().div_ceil(2);
        let missing: Vec<&str> = hosts.iter().zip(&times).filter(|(_, t)| t.is_none()).map(|(h, _)| h.written.as_str()).collect();
        let tail = if missing.is_empty() { String::new() } else { format!("; not {}", missing.join(", ")) };
        let state = if reached >= needed { State::Ok } else { State::Down };
        let mut reading = Reading::new(state, Scope::Remote, format!("{reached} of {} hosts reached{tail}", hosts.len()))
            .measure("reachable", reached as f64, "count")
            .measure("hosts", hosts.len() as f64, "count")
            .threshold("reachable", format!("down at < {needed}"), reached < needed);
        for (host, time) in hosts.iter().zip(times) {
            reading = reading.measure(format!("reachable:{}", host.written), if time.is_some() { 1.0 } else { 0.0 }, "count");
            if let Some(time) = time {
                reading = reading.measure(format!("connect_time:{}", host.written), ms(time), "ms");
            }
        }
        reading
    }
}

async fn reach(host: &Host, limit: Duration) -> Option<Duration> {
    let begun = Instant::now();
    let connecting = TcpStream::connect((host.name.as_str(), host.port));
    tokio::time::timeout(limit, connecting).await.ok()?.ok().map(|_| begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_and_without_ports() {
        for (written, name, port) in [
            ("db.internal", "db.internal", 80),
            ("10.0.0.1:443", "10.0.0.1", 443),
            ("::1", "::1", 80),
            ("[::1]", "::1", 80),
            ("[fe80::1%eth0]:53", "fe80::1%eth0", 53),
        ] {
            let host = Host::try_from(written.to_owned()).unwrap();
            assert_eq!((host.name.as_str(), host.port), (name, port), "{written}");
        }
        for wrong in ["", ":80", "a:", "a:0", "a:70000", "[::1]80", "http://a", "a b"] {
            assert!(Host::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    async fn state_of(up: usize, down: usize) -> Reading {
        let mut listeners = Vec::new();
        let mut hosts = Vec::new();
        for i in 0..up + down {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            hosts.push(Host::try_from(listener.local_addr().unwrap().to_string()).unwrap());
            if i < up {
                listeners.push(listener);
            }
        }
        Hosts(Config { hosts, timeout_ms: TimeoutMs::of(300) }).run(&Ports::real()).await
    }

    #[tokio::test]
    async fn at_least_half_rounded_up_must_be_reached() {
        for (up, down, want) in [(0, 0, State::Skipped), (1, 0, State::Ok), (0, 1, State::Down), (1, 1, State::Ok), (1, 2, State::Down), (2, 1, State::Ok)] {
            assert_eq!(state_of(up, down).await.state, want, "{up} of {}", up + down);
        }
    }
}
