//! `command`: runs a configured argument vector. No shell; nothing of the caller gets into it.
//!
//! What is configured is trusted and may hold anything; the one value that is filled in is a number of replicas. Which operation a command runs for, it
//! learns from its environment: `OPSMEDIC_OPERATION` (the same for a repetition), `OPSMEDIC_TARGET` and `OPSMEDIC_FENCE` (rises with every holder of the
//! target's lease). Commands that only look are not part of an operation and get none of these.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{
    Act, ActError, Action, Actuator, ActuatorKind, Context, Postcondition, Prepared, Probe, Settings, Snapshot,
    shared::{SETTLE, changed, restored},
    state_value,
};
use crate::{
    ports::{
        Ports,
        exec::{ExecError, Finished, Invocation},
    },
    types::secret::Secret,
};

/// Where the new number of replicas goes.
const REPLICAS: &str = "{replicas}";
/// Its name in snapshots and prepared values.
const REPLICAS_KEY: &str = "replicas";
/// Scaling doubles up to here (specification: at most ten instances).
const MOST_REPLICAS: u32 = 10;
/// What is kept of each output stream.
const OUTPUT_BYTES: usize = 4_096;
/// The largest state; it is compared as a whole.
const STATE_BYTES: usize = 64 * 1024;
/// A command that only looks gets this long; shorter than a pre-check may take.
const READ_TIMEOUT: Duration = Duration::from_secs(6);
/// How an operation is told to a command.
const OPERATION_ENV: &str = "OPSMEDIC_OPERATION";
const TARGET_ENV: &str = "OPSMEDIC_TARGET";
const FENCE_ENV: &str = "OPSMEDIC_FENCE";

/// The kind.
pub(super) struct Command;

/// `[targets.actions.<action>.command]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Program and arguments; `{replicas}` stands for the new number in scale_up.
    argv: Vec<String>,
    /// Variables on top of the few that are inherited.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Seconds until it is ended and the outcome is unknown. Default 120; 1 to 3600.
    #[serde(default = "default_timeout")]
    timeout_seconds: u64,
    /// scale_up only: prints the present number of replicas, changes nothing. It is that action's state, and its undo sets the number of before.
    #[serde(default)]
    replicas: Option<Vec<String>>,
    /// Prints what the action changes and nothing that moves by itself; changes nothing.
    #[serde(default)]
    state: Option<Vec<String>>,
    /// Brings back the state of before.
    #[serde(default)]
    undo: Option<Vec<String>>,
    /// Exits with 0 once the action has had its effect; changes nothing.
    #[serde(default)]
    verify: Option<Vec<String>>,
}

fn default_timeout() -> u64 {
    120
}

impl ActuatorKind for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn summary(&self) -> &'static str {
        "runs an argument vector on this machine, without a shell; exit code 0 is needed"
    }

    fn supports(&self) -> &'static [Action] {
        &[Action::RestartService, Action::ScaleUp, Action::Failover, Action::Rollback]
    }

    fn example(&self) -> &'static str {
        "[targets.actions.restart_service.command]\nargv = [\"/usr/bin/systemctl\", \"restart\", \"shop.service\"]\ntimeout_seconds = 120\n"
    }

    fn build(&self, action: Action, settings: Settings<'_>) -> Result<Arc<dyn Actuator>, toml::de::Error> {
        let config = Config::deserialize(settings)?;
        check(action, &config).map_err(toml::de::Error::custom)?;
        Ok(Arc::new(Runner { action, config }))
    }
}

fn check(action: Action, config: &Config) -> Result<(), String> {
    let looks = [&config.replicas, &config.state, &config.undo, &config.verify];
    let vectors = || std::iter::once(&config.argv).chain(looks.into_iter().flatten());
    let scale = action == Action::ScaleUp;
    if vectors().any(|argv| argv.first().is_none_or(|program| !program.starts_with('/'))) {
        return Err("an argument vector begins with the program's absolute path, such as [\"/usr/bin/systemctl\", \"restart\", \"shop.service\"]".to_owned());
    }
    if !(1..=3_600).contains(&config.timeout_seconds) {
        return Err("timeout_seconds is out of range: write 1 to 3600".to_owned());
    }
    if let Some(name) = [OPERATION_ENV, TARGET_ENV, FENCE_ENV].into_iter().find(|name| config.env.contains_key(*name)) {
        return Err(format!("env: {name} is set for each run: write another name"));
    }
    if vectors().skip(1).flatten().any(|argument| argument.contains(REPLICAS)) {
        return Err("{replicas} is filled in argv only".to_owned());
    }
    let placeholder = config.argv.iter().any(|argument| argument.contains(REPLICAS));
    if scale && !(placeholder && config.replicas.is_some()) {
        return Err("scale_up needs {replicas} in argv, and replicas = [..], a command that prints the present number".to_owned());
    }
    if scale && (config.state.is_some() || config.undo.is_some()) {
        return Err("scale_up has state and undo of its own: replicas prints the state, and argv with the number of before undoes".to_owned());
    }
    if !scale && (placeholder || config.replicas.is_some()) {
        return Err("replicas belongs to scale_up only".to_owned());
    }
    if config.undo.is_some() && config.state.is_none() {
        return Err("undo needs state = [..]: it runs only while the state is as the action left it".to_owned());
    }
    Ok(())
}

