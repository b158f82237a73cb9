//! `redis`: removes the keys of a declared prefix, on the primary only. Never a whole database.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Prepared, Settings};
use crate::{ports::Ports, types::secret::Secret};

/// The kind.
pub(super) struct Redis;

/// `[targets.actions.clear_cache.redis]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// `redis://[user:password@]host:port/db`
    url: Secret,
    /// Only keys that begin with this are removed; at least one character.
    prefix: String,
    /// More keys than this are not touched: it is no cache then. Default 1,000,000.
    #[serde(default = "default_cap")]
    max_keys: u64,
    /// Seconds for the whole run. Default 60; 1 to 3600.
    #[serde(default = "default_timeout")]
    timeout_seconds: u64,
}

fn default_cap() -> u64 {
    1_000_000
}

fn default_timeout() -> u64 {
    60
}

impl ActuatorKind for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn summary(&self) -> &'static str {
        "removes the keys of one prefix (SCAN and UNLINK) on a Redis primary"
    }

    fn supports(&self) -> &'static [Action] {
        &[Action::ClearCache]
    }

    fn example(&self) -> &'static str {
        r#"{ url = "redis://127.0.0.1:6379/0", prefix = "cache:", max_keys = 1000000 }"#
    }

    fn build(&self, _action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        if config.prefix.is_empty() {
            return Err(toml::de::Error::custom("prefix is empty: write what the cache's keys begin with; a whole database is never cleared"));
        }
        if !(1..=3_600).contains(&config.timeout_seconds) {
            return Err(toml::de::Error::custom("timeout_seconds is out of range: write 1 to 3600"));
        }
        Ok(Arc::new(Clear(config)))
    }
}

struct Clear(Config);

#[async_trait]
impl Actuator for Clear {
    fn kind(&self) -> &'static str {
        Redis.name()
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        Err("pending".to_owned())
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared) -> Result<Act, ActError> {
        Err(ActError::failed("pending"))
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.0.url.clone()]
    }
}
