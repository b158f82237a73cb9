//! `redis`: removes the keys of a declared prefix, on the primary only. Never a whole database.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Context, Postcondition, Prepared, Settings, Snapshot};
use crate::{
    engines::redis::{Redis as Client, RedisUrl, Role},
    ports::Ports,
    types::secret::Secret,
};

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
        "[targets.actions.clear_cache.redis]\nurl = \"redis://127.0.0.1:6379/0\"\nprefix = \"cache:\"\nmax_keys = 1000000\n"
    }

    fn build(&self, _action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        if config.prefix.is_empty() {
            return Err(toml::de::Error::custom("prefix is empty: write what the cache's keys begin with; a whole database is never cleared"));
        }
        if !(1..=3_600).contains(&config.timeout_seconds) {
            return Err(toml::de::Error::custom("timeout_seconds is out of range: write 1 to 3600"));
        }
        let url = RedisUrl::parse(&config.url).map_err(toml::de::Error::custom)?;
        Ok(Arc::new(Clear { config, url }))
    }
}

struct Clear {
    config: Config,
    url: RedisUrl,
}

/// Looking takes this long at the most; counting a large key space is given up then.
const LOOK: Duration = Duration::from_secs(10);
/// Rest between batches of removals, so that the server keeps answering others.
const PACE: Duration = Duration::from_millis(1);

impl Clear {
    async fn connect(&self, until: Instant) -> Result<(Client, Role), String> {
        let mut client = Client::connect(&self.url, until).await.map_err(|e| format!("Redis cannot be reached: {e}"))?;
        let role = client.role(until).await.map_err(|e| format!("Redis does not tell its role: {e}"))?;
        Ok((client, role))
    }

    /// A connection to a server that takes writes.
    async fn primary(&self, until: Instant) -> Result<Client, String> {
        let (client, role) = self.connect(until).await?;
        match role {
            Role::Master => Ok(client),
            Role::Replica => Err("this Redis is a replica; keys are removed on the primary only".to_owned()),
            Role::Sentinel => Err("this is a Sentinel, it holds no keys".to_owned()),
        }
    }
}

#[async_trait]
impl Actuator for Clear {
    fn kind(&self) -> &'static str {
        Redis.name()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        self.url.host_and_port().map(|(host, port)| vec![("redis_host", host.to_owned()), ("redis_port", port.to_string())]).unwrap_or_default()
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        let until = Instant::now() + LOOK;
        let mut client = self.primary(until).await?;
        let most = self.config.max_keys;
        let keys = client.count_prefix(self.config.prefix.as_bytes(), most, until).await.map_err(|e| format!("the keys cannot be counted: {e}"))?;
        if keys > most {
            return Err(format!("more than max_keys = {most} keys begin with the prefix; that is no cache"));
        }
        let call = format!("on {}: SCAN and UNLINK keys that begin with {:?}, at most {most}", self.url.place(), self.config.prefix);
        Ok(Prepared { call, effect: Some(format!("removes {keys} keys for good")), ..Default::default() })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        let until = Instant::now() + Duration::from_secs(self.config.timeout_seconds);
        let mut client = self.primary(until).await.map_err(ActError::failed)?;
        match client.scan_unlink(self.config.prefix.as_bytes(), self.config.max_keys, PACE, until).await {
            Ok(done) if done.complete => Ok(Act::said(format!("{} keys were removed", done.removed))),
            Ok(done) => Err(ActError::failed(format!("max_keys was reached: {} keys were removed, others are left", done.removed))),
            Err(error) => Err(ActError::unknown(error.to_string())),
        }
    }

    /// The keys are not counted again: a cache that works fills itself at once.
    async fn verify(&self, _ports: &Ports, _left: &Snapshot) -> Postcondition {
        match self.connect(Instant::now() + LOOK).await {
            Ok((_, Role::Master)) => Postcondition::Holds("Redis answers and is still the primary".to_owned()),
            Ok((_, Role::Replica)) => Postcondition::Broken("Redis became a replica; its new primary may bring the removed keys back".to_owned()),
            Ok((_, Role::Sentinel)) => Postcondition::Broken("a Sentinel answers at this address now".to_owned()),
            Err(why) => Postcondition::NotYet(why),
        }
    }

    fn secrets(&self) -> Vec<Secret> {
        self.url.secrets().to_vec()
    }
}