struct Runner {
    action: Action,
    config: Config,
}

impl Runner {
    /// The arguments, with this number of replicas where one is filled in.
    fn argv(&self, replicas: Option<u32>) -> Vec<String> {
        let fill = |argument: &String| replicas.map_or_else(|| argument.clone(), |n| argument.replace(REPLICAS, &n.to_string()));
        self.config.argv.iter().map(fill).collect()
    }

    /// Runs what changes something.
    async fn run(&self, ports: &Ports, what: &str, argv: Vec<String>, context: &Context) -> Result<Act, ActError> {
        let mut env = self.config.env.clone();
        let ours = [(OPERATION_ENV, context.operation.to_string()), (TARGET_ENV, context.target.to_string()), (FENCE_ENV, context.fence.to_string())];
        env.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        let timeout = Duration::from_secs(self.config.timeout_seconds);
        match ports.exec.run(&Invocation { argv, env, timeout, max_output_bytes: OUTPUT_BYTES }).await {
            Ok(finished) => ended(what, &finished),
            Err(error @ (ExecError::Empty | ExecError::NotStarted { .. })) => Err(ActError::failed(error.to_string())),
            Err(error @ (ExecError::TimedOut { .. } | ExecError::Lost { .. })) => Err(ActError::unknown(error.to_string())),
        }
    }

    /// Runs what only looks.
    async fn look(&self, ports: &Ports, argv: &[String]) -> Result<Finished, ExecError> {
        let (argv, env) = (argv.to_vec(), self.config.env.clone());
        // One byte more than a state may have shows that it has more.
        ports.exec.run(&Invocation { argv, env, timeout: READ_TIMEOUT, max_output_bytes: STATE_BYTES + 1 }).await
    }

    async fn replicas(&self, ports: &Ports, argv: &[String]) -> Result<u32, String> {
        let finished = self.look(ports, argv).await.map_err(|e| format!("cannot read the number of replicas: {e}"))?;
        match (finished.code, finished.stdout.trim().parse::<u32>()) {
            (Some(0), Ok(current)) => Ok(current),
            (Some(0), Err(_)) => Err("the replicas command did not print a whole number".to_owned()),
            _ => Err("the replicas command failed".to_owned()),
        }
    }

    async fn state(&self, ports: &Ports, argv: &[String]) -> Result<String, String> {
        let finished = self.look(ports, argv).await.map_err(|e| format!("cannot read the state: {e}"))?;
        match finished.code {
            Some(0) if finished.stdout.len() > STATE_BYTES => Err(format!("the state command printed more than {STATE_BYTES} bytes")),
            Some(0) => Ok(state_value(&finished.stdout)),
            _ => Err("the state command failed".to_owned()),
        }
    }

    async fn verified_by_command(&self, ports: &Ports) -> Option<Postcondition> {
        let argv = self.config.verify.as_ref()?;
        Some(match self.look(ports, argv).await {
            Ok(Finished { code: Some(0), .. }) => Postcondition::Holds("the verify command exited with 0".to_owned()),
            Ok(Finished { code: Some(code), .. }) => Postcondition::NotYet(format!("the verify command exited with {code}")),
            Ok(Finished { code: None, .. }) => Postcondition::NotYet("the verify command was ended by a signal".to_owned()),
            Err(error) => Postcondition::NotYet(error.to_string()),
        })
    }
}

/// A number of replicas out of a snapshot; it comes from the journal and goes into an argument, so it is read anew.
fn replicas_of(snapshot: &Snapshot) -> Option<u32> {
    snapshot.get(REPLICAS_KEY)?.parse().ok()
}

fn replicas_are(number: u32) -> Snapshot {
    Snapshot::from([(REPLICAS_KEY.to_owned(), number.to_string())])
}

