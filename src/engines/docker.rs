//! The Docker Engine API over its Unix socket: inspect, restart and stop one container.

use std::{path::Path, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::{ContainerInspectResponse, HealthStatusEnum},
    query_parameters::{InspectContainerOptions, RestartContainerOptionsBuilder, StopContainerOptionsBuilder},
};

/// Why the Engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    /// The socket is not there or does not answer.
    #[error("the Docker Engine at {socket} cannot be reached")]
    Unreachable {
        /// The socket's path.
        socket: String,
    },
    /// No such container, or only a prefix of an id matched.
    #[error("there is no container with exactly this name")]
    NoContainer,
    /// The Engine said no.
    #[error("the Docker Engine answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The Engine's text; untrusted.
        untrusted: String,
    },
    /// The deadline passed; the call may still go on in the Engine.
    #[error("the Docker Engine did not answer within {} s", deadline.as_secs())]
    TimedOut {
        /// The deadline.
        deadline: Duration,
    },
    /// The connection broke or the answer made no sense.
    #[error("the connection to the Docker Engine broke")]
    Broken,
}

/// What a container's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// In its start period, or not yet checked.
    Starting,
    /// The last check passed.
    Healthy,
    /// As many checks in a row failed as the container allows.
    Unhealthy,
}

/// What matters of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Its full id.
    pub id: String,
    /// Whether it runs. Also true while it waits to be restarted by its policy, see `restarting`.
    pub running: bool,
    /// Whether it has died and its restart policy is about to start it again.
    pub restarting: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// When it was last started, as the Engine writes it.
    pub started_at: String,
    /// What its health check says; none when it has no health check.
    pub health: Option<Health>,
    /// How its last run ended; 0 before the first end.
    pub exit_code: i64,
    /// How often its restart policy started it since somebody last did.
    pub restart_count: i64,
}

impl Container {
    /// Whether its process is there at this moment.
    pub fn is_up(&self) -> bool {
        self.running && !self.restarting
    }
}

impl From<ContainerInspectResponse> for Container {
    fn from(found: ContainerInspectResponse) -> Self {
        let state = found.state.unwrap_or_default();
        let health = state.health.and_then(|health| health.status).and_then(|status| match status {
            HealthStatusEnum::STARTING => Some(Health::Starting),
            HealthStatusEnum::HEALTHY => Some(Health::Healthy),
            HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
            HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => None,
        });
        Self {
            id: found.id.unwrap_or_default(),
            running: state.running.unwrap_or(false),
            restarting: state.restarting.unwrap_or(false),
            paused: state.paused.unwrap_or(false),
            started_at: state.started_at.unwrap_or_default(),
            health,
            exit_code: state.exit_code.unwrap_or(0),
            restart_count: found.restart_count.unwrap_or(0),
        }
    }
}

/// The crate's own time-out; longer than any deadline of ours, which are at most 1,200 s.
const CRATE_TIMEOUT_SECONDS: u64 = 1_800;

/// A connection to one Engine.
pub struct Engine(Docker);

impl Engine {
    /// Connects and agrees on an API version.
    ///
    /// # Errors
    /// `Unreachable` or `TimedOut`.
    pub async fn connect(socket: &Path, deadline: Duration) -> Result<Self, DockerError> {
        let unreachable = || DockerError::Unreachable { socket: socket.display().to_string() };
        let docker = Docker::connect_with_unix(&socket.to_string_lossy(), CRATE_TIMEOUT_SECONDS, API_DEFAULT_VERSION).map_err(|_| unreachable())?;
        let docker = within(deadline, docker.negotiate_version()).await?.map_err(|_| unreachable())?;
        Ok(Self(docker))
    }

    /// Looks at a container by its full name or id.
    ///
    /// # Errors
    /// `NoContainer` also when the text is only the beginning of an id.
    pub async fn inspect(&self, name: &str, deadline: Duration) -> Result<Container, DockerError> {
        let found = within(deadline, self.0.inspect_container(name, None::<InspectContainerOptions>)).await?.map_err(explain)?;
        if found.id.as_deref() != Some(name) && found.name.as_deref().map(|n| n.trim_start_matches('/')) != Some(name) {
            return Err(DockerError::NoContainer);
        }
        Ok(found.into())
    }

    /// Restarts a container; it gets `stop_seconds` to stop before it is killed.
    ///
    /// # Errors
    /// `Refused` is certain; `TimedOut` and `Broken` leave open whether it happened.
    pub async fn restart(&self, id: &str, stop_seconds: u32, deadline: Duration) -> Result<(), DockerError> {
        let options = RestartContainerOptionsBuilder::new().t(i32::try_from(stop_seconds).unwrap_or(i32::MAX)).build();
        within(deadline, self.0.restart_container(id, Some(options))).await?.map_err(explain)
    }

    /// Stops a container; it gets `stop_seconds` before it is killed. One that is stopped already is no error.
    ///
    /// # Errors
    /// As [`Engine::restart`].
    pub async fn stop(&self, id: &str, stop_seconds: u32, deadline: Duration) -> Result<(), DockerError> {
        let options = StopContainerOptionsBuilder::new().t(i32::try_from(stop_seconds).unwrap_or(i32::MAX)).build();
        within(deadline, self.0.stop_container(id, Some(options))).await?.map_err(explain)
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = T>) -> Result<T, DockerError> {
    tokio::time::timeout(deadline, call).await.map_err(|_| DockerError::TimedOut { deadline })
}

fn explain(error: Error) -> DockerError {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => DockerError::NoContainer,
        Error::DockerResponseServerError { status_code, message } => DockerError::Refused { status: status_code, untrusted: message },
        _ => DockerError::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_as_the_engine_writes_it() {
        let read = |json: &str| Container::from(serde_json::from_str::<ContainerInspectResponse>(json).expect("as in the API"));
        assert_eq!(read("{}"), Container::default());
        let found = read(
            r#"{"Id":"4f","Name":"/shop","RestartCount":3,"State":{"Status":"restarting","Running":true,"Paused":false,"Restarting":true,
                "ExitCode":137,"StartedAt":"2026-11-23T03:00:00.1Z","Health":{"Status":"unhealthy","FailingStreak":3,"Log":[]}}}"#,
        );
        let started_at = "2026-11-23T03:00:00.1Z".to_owned();
        let (running, restarting, paused, health) = (true, true, false, Some(Health::Unhealthy));
        assert_eq!(found, Container { id: "4f".to_owned(), running, restarting, paused, started_at, health, exit_code: 137, restart_count: 3 });
        assert!(!found.is_up());
        for (status, health) in [("starting", Some(Health::Starting)), ("healthy", Some(Health::Healthy)), ("none", None)] {
            let up = read(&format!(r#"{{"State":{{"Running":true,"Health":{{"Status":"{status}"}}}}}}"#));
            assert_eq!((up.health, up.is_up()), (health, true), "{status}");
        }
    }
}
