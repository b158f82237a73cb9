//! `systemd`: restarts one unit over D-Bus, waits for its job's end, and knows its new run from the old one by the invocation id.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Settings, Snapshot, snapshot_value};
use crate::{
    engines::systemd::{BusAddress, SYSTEM_BUS, Systemd as Manager, SystemdError, Unit, UnitName},
    ports::Ports,
};

/// The kind.
pub(super) struct Systemd;

/// `[targets.actions.restart_service.systemd]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Exact name of the unit, with its type; no patterns.
    unit: String,
    /// Address of the bus. Default: the system's.
    #[serde(default = "default_bus")]
    bus: String,
    /// Seconds until a restart is given up and its outcome is unknown. Default 90, as long as systemd's own; 1 to 3600.
    #[serde(default = "default_timeout")]
    timeout_seconds: u64,
}

fn default_bus() -> String {
    SYSTEM_BUS.to_owned()
}

fn default_timeout() -> u64 {
    90
}

impl ActuatorKind for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn summary(&self) -> &'static str {
        "restarts one systemd unit over D-Bus"
    }

    fn supports(&self) -> &'static [Action] {
        &[Action::RestartService]
    }

    fn example(&self) -> &'static str {
        "[targets.actions.restart_service.systemd]\nunit = \"shop.service\"\nbus = \"unix:path=/run/dbus/system_bus_socket\"\ntimeout_seconds = 90\n"
    }

    fn build(&self, _action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        let unit = config.unit.parse().map_err(|why| toml::de::Error::custom(format!("unit is {why}")))?;
        let bus = config.bus.parse().map_err(|why| toml::de::Error::custom(format!("bus is {why}")))?;
        if !(1..=3_600).contains(&config.timeout_seconds) {
            return Err(toml::de::Error::custom("timeout_seconds is 1 to 3600"));
        }
        Ok(Arc::new(Restart { unit, bus, deadline: Duration::from_secs(config.timeout_seconds) }))
    }
}

struct Restart {
    unit: UnitName,
    bus: BusAddress,
    deadline: Duration,
}

/// Everything but the restart itself takes this long at the most.
const LOOK: Duration = Duration::from_secs(5);

impl Restart {
    async fn look(&self) -> Result<(Manager, Unit), SystemdError> {
        let manager = Manager::connect(&self.bus, LOOK).await?;
        let unit = manager.look(&self.unit, LOOK).await?;
        Ok((manager, unit))
    }

    /// How the unit is after its job was done.
    async fn after(&self, manager: &Manager) -> Result<Unit, ActError> {
        manager.look(&self.unit, LOOK).await.map_err(|error| unseen(&error))
    }
}

/// Whether the unit's count of starts may stand in the way. systemd says `start-limit-hit` only where nothing failed before; a service that
/// died until it hit its limit says how it died, such as `exit-code`.
fn may_be_at_its_start_limit(unit: &Unit) -> bool {
    unit.active == "failed"
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.active, "active" | "reloading" | "refreshing")
}

fn snapshot(unit: &Unit) -> Snapshot {
    let entry = |name: &str, value: &str| (name.to_owned(), snapshot_value(value));
    [entry("active_state", unit.active), entry("invocation_id", &unit.invocation_id), entry("n_restarts", &unit.n_restarts.to_string())].into()
}

/// Whether this is still the run that a snapshot shows.
fn is_same_run(unit: &Unit, seen: &Snapshot) -> bool {
    let now = snapshot(unit);
    ["invocation_id", "n_restarts"].iter().all(|key| now.get(*key) == seen.get(*key))
}

fn spoken(error: &SystemdError) -> Act {
    Act { message: error.to_string(), untrusted_output: error.untrusted().map(str::to_owned), ..Default::default() }
}

/// The end of a call before which, or by which, nothing was done.
fn nothing_done(error: &SystemdError) -> ActError {
    ActError::Failed(spoken(error))
}

fn unseen(error: &SystemdError) -> ActError {
    ActError::Unknown(spoken(error))
}

/// The end of a call that went out.
fn ended(error: &SystemdError) -> ActError {
    if error.is_certain() { nothing_done(error) } else { unseen(error) }
}

/// Why a unit cannot be restarted now.
fn obstacle(unit: &Unit) -> Option<String> {
    let why = match unit.load {
        "loaded" => None,
        "not-found" => Some("there is no unit of this name".to_owned()),
        "masked" => Some("the unit is masked; a person masked it and must unmask it".to_owned()),
        other => Some(format!("systemd could not load the unit's file (load state {other})")),
    };
    why.or_else(|| unit.manual_refused.then(|| "the unit's file forbids to start or stop it by hand (RefuseManualStart, RefuseManualStop)".to_owned()))
        .or_else(|| unit.runs_once.then(|| "the unit is inactive once it ran (Type=oneshot); whether a restart helped could not be seen".to_owned()))
        .or_else(|| unit.job_pending.then(|| "systemd has a job for the unit in hand; another one would replace it".to_owned()))
}

fn effect(unit: &Unit) -> String {
    let mut text = format!("restarts a unit that is {}", unit.active);
    if may_be_at_its_start_limit(unit) {
        text.push_str(&format!(" ({}); that and its count of starts are reset once before (ResetFailedUnit)", unit.result));
    }
    if unit.needs_daemon_reload {
        text.push_str("; its file changed since systemd read it, the restart uses the old one");
    }
    text
}

