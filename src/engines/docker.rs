//! The Docker Engine API over its Unix socket: inspect and restart one container.

use std::{path::Path, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    query_parameters::{InspectContainerOptions, RestartContainerOptionsBuilder},
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

/// What matters of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its full id.
    pub id: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// When it was last started, as the Engine writes it.
    pub started_at: String,
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
        let id = found.id.unwrap_or_default();
        if id != name && found.name.as_deref().map(|n| n.trim_start_matches('/')) != Some(name) {
            return Err(DockerError::NoContainer);
        }
        let state = found.state.unwrap_or_default();
        Ok(Container { id, running: state.running.unwrap_or(false), paused: state.paused.unwrap_or(false), started_at: state.started_at.unwrap_or_default() })
    }

    /// Restarts a container; it gets `stop_seconds` to stop before it is killed.
    ///
    /// # Errors
    /// `Refused` is certain; `TimedOut` and `Broken` leave open whether it happened.
    pub async fn restart(&self, id: &str, stop_seconds: u32, deadline: Duration) -> Result<(), DockerError> {
        let options = RestartContainerOptionsBuilder::new().t(i32::try_from(stop_seconds).unwrap_or(i32::MAX)).build();
        within(deadline, self.0.restart_container(id, Some(options))).await?.map_err(explain)
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