#[async_trait]
impl Actuator for Runner {
    fn kind(&self) -> &'static str {
        Command.name()
    }

    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String> {
        let mut prepared = Prepared::default();
        let mut wanted = None;
        if let Some(argv) = &self.config.replicas {
            let current = self.replicas(ports, argv).await?;
            let more = current.saturating_mul(2).min(MOST_REPLICAS);
            if more <= current {
                return Err(format!("{current} replicas run; it doubles to at most {MOST_REPLICAS}, from at least 1"));
            }
            wanted = Some(more);
            prepared.values.insert(REPLICAS_KEY, more.to_string());
            prepared.effect = Some(format!("replicas {current} -> {more}"));
            prepared.prior = replicas_are(current);
            prepared.undo = Some(format!("run {:?}", self.argv(Some(current))));
        } else {
            match self.observe(ports).await {
                Ok(state) => prepared.prior = state,
                // What cannot be saved cannot be brought back. Without an undo a state that is down with the rest is no reason to do nothing.
                Err(why) if self.config.undo.is_some() => return Err(format!("the state cannot be saved for the undo: {why}")),
                Err(why) => prepared.effect = Some(format!("the state before is not known: {why}")),
            }
            prepared.undo = self.config.undo.as_ref().map(|argv| format!("run {argv:?}"));
        }
        prepared.call = format!("run {:?}", self.argv(wanted));
        Ok(prepared)
    }

    async fn act(&self, ports: &Ports, prepared: &Prepared, context: &Context) -> Result<Act, ActError> {
        let wanted = prepared.values.get(REPLICAS_KEY).and_then(|number| number.parse().ok());
        if wanted.is_none() && self.config.replicas.is_some() {
            return Err(ActError::failed("the number of replicas was not prepared"));
        }
        let mut act = self.run(ports, self.action.name(), self.argv(wanted), context).await?;
        // What was asked for is what is left: the number rises to it only after a while.
        let left = match wanted {
            Some(wanted) => Ok(replicas_are(wanted)),
            None => self.observe(ports).await,
        };
        match left {
            Ok(left) => act.left = left,
            Err(why) => act.message = format!("{}; the state afterwards is not known: {why}", act.message),
        }
        Ok(act)
    }

    /// A state that differs from what the act left is no objection: it may have been one on the way. `verify` is for those who know more.
    async fn verify(&self, ports: &Ports, left: &Snapshot) -> Postcondition {
        let mut holds = String::new();
        if let (Some(argv), Some(wanted)) = (&self.config.replicas, replicas_of(left)) {
            match self.replicas(ports, argv).await {
                Ok(now) if now == wanted => holds = format!("{now} replicas run, as wanted"),
                Ok(now) => return Postcondition::NotYet(format!("{now} replicas run, {wanted} are wanted")),
                Err(why) => return Postcondition::NotYet(why),
            }
        }
        self.verified_by_command(ports).await.unwrap_or(Postcondition::Holds(holds))
    }

    async fn probe(&self, ports: &Ports, prior: &Snapshot) -> Probe {
        if self.config.replicas.is_none() && self.config.state.is_none() {
            return Probe::CannotTell("without a state command there is nothing that could be looked at".to_owned());
        }
        changed(prior, self.observe(ports).await)
    }

    async fn observe(&self, ports: &Ports) -> Result<Snapshot, String> {
        match (&self.config.replicas, &self.config.state) {
            (Some(argv), _) => self.replicas(ports, argv).await.map(replicas_are),
            (None, Some(argv)) => Ok(Snapshot::from([("state".to_owned(), self.state(ports, argv).await?)])),
            (None, None) => Ok(Snapshot::new()),
        }
    }

    async fn undo(&self, ports: &Ports, prior: &Snapshot, context: &Context) -> Result<Act, ActError> {
        let argv = match (&self.config.undo, replicas_of(prior)) {
            (Some(argv), _) => argv.clone(),
            // What was saved is out of a store: no number is set that scaling up could not have begun with.
            (None, Some(number)) if self.config.replicas.is_some() && (1..MOST_REPLICAS).contains(&number) => self.argv(Some(number)),
            (None, _) if self.config.replicas.is_some() => {
                return Err(ActError::failed("the number of replicas of before was not saved, or is none to go back to"));
            }
            (None, _) => return Err(ActError::failed("there is no way back from this action")),
        };
        let act = self.run(ports, "undo", argv, context).await?;
        restored(self, ports, prior, act, SETTLE).await
    }

    fn secrets(&self) -> Vec<Secret> {
        self.config.env.values().map(|value| Secret::new(value.as_str())).collect()
    }
}

fn ended(what: &str, finished: &Finished) -> Result<Act, ActError> {
    let output = format!("{}{}", finished.stdout, finished.stderr);
    let untrusted_output = (!output.trim().is_empty()).then(|| output.trim().to_owned());
    let act = |message| Act { message, untrusted_output, ..Default::default() };
    match finished.code {
        Some(0) => Ok(act(format!("the {what} command exited with 0"))),
        Some(code) => Err(ActError::Failed(act(format!("the {what} command exited with {code}")))),
        None => Err(ActError::Unknown(act(format!("the {what} command was ended by a signal")))),
    }
}

#[cfg(test)]
mod tests;
