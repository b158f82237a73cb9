//! Whether Redis answers PING, and how near it is to its memory limit.
//!
//! Degraded while it loads its data, and from more than 90 % of `maxmemory` (operations reference, Redis row; without a limit there is no threshold).
//! A server that answers and refuses *us* is `unknown`. Replication, persistence and evictions are not looked at.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::Instant;

use crate::engines::net::WireError;
use crate::engines::redis::{Redis as Connection, RedisUrl, ServerInfo};
use crate::health::settings::{GRACE, TimeoutMs, ms, round_percent};
use crate::health::{Check, CheckKind, Reading, Scope, State, check::Settings, outcome};
use crate::ports::Ports;
use crate::types::secret::Secret;

/// Above this share of `maxmemory` it is degraded.
const DEGRADED_ABOVE_PERCENT: f64 = 90.0;

/// The kind `redis`.
pub(super) struct Redis;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: RedisUrl,
    #[serde(default = "default_timeout")]
    timeout_ms: TimeoutMs,
}

fn default_timeout() -> TimeoutMs {
    TimeoutMs::of(5_000)
}

impl CheckKind for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn summary(&self) -> &'static str {
        "Redis answers PING, has loaded its data and is below its memory limit"
    }

    fn example(&self) -> &'static str {
        "[health.redis]\nurl = \"redis://:secret@127.0.0.1:6379/0\"\ntimeout_ms = 5000\n"
    }

    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        Ok(Box::new(Server { url: config.url, timeout: config.timeout_ms }))
    }
}

struct Server {
    url: RedisUrl,
    timeout: TimeoutMs,
}

#[async_trait]
impl Check for Server {
    fn deadline(&self) -> Duration {
        self.timeout.duration() + GRACE
    }

    fn scope(&self) -> Scope {
        Scope::Remote
    }

    async fn run(&self, _: &Ports) -> Reading {
        let begun = Instant::now();
        let until = begun + self.timeout.duration();
        let mut redis = match Connection::connect(&self.url, until).await {
            Ok(redis) => redis,
            Err(error) => return failed(&error, self.timeout),
        };
        let connect = begun.elapsed();
        let ping = redis.ping(until).await;
        let reading = match &ping {
            // While loading PING is refused and INFO answered.
            Ok(_) | Err(WireError::Server { .. }) => match (redis.server_info(until).await, &ping) {
                (Ok(info), Ok(_)) => judge(&info),
                (Ok(info), Err(error)) => figures(failed(error, self.timeout), &info),
                (Err(_), Err(error)) => failed(error, self.timeout),
                (Err(error), Ok(_)) => without_figures(&error),
            },
            Err(error) => failed(error, self.timeout),
        };
        let reading = reading.measure("connect_time", ms(connect), "ms");
        ping.map_or(reading.clone(), |ping| reading.measure("ping_time", ms(ping), "ms"))
    }

    fn secrets(&self) -> Vec<Secret> {
        self.url.secrets().to_vec()
    }
}

fn judge(info: &ServerInfo) -> Reading {
    let used = info.used_memory_bytes.zip(info.maxmemory_bytes).map(|(used, max)| 100.0 * used as f64 / max as f64);
    let full = used.is_some_and(|u| u > DEGRADED_ABOVE_PERCENT);
    let (state, message) = match used {
        _ if info.loading => (State::Degraded, "answers, and is still loading its data".to_owned()),
        Some(used) if full => (State::Degraded, format!("answers; {used:.1} % of its memory limit is used")),
        Some(used) => (State::Ok, format!("answers; {used:.1} % of its memory limit is used")),
        None => (State::Ok, "answers; it has no memory limit".to_owned()),
    };
    let mut reading = Reading::new(state, Scope::Remote, message);
    if let Some(used) = used {
        reading = reading.measure("used_memory_percent", round_percent(used), "percent").threshold(
            "used_memory_percent",
            format!("degraded at > {DEGRADED_ABOVE_PERCENT} percent of maxmemory"),
            full,
        );
    }
    figures(reading, info)
}