#[async_trait]
impl Actuator for Restart {
    fn kind(&self) -> &'static str {
        Systemd.name()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        vec![("unit", self.unit.to_string())]
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        let (_, unit) = self.look().await.map_err(|e| e.to_string())?;
        if let Some(why) = obstacle(&unit) {
            return Err(why);
        }
        // Without the reset: a unit that fails between plan and act would be another call, although it is the same restart.
        let call = format!("on {}: RestartUnit(\"{}\", \"replace\")", self.bus, self.unit);
        let undo = (unit.active == "inactive").then(|| format!("on {}: StopUnit(\"{}\", \"replace\")", self.bus, self.unit));
        Ok(Prepared { call, effect: Some(effect(&unit)), prior: snapshot(&unit), undo, ..Default::default() })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        let (manager, before) = self.look().await.map_err(|e| nothing_done(&e))?;
        if let Some(why) = obstacle(&before) {
            return Err(ActError::failed(why));
        }
        let jobs = manager.listen(&before, LOOK).await.map_err(|e| nothing_done(&e))?;
        let reset = may_be_at_its_start_limit(&before);
        if reset {
            manager.reset_failed(&self.unit, LOOK).await.map_err(|e| ended(&e))?;
        }
        let result = jobs.restart(&self.unit, self.deadline).await.map_err(|e| ended(&e))?;
        let after = self.after(&manager).await?;
        let left = snapshot(&after);
        let failed = |message: String| Err(ActError::Failed(Act { message, left: left.clone(), ..Default::default() }));
        if result != "done" {
            return failed(format!("the restart job ended as {result}; the unit is {} ({})", after.active, after.result));
        }
        if after.invocation_id == before.invocation_id {
            return failed("the restart job is done, but the unit's run (InvocationID) is the same".to_owned());
        }
        if !is_up(&after) {
            return failed(format!("the unit was started anew and is {} already ({})", after.active, after.result));
        }
        let first = if reset { "its failure and count of starts were reset once, and " } else { "" };
        let process = if after.main_pid == 0 { String::new() } else { format!(", main process {}", after.main_pid) };
        let message = format!("{first}the unit was started anew: invocation {}{process}", after.invocation_id);
        Ok(Act { message, left, ..Default::default() })
    }

    async fn verify(&self, _ports: &Ports, left: &Snapshot) -> Postcondition {
        let unit = match self.look().await {
            Ok((_, unit)) => unit,
            Err(error) => return Postcondition::NotYet(error.to_string()),
        };
        if unit.auto_restart || !is_same_run(&unit, left) {
            return Postcondition::Broken(format!("the unit died after the restart and was or will be started again ({} restarts)", unit.n_restarts));
        }
        match unit.active {
            "active" => Postcondition::Holds("the unit is active in the run that the restart began".to_owned()),
            "failed" | "inactive" => Postcondition::Broken(format!("the unit is {} ({})", unit.active, unit.result)),
            other => Postcondition::NotYet(format!("the unit is {other}")),
        }
    }

    async fn probe(&self, _ports: &Ports, prior: &Snapshot) -> Probe {
        let unit = match self.look().await {
            Ok((_, unit)) => unit,
            Err(error) => return Probe::CannotTell(error.to_string()),
        };
        let now = snapshot(&unit);
        let restarts = |seen: &Snapshot| seen.get("n_restarts").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        if unit.job_pending {
            return Probe::CannotTell(format!("the unit is {} and systemd has a job for it in hand", unit.active));
        }
        if now == *prior {
            return Probe::DidNot("no job is pending, and the unit is in the same run and state as before".to_owned());
        }
        let new_run = now.get("invocation_id") != prior.get("invocation_id");
        if new_run && restarts(&now) > restarts(prior) {
            return Probe::CannotTell("the unit was started anew, but systemd may have done that by itself".to_owned());
        }
        if new_run && is_up(&unit) {
            let message = format!("the unit was started anew: invocation {}", unit.invocation_id);
            return Probe::Happened(Act { message, left: now, ..Default::default() });
        }
        Probe::CannotTell(format!("the unit is {} ({})", unit.active, unit.result))
    }

    async fn observe(&self, _ports: &Ports) -> Result<Snapshot, String> {
        self.look().await.map(|(_, unit)| snapshot(&unit)).map_err(|e| e.to_string())
    }

    async fn undo(&self, _ports: &Ports, _prior: &Snapshot, _context: &Context) -> Result<Act, ActError> {
        let (manager, unit) = self.look().await.map_err(|e| nothing_done(&e))?;
        let jobs = manager.listen(&unit, LOOK).await.map_err(|e| nothing_done(&e))?;
        let result = jobs.stop(&self.unit, self.deadline).await.map_err(|e| ended(&e))?;
        let after = self.after(&manager).await?;
        let left = snapshot(&after);
        if result != "done" || after.active != "inactive" {
            let message = format!("the stop job ended as {result}; the unit is {} ({})", after.active, after.result);
            return Err(ActError::Failed(Act { message, left, ..Default::default() }));
        }
        Ok(Act { message: "the unit was stopped and is inactive, as before".to_owned(), left, ..Default::default() })
    }
}
