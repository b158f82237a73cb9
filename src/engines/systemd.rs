//! systemd's manager over D-Bus: look at, restart and stop one unit, and wait for the job's end.

use std::{collections::HashMap, os::fd::OwnedFd, path::PathBuf, str::FromStr, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};
use zbus::{
    Connection, MatchRule, MessageStream,
    connection::{
        Builder,
        socket::{ReadHalf, Socket, Split},
    },
    message::Type,
    zvariant::{DynamicType, ObjectPath, OwnedObjectPath, OwnedValue},
};

/// The system bus where systemd listens by default.
pub const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const ROOT: ObjectPath<'static> = ObjectPath::from_static_str_unchecked("/org/freedesktop/systemd1");
/// A unit's properties take some 10 KiB; a longer message is not systemd's.
const MESSAGE_BYTES: usize = 1 << 20;

/// Why systemd gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SystemdError {
    /// The bus is not there, does not answer, or does not let us in.
    #[error("the bus at {bus} cannot be reached")]
    Unreachable {
        /// The bus's address.
        bus: String,
    },
    /// The bus works, but no systemd is on it.
    #[error("no systemd answers on this bus")]
    Absent,
    /// No such unit.
    #[error("there is no unit with exactly this name")]
    NoUnit,
    /// The bus or systemd lets this user not do it.
    #[error("this user may not do that (access denied)")]
    Denied {
        /// The peer's text; untrusted.
        untrusted: String,
    },
    /// systemd said no.
    #[error("systemd refused the call")]
    Refused {
        /// The error's name and text; untrusted.
        untrusted: String,
    },
    /// The deadline passed; the job may still go on.
    #[error("systemd did not answer within {} s", deadline.as_secs())]
    TimedOut {
        /// The deadline.
        deadline: Duration,
    },
    /// The connection broke or the answer made no sense.
    #[error("the connection to systemd broke")]
    Broken,
}

impl SystemdError {
    /// Whether a call that ended so had no effect for certain.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::TimedOut { .. } | Self::Broken)
    }

    /// The peer's words, if it had some; untrusted.
    pub fn untrusted(&self) -> Option<&str> {
        match self {
            Self::Denied { untrusted } | Self::Refused { untrusted } => Some(untrusted),
            _ => None,
        }
    }
}

/// The address of a bus: a Unix socket by its path. The other transports of D-Bus start programs or leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusAddress(PathBuf);

impl FromStr for BusAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:path=") {
            Some(path) if path.starts_with('/') && !path.contains([',', ';', '%', '\0']) => Ok(Self(PathBuf::from(path))),
            _ => Err("not the address of a bus: write unix:path= and the absolute path of its socket"),
        }
    }
}

impl std::fmt::Display for BusAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unix:path={}", self.0.display())
    }
}

/// The exact name of a unit of a type that can be restarted.
///
/// systemd takes patterns where it takes names, and there are units that end the machine; neither is a name here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitName(String);

/// Types with an interface of their own that has a `Result`. Slices, scopes and devices cannot be restarted, targets stand for many units.
const TYPES: &[(&str, &str)] = &[
    ("service", "org.freedesktop.systemd1.Service"),
    ("socket", "org.freedesktop.systemd1.Socket"),
    ("timer", "org.freedesktop.systemd1.Timer"),
    ("path", "org.freedesktop.systemd1.Path"),
    ("mount", "org.freedesktop.systemd1.Mount"),
    ("automount", "org.freedesktop.systemd1.Automount"),
    ("swap", "org.freedesktop.systemd1.Swap"),
];

impl FromStr for UnitName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['*', '?', '[']) {
            return Err("a pattern, not a unit: write one exact name");
        }
        let known = |(stem, kind): (&str, &str)| !stem.is_empty() && TYPES.iter().any(|(name, _)| *name == kind);
        if !text.rsplit_once('.').is_some_and(known) {
            return Err("not a unit that can be restarted: a name ends in .service, .socket, .timer, .path, .mount, .automount or .swap");
        }
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b));
        if !first || !allowed || text.len() > 255 {
            return Err("not a unit name: up to 255 letters, digits, ':', '-', '_', '.', '\\' or '@', with a letter, digit or '_' first");
        }
        if text.contains("@.") {
            return Err("a template, not a unit: write the instance after the '@'");
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for UnitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl UnitName {
    fn interface(&self) -> &'static str {
        let kind = self.0.rsplit('.').next();
        TYPES.iter().find(|(name, _)| Some(*name) == kind).map_or(UNIT, |(_, interface)| interface)
    }

    fn is_service(&self) -> bool {
        self.0.ends_with(".service")
    }
}