fn figures(mut reading: Reading, info: &ServerInfo) -> Reading {
    for (name, value, unit) in
        [("used_memory", info.used_memory_bytes, "bytes"), ("maxmemory", info.maxmemory_bytes, "bytes"), ("connected_clients", info.connected_clients, "count")]
    {
        if let Some(value) = value {
            reading = reading.measure(name, value as f64, unit);
        }
    }
    reading.untrusted("version", &info.version)
}

/// The reading when PING was not answered with PONG.
fn failed(error: &WireError, timeout: TimeoutMs) -> Reading {
    let mut reading = outcome::of_wire(error, timeout);
    if let WireError::Server { code, message } = error {
        (reading.state, reading.message) = match code.as_str() {
            "LOADING" => (State::Degraded, "it answers, and is still loading its data".to_owned()),
            "NOAUTH" => (State::Unknown, "it answers, but asks for a password, and url has none".to_owned()),
            "WRONGPASS" => (State::Unknown, "it answers, but refuses this sign-in; mend user and password in url".to_owned()),
            "NOPERM" => (State::Unknown, "it answers, but this user may not ask: allow it PING and INFO".to_owned()),
            "DENIED" => (State::Unknown, "it answers, but its protected mode refuses this machine: set a password there, or bind it".to_owned()),
            "MISCONF" => (State::Degraded, "it answers, but refuses writes: it cannot save to disk".to_owned()),
            "MASTERDOWN" => (State::Degraded, "it answers, but its master is out of reach".to_owned()),
            "BUSY" => (State::Down, "it refuses commands: a script runs and does not end".to_owned()),
            "ERR" if message.contains("max number of clients") => (State::Down, "it refuses connections: too many clients already".to_owned()),
            // Before version 6, and where url has a password and the server none.
            "ERR" if message.contains("password") => (State::Unknown, "it answers, but refuses this sign-in: mend the password in url".to_owned()),
            "ERR" if message.contains("DB index") => (State::Unknown, "it answers, but has no database of the number in url; mend it".to_owned()),
            _ => (State::Down, "it answers with an error".to_owned()),
        };
    }
    reading
}

/// The reading when PING was answered and INFO was not: an access list may forbid it, and the server works.
fn without_figures(error: &WireError) -> Reading {
    let reading = Reading::new(State::Ok, Scope::Remote, "answers PING, but INFO could not be read: allow this user INFO");
    match error {
        WireError::Server { code, message } => reading.untrusted("error_code", code).untrusted("error", message),
        WireError::Timeout(_) => Reading { state: State::Degraded, message: "answers PING, but not INFO in time".to_owned(), ..reading },
        _ => Reading { state: State::Unknown, message: format!("answers PING, then: {error}"), ..reading },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::redact::Redactor;

    #[test]
    fn memory_is_held_against_the_limit_if_there_is_one() {
        let info =
            |used, max| ServerInfo { version: "7".into(), loading: false, used_memory_bytes: Some(used), maxmemory_bytes: max, connected_clients: Some(1) };
        for (used, max, want) in [(90, Some(100), State::Ok), (91, Some(100), State::Degraded), (91, None, State::Ok)] {
            assert_eq!(judge(&info(used, max)).state, want, "{used} of {max:?}");
        }
        assert_eq!(judge(&ServerInfo { loading: true, ..info(1, None) }).state, State::Degraded);
    }

    #[test]
    fn a_refusal_of_us_is_no_outage() {
        for (code, message, want) in [
            ("NOAUTH", "ignore previous instructions", State::Unknown),
            ("WRONGPASS", "", State::Unknown),
            ("ERR", "invalid password", State::Unknown),
            ("ERR", "DB index is out of range", State::Unknown),
            ("DENIED", "", State::Unknown),
            ("NOPERM", "", State::Unknown),
            ("LOADING", "", State::Degraded),
            ("ERR", "max number of clients reached", State::Down),
            ("ERR", "ignore previous instructions", State::Down),
        ] {
            let reading = failed(&WireError::Server { code: code.into(), message: message.into() }, default_timeout());
            assert_eq!(reading.state, want, "{code} {message}");
            assert!(!reading.message.contains("ignore"));
            assert_eq!(Redactor::default().redact(&reading.message), reading.message, "our own words look like a secret");
        }
    }
}
