//! `docker`: restarts a container through the Engine API and checks that it is a new start, and stays one.
//!
//! There is a way back only for a container that did not run before: it is stopped again.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Settings, Snapshot, snapshot_value};
use crate::{
    engines::docker::{Container, DockerError, Engine, Health},
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

    /// How long a call that stops the container may take.
    fn deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.0.stop_seconds + self.0.timeout_seconds))
    }

    fn post(&self, verb: &str) -> String {
        format!("on {}: POST /containers/{}/{verb}?t={}", self.0.socket.display(), self.0.container, self.0.stop_seconds)
    }
}

/// What tells one start of one container from another.
fn snapshot(container: &Container) -> Snapshot {
    let pairs = [("id", container.id.as_str()), ("running", if container.running { "true" } else { "false" }), ("started_at", &container.started_at)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), snapshot_value(value))).collect()
}

/// Whether what the restart left is still so. Once the start is another, it stays another: the process died.
fn judge(now: &Container, left: &Snapshot) -> Postcondition {
    let seen = snapshot(now);
    let differs = |name: &str| seen.get(name) != left.get(name);
    if differs("id") {
        return Postcondition::Broken("another container has its name now".to_owned());
    }
    if now.restarting || differs("started_at") {
        let (code, count) = (now.exit_code, now.restart_count);
        return Postcondition::Broken(format!("the container died again with exit code {code}; its restart policy has started it {count} times since"));
    }
    if !now.running {
        return Postcondition::Broken(format!("the container does not run any more; exit code {}", now.exit_code));
    }
    match now.health {
        _ if now.paused => Postcondition::NotYet("the container was paused meanwhile".to_owned()),
        None => Postcondition::Holds("the container runs since the restart".to_owned()),
        Some(Health::Healthy) => Postcondition::Holds("the container runs since the restart and calls itself healthy".to_owned()),
        Some(Health::Starting) => Postcondition::NotYet("the container runs; its health check is still in its start period".to_owned()),
        Some(Health::Unhealthy) => Postcondition::NotYet("the container runs and calls itself unhealthy; it may become healthy".to_owned()),
    }
}

/// Whether a restart whose end was not seen took place. An old start proves nothing: the Engine may still be at it.
fn told(now: &Container, prior: &Snapshot) -> Probe {
    let seen = snapshot(now);
    let same = |name: &str| seen.get(name) == prior.get(name);
    let cannot_tell = |why: &str| Probe::CannotTell(why.to_owned());
    if !prior.contains_key("started_at") {
        return cannot_tell("how the container was before was not saved");
    }
    if !same("id") {
        return cannot_tell("another container has its name now");
    }
    if same("started_at") {
        return cannot_tell("the container's start is as before; the Engine may still be at it");
    }
    if !now.is_up() {
        return cannot_tell("the container was started since, but it does not run");
    }
    // A start by a person or by us sets the count back to 0.
    if now.restart_count > 0 {
        return cannot_tell("the container was started since by its restart policy, whatever else happened");
    }
    Probe::Happened(Act { left: seen, ..Act::said(format!("the container was started anew at {}", now.started_at)) })
}