/// A text of the peer as one of the words we know, so that nothing else comes out.
fn word(known: &[&'static str], text: &str) -> &'static str {
    known.iter().find(|word| **word == text).copied().unwrap_or("other")
}

const ACTIVE_STATES: &[&str] = &["active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"];
const LOAD_STATES: &[&str] = &["loaded", "not-found", "masked", "bad-setting", "error", "merged", "stub"];
const RESULTS: &[&str] = &[
    "success",
    "resources",
    "timeout",
    "exit-code",
    "signal",
    "core-dump",
    "watchdog",
    "start-limit-hit",
    "oom-kill",
    "protocol",
    "exec-condition",
    "trigger-limit-hit",
    "service-start-limit-hit",
    "unit-start-limit-hit",
    "mount-start-limit-hit",
];
const JOB_RESULTS: &[&str] =
    &["done", "canceled", "timeout", "failed", "dependency", "skipped", "invalid", "assert", "unsupported", "collected", "once", "frozen", "concurrency"];

/// What matters of a unit. Words are systemd's own or `other`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its own name; the one asked for may be an alias.
    pub id: UnitName,
    /// Such as `loaded`, `not-found`, `masked`.
    pub load: &'static str,
    /// Such as `active`, `inactive`, `failed`, `activating`.
    pub active: &'static str,
    /// Whether it died and systemd waits to start it again.
    pub auto_restart: bool,
    /// How its last run ended, such as `success`, `exit-code`, `start-limit-hit`.
    pub result: &'static str,
    /// How often systemd started it again by itself since a person did; 0 for what is no service.
    pub n_restarts: u32,
    /// The id of its present or last run, in hex; empty if it never ran.
    pub invocation_id: String,
    /// The main process; 0 for none.
    pub main_pid: u32,
    /// Whether a job is queued or runs for it.
    pub job_pending: bool,
    /// Whether its file forbids that it is started or stopped by hand.
    pub manual_refused: bool,
    /// Whether it is inactive once its start has ended.
    pub runs_once: bool,
    /// Whether its file changed since systemd read it.
    pub needs_daemon_reload: bool,
}

/// A connection to one systemd.
pub struct Systemd(Connection);

impl Systemd {
    /// Connects to the bus.
    ///
    /// # Errors
    /// `Unreachable` or `TimedOut`.
    pub async fn connect(bus: &BusAddress, deadline: Duration) -> Result<Self, SystemdError> {
        let unreachable = || SystemdError::Unreachable { bus: bus.to_string() };
        let connecting = async {
            let stream = UnixStream::connect(&bus.0).await.map_err(|_| unreachable())?;
            Builder::socket(Capped(stream)).build().await.map_err(|_| unreachable())
        };
        Ok(Self(within(deadline, connecting).await?))
    }

    /// Looks at a unit by its name; one that is not there has the load state `not-found`. systemd may read the unit's file for it.
    ///
    /// # Errors
    /// Any; nothing was changed.
    pub async fn look(&self, name: &UnitName, deadline: Duration) -> Result<Unit, SystemdError> {
        within(deadline, self.read(name)).await
    }

    /// Clears a unit's failure and its count of starts.
    ///
    /// # Errors
    /// See [`SystemdError::is_certain`].
    pub async fn reset_failed(&self, name: &UnitName, deadline: Duration) -> Result<(), SystemdError> {
        within(deadline, self.call(&ROOT, MANAGER, "ResetFailedUnit", &(&name.0,))).await
    }

    /// Listens for the ends of a unit's jobs. Comes before the call that makes the job, or its end may pass unheard.
    ///
    /// # Errors
    /// Any; nothing was changed.
    pub async fn listen(&self, unit: &Unit, deadline: Duration) -> Result<Jobs<'_>, SystemdError> {
        let listening = async {
            let rule = MatchRule::builder().msg_type(Type::Signal).sender(SERVICE)?.path(&ROOT)?.interface(MANAGER)?.member("JobRemoved")?;
            let removed = MessageStream::for_match_rule(rule.arg(2, unit.id.0.as_str())?.build(), &self.0, None).await?;
            Ok::<_, zbus::Error>(removed)
        };
        let removed = within(deadline, async { listening.await.map_err(explain) }).await?;
        let () = within(deadline, self.call(&ROOT, MANAGER, "Subscribe", &())).await?;
        Ok(Jobs { systemd: self, removed })
    }

    async fn read(&self, name: &UnitName) -> Result<Unit, SystemdError> {
        let path: OwnedObjectPath = self.call(&ROOT, MANAGER, "LoadUnit", &(&name.0,)).await?;
        let unit = Properties(self.call(&path, "org.freedesktop.DBus.Properties", "GetAll", &(UNIT,)).await?);
        let load = word(LOAD_STATES, &unit.get::<String>("LoadState")?);
        let (job, _): (u32, OwnedObjectPath) = unit.get("Job")?;
        let invocation: Vec<u8> = unit.get("InvocationID")?;
        let mut found = Unit {
            id: unit.get::<String>("Id")?.parse().map_err(|_| SystemdError::Broken)?,
            load,
            active: word(ACTIVE_STATES, &unit.get::<String>("ActiveState")?),
            auto_restart: unit.get::<String>("SubState")?.starts_with("auto-restart"),
            result: "success",
            n_restarts: 0,
            invocation_id: invocation.iter().take(16).map(|b| format!("{b:02x}")).collect(),
            main_pid: 0,
            job_pending: job != 0,
            manual_refused: unit.get("RefuseManualStart")? || unit.get("RefuseManualStop")?,
            runs_once: false,
            needs_daemon_reload: unit.get("NeedDaemonReload")?,
        };
        let interface = name.interface();
        found.result = word(RESULTS, &self.property::<String>(&path, interface, "Result").await?);
        if name.is_service() {
            found.n_restarts = self.property(&path, interface, "NRestarts").await?;
            found.main_pid = self.property(&path, interface, "MainPID").await?;
            let remains: bool = self.property(&path, interface, "RemainAfterExit").await?;
            found.runs_once = !remains && self.property::<String>(&path, interface, "Type").await? == "oneshot";
        }
        Ok(found)
    }

    async fn property<T: TryFrom<OwnedValue>>(&self, path: &ObjectPath<'_>, interface: &str, name: &str) -> Result<T, SystemdError> {
        let value: OwnedValue = self.call(path, "org.freedesktop.DBus.Properties", "Get", &(interface, name)).await?;
        T::try_from(value).map_err(|_| SystemdError::Broken)
    }

    async fn call<B, R>(&self, path: &ObjectPath<'_>, interface: &str, method: &str, body: &B) -> Result<R, SystemdError>
    where
        B: Serialize + DynamicType + Sync,
        R: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        let answer = self.0.call_method(Some(SERVICE), path, Some(interface), method, body).await.map_err(explain)?;
        answer.body().deserialize().map_err(|_| SystemdError::Broken)
    }
}

