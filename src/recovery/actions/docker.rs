//! `docker`: restarts a container through the Engine API and checks that it is a new start.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Context, Prepared, Settings};
use crate::{
    engines::docker::{Container, DockerError, Engine},
    ports::Ports,
};

/// The kind.
pub(super) struct Docker;

/// `[targets.actions.restart_service.docker]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Full name (or full id) of the container; no prefixes, no patterns.
    container: String,
    /// The Engine's socket. Default `/var/run/docker.sock`.
    #[serde(default = "default_socket")]
    socket: PathBuf,
    /// Seconds the container gets to stop before it is killed. Default 10; 0 to 600.
    #[serde(default = "default_stop")]
    stop_seconds: u32,
    /// Seconds on top of that until the call is given up and the outcome is unknown. Default 30; 1 to 600.
    #[serde(default = "default_timeout")]
    timeout_seconds: u32,
}

fn default_socket() -> PathBuf {
    PathBuf::from("/var/run/docker.sock")
}

fn default_stop() -> u32 {
    10
}

fn default_timeout() -> u32 {
    30
}

impl ActuatorKind for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn summary(&self) -> &'static str {
        "restarts one container through the Docker Engine API"
    }

    fn supports(&self) -> &'static [Action] {
        &[Action::RestartService]
    }

    fn example(&self) -> &'static str {
        "[targets.actions.restart_service.docker]\ncontainer = \"shop\"\nsocket = \"/var/run/docker.sock\"\nstop_seconds = 10\n"
    }

    fn build(&self, _action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        let mut name = config.container.bytes();
        let valid = name.next().is_some_and(|b| b.is_ascii_alphanumeric()) && name.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if !valid {
            return Err(toml::de::Error::custom("container is not a container name: write letters, digits, '_', '.' or '-'"));
        }
        if config.stop_seconds > 600 || !(1..=600).contains(&config.timeout_seconds) {
            return Err(toml::de::Error::custom("stop_seconds is 0 to 600, timeout_seconds 1 to 600"));
        }
        Ok(Arc::new(Restart(config)))
    }
}

struct Restart(Config);

/// Looking takes this long at the most.
const LOOK: Duration = Duration::from_secs(5);

impl Restart {
    async fn inspect(&self) -> Result<(Engine, Container), DockerError> {
        let engine = Engine::connect(&self.0.socket, LOOK).await?;
        let container = engine.inspect(&self.0.container, LOOK).await?;
        Ok((engine, container))
    }
}

#[async_trait]
impl Actuator for Restart {
    fn kind(&self) -> &'static str {
        Docker.name()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        vec![("container", self.0.container.clone())]
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        let (_, container) = self.inspect().await.map_err(|e| e.to_string())?;
        if container.paused {
            return Err("the container is paused; a person paused it and must unpause it".to_owned());
        }
        let call = format!("on {}: POST /containers/{}/restart?t={}", self.0.socket.display(), self.0.container, self.0.stop_seconds);
        let running = if container.running { "running" } else { "not running" };
        Ok(Prepared { call, effect: Some(format!("restarts a container that is {running}")), ..Default::default() })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        let (engine, before) = self.inspect().await.map_err(|e| ActError::failed(e.to_string()))?;
        let deadline = Duration::from_secs(u64::from(self.0.stop_seconds + self.0.timeout_seconds));
        match engine.restart(&before.id, self.0.stop_seconds, deadline).await {
            Ok(()) => {}
            Err(error @ DockerError::TimedOut { .. }) => return Err(ActError::unknown(error.to_string())),
            Err(DockerError::Refused { status, untrusted }) => {
                return Err(ActError::Failed(Act {
                    message: format!("the Engine refused the restart with status {status}"),
                    untrusted_output: Some(untrusted),
                    ..Default::default()
                }));
            }
            Err(error) => return Err(ActError::unknown(error.to_string())),
        }
        let after = engine.inspect(&before.id, LOOK).await.map_err(|e| ActError::unknown(e.to_string()))?;
        if after.started_at == before.started_at {
            return Err(ActError::failed("the Engine accepted the restart, but the container's start time is the same"));
        }
        Ok(Act::said(format!("the container was started anew at {}", after.started_at)))
    }
}