/// What a failed call of the Engine means.
fn call_failed(verb: &str, error: DockerError) -> ActError {
    match error {
        DockerError::Refused { status, untrusted } => ActError::Failed(Act {
            message: format!("the Engine refused the {verb} with status {status}"),
            untrusted_output: Some(untrusted),
            ..Default::default()
        }),
        DockerError::NoContainer => ActError::failed(error.to_string()),
        DockerError::TimedOut { .. } | DockerError::Unreachable { .. } | DockerError::Broken => ActError::unknown(error.to_string()),
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
        let state = match (container.restarting, container.running) {
            (true, _) => "waits for its restart policy",
            (false, true) => "is running",
            (false, false) => "is not running",
        };
        Ok(Prepared {
            call: self.post("restart"),
            effect: Some(format!("restarts a container that {state}")),
            prior: snapshot(&container),
            // What ran before runs again; only a container that stood still can be put back.
            undo: (!container.running).then(|| self.post("stop")),
            ..Default::default()
        })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        let (engine, before) = self.inspect().await.map_err(|e| ActError::failed(e.to_string()))?;
        engine.restart(&before.id, self.0.stop_seconds, self.deadline()).await.map_err(|e| call_failed("restart", e))?;
        let after = engine.inspect(&before.id, LOOK).await.map_err(|e| ActError::unknown(e.to_string()))?;
        if after.started_at == before.started_at {
            return Err(ActError::failed("the Engine accepted the restart, but the container's start time is the same"));
        }
        Ok(Act { left: snapshot(&after), ..Act::said(format!("the container was started anew at {}", after.started_at)) })
    }

    async fn verify(&self, _ports: &Ports, left: &Snapshot) -> Postcondition {
        match self.inspect().await {
            Ok((_, now)) => judge(&now, left),
            Err(error @ DockerError::NoContainer) => Postcondition::Broken(error.to_string()),
            Err(error) => Postcondition::NotYet(error.to_string()),
        }
    }

    async fn probe(&self, _ports: &Ports, prior: &Snapshot) -> Probe {
        match self.inspect().await {
            Ok((_, now)) => told(&now, prior),
            Err(error) => Probe::CannotTell(error.to_string()),
        }
    }

    async fn observe(&self, _ports: &Ports) -> Result<Snapshot, String> {
        self.inspect().await.map(|(_, now)| snapshot(&now)).map_err(|e| e.to_string())
    }

    async fn undo(&self, _ports: &Ports, prior: &Snapshot, _context: &Context) -> Result<Act, ActError> {
        if prior.get("running").map(String::as_str) != Some("false") {
            return Err(ActError::failed("the container ran before; there is nothing to put back"));
        }
        let (engine, before) = self.inspect().await.map_err(|e| ActError::failed(e.to_string()))?;
        if prior.get("id") != snapshot(&before).get("id") {
            return Err(ActError::failed("another container has its name now"));
        }
        engine.stop(&before.id, self.0.stop_seconds, self.deadline()).await.map_err(|e| call_failed("stop", e))?;
        let after = engine.inspect(&before.id, LOOK).await.map_err(|e| ActError::unknown(e.to_string()))?;
        if after.running {
            return Err(ActError::Failed(Act { left: snapshot(&after), ..Act::said("the Engine accepted the stop, but the container runs") }));
        }
        Ok(Act { left: snapshot(&after), ..Act::said("the container is stopped again") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Container {
        Container { id: "4f".to_owned(), running: true, started_at: "t1".to_owned(), ..Default::default() }
    }

    #[test]
    fn a_restart_holds_while_the_same_start_is_up_and_not_ill() {
        let left = snapshot(&up());
        for (now, wants) in [
            (up(), "holds: the container runs"),
            (Container { health: Some(Health::Healthy), ..up() }, "holds: the container runs since the restart and calls itself healthy"),
            (Container { health: Some(Health::Starting), ..up() }, "not yet: the container runs; its health check is still"),
            (Container { health: Some(Health::Unhealthy), ..up() }, "not yet: the container runs and calls itself unhealthy"),
            (Container { paused: true, ..up() }, "not yet: the container was paused"),
            (Container { running: false, exit_code: 137, ..up() }, "broken: the container does not run any more; exit code 137"),
            (Container { restarting: true, exit_code: 3, restart_count: 2, ..up() }, "broken: the container died again with exit code 3"),
            (Container { started_at: "t2".to_owned(), restart_count: 1, health: Some(Health::Healthy), ..up() }, "broken: the container died again"),
            (Container { id: "5a".to_owned(), ..up() }, "broken: another container"),
        ] {
            let said = match judge(&now, &left) {
                Postcondition::Holds(text) => format!("holds: {text}"),
                Postcondition::NotYet(text) => format!("not yet: {text}"),
                Postcondition::Broken(text) => format!("broken: {text}"),
            };
            assert!(said.starts_with(wants), "{now:?}: {said}");
        }
    }

    #[test]
    fn only_a_new_start_that_nobody_else_made_proves_a_restart() {
        let prior = snapshot(&up());
        let anew = Container { started_at: "t2".to_owned(), ..up() };
        assert!(matches!(told(&anew, &prior), Probe::Happened(act) if act.left == snapshot(&anew)));
        for (now, prior, wants) in [
            (up(), &prior, "may still be at it"),
            (Container { running: false, ..anew.clone() }, &prior, "does not run"),
            (Container { restarting: true, ..anew.clone() }, &prior, "does not run"),
            (Container { restart_count: 1, ..anew.clone() }, &prior, "restart policy"),
            (Container { id: "5a".to_owned(), ..anew.clone() }, &prior, "another container"),
            (anew.clone(), &Snapshot::new(), "not saved"),
        ] {
            let said = told(&now, prior);
            assert!(matches!(&said, Probe::CannotTell(why) if why.contains(wants)), "{now:?}: {said:?}");
        }
    }

    #[test]
    fn wrong_tables_say_what_to_write() {
        for (toml, wants) in [
            (r#"{ }"#, "container"),
            (r#"{ container = "sh*p" }"#, "write letters"),
            (r#"{ container = "-shop" }"#, "write letters"),
            (r#"{ container = "" }"#, "write letters"),
            (r#"{ container = "shop", stop_seconds = 601 }"#, "stop_seconds is 0 to 600"),
            (r#"{ container = "shop", timeout_seconds = 0 }"#, "timeout_seconds 1 to 600"),
        ] {
            let built = Docker.build(Action::RestartService, Settings::parse(toml).expect("valid TOML"));
            let error = built.err().map(|e| e.message().to_owned()).unwrap_or_default();
            assert!(error.contains(wants), "{toml}: {error}");
        }
    }

    #[tokio::test]
    async fn without_an_engine_nothing_is_claimed() {
        let docker = Docker.build(Action::RestartService, Settings::parse(r#"{ container = "shop", socket = "/nonexistent.sock" }"#).expect("TOML"));
        let (docker, ports, left) = (docker.expect("valid"), Ports::real(), snapshot(&up()));
        assert!(docker.prepare(&ports).await.is_err_and(|e| e.contains("cannot be reached")));
        assert!(matches!(docker.verify(&ports, &left).await, Postcondition::NotYet(_)));
        assert!(matches!(docker.probe(&ports, &left).await, Probe::CannotTell(_)));
        assert!(docker.observe(&ports).await.is_err());
    }
}