/// The ends of one unit's jobs, heard from here on.
pub struct Jobs<'s> {
    systemd: &'s Systemd,
    removed: MessageStream,
}

impl Jobs<'_> {
    /// Restarts the unit and waits for the job's end: `done`, or another word of systemd for why not.
    ///
    /// # Errors
    /// See [`SystemdError::is_certain`].
    pub async fn restart(self, name: &UnitName, deadline: Duration) -> Result<&'static str, SystemdError> {
        within(deadline, self.run("RestartUnit", name)).await
    }

    /// Stops the unit and waits likewise.
    ///
    /// # Errors
    /// See [`SystemdError::is_certain`].
    pub async fn stop(self, name: &UnitName, deadline: Duration) -> Result<&'static str, SystemdError> {
        within(deadline, self.run("StopUnit", name)).await
    }

    async fn run(mut self, method: &str, name: &UnitName) -> Result<&'static str, SystemdError> {
        let job: OwnedObjectPath = self.systemd.call(&ROOT, MANAGER, method, &(&name.0, "replace")).await?;
        while let Some(message) = self.removed.next().await {
            let body = message.map_err(|_| SystemdError::Broken)?.body();
            let (_, path, _, result) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>().map_err(|_| SystemdError::Broken)?;
            if path == *job {
                return Ok(word(JOB_RESULTS, result));
            }
        }
        Err(SystemdError::Broken)
    }
}

struct Properties(HashMap<String, OwnedValue>);

impl Properties {
    fn get<T: TryFrom<OwnedValue>>(&self, name: &str) -> Result<T, SystemdError> {
        let value = self.0.get(name).and_then(|value| value.try_clone().ok()).ok_or(SystemdError::Broken)?;
        T::try_from(value).map_err(|_| SystemdError::Broken)
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T, SystemdError>>) -> Result<T, SystemdError> {
    tokio::time::timeout(deadline, call).await.map_err(|_| SystemdError::TimedOut { deadline })?
}

fn explain(error: zbus::Error) -> SystemdError {
    let zbus::Error::MethodError(name, text, _) = error else { return SystemdError::Broken };
    let text = text.unwrap_or_default();
    match name.as_str() {
        "org.freedesktop.systemd1.NoSuchUnit" => SystemdError::NoUnit,
        "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.AuthFailed" | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => {
            SystemdError::Denied { untrusted: text }
        }
        "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => SystemdError::Absent,
        // The bus gave up on a call that systemd may have in hand.
        "org.freedesktop.DBus.Error.NoReply"
        | "org.freedesktop.DBus.Error.Timeout"
        | "org.freedesktop.DBus.Error.TimedOut"
        | "org.freedesktop.DBus.Error.Disconnected" => SystemdError::Broken,
        other => SystemdError::Refused { untrusted: format!("{other}: {text}") },
    }
}

/// A stream that takes no file descriptors, and no message that is longer than [`MESSAGE_BYTES`].
#[derive(Debug)]
struct Capped<S>(S);

impl Socket for Capped<UnixStream> {
    type ReadHalf = Capped<OwnedReadHalf>;
    type WriteHalf = OwnedWriteHalf;

    fn split(self) -> Split<Self::ReadHalf, Self::WriteHalf> {
        let (read, write) = Socket::split(self.0).take();
        Split::new(Capped(read), write)
    }
}

#[async_trait]
impl ReadHalf for Capped<OwnedReadHalf> {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> std::io::Result<(usize, Vec<OwnedFd>)> {
        // The buffer is as long as what is left of the message.
        if buffer.len() > MESSAGE_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let (read, _) = self.0.recvmsg(buffer).await?;
        Ok((read, Vec::new()))
    }
}
