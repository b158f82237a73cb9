//! `command`: runs a configured argument vector. No shell; nothing of the caller gets into it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::Error as _};

use super::{Act, ActError, Action, Actuator, ActuatorKind, Context, Prepared, Settings};
use crate::{
    ports::{
        Ports,
        exec::{ExecError, Finished, Invocation},
    },
    types::secret::Secret,
};

/// Where the new number of replicas goes.
const REPLICAS: &str = "{replicas}";
/// Scaling doubles up to here (specification: at most ten instances).
const MOST_REPLICAS: u32 = 10;
/// What is kept of each output stream.
const OUTPUT_BYTES: usize = 4_096;
/// A command that only reads a number gets this long.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// scale_up only: prints the present number of replicas, changes nothing.
    #[serde(default)]
    replicas: Option<Vec<String>>,
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
    let placeholder = config.argv.iter().any(|a| a.contains(REPLICAS));
    let scale = action == Action::ScaleUp;
    let bare = |argv: &[String]| argv.first().is_none_or(|program| !program.starts_with('/'));
    if bare(&config.argv) || config.replicas.as_deref().is_some_and(bare) {
        return Err("an argument vector begins with the program's absolute path, such as [\"/usr/bin/systemctl\", \"restart\", \"shop.service\"]".to_owned());
    }
    if !(1..=3_600).contains(&config.timeout_seconds) {
        return Err("timeout_seconds is out of range: write 1 to 3600".to_owned());
    }
    if scale && !(placeholder && config.replicas.is_some()) {
        return Err("scale_up needs {replicas} in argv, and replicas = [..], a command that prints the present number".to_owned());
    }
    if !scale && (placeholder || config.replicas.is_some()) {
        return Err("replicas belongs to scale_up only".to_owned());
    }
    Ok(())
}

struct Runner {
    action: Action,
    config: Config,
}

impl Runner {
    fn argv(&self, prepared: &BTreeMap<&'static str, String>) -> Vec<String> {
        let fill = |argument: &String| prepared.get("replicas").map_or_else(|| argument.clone(), |n| argument.replace(REPLICAS, n));
        self.config.argv.iter().map(fill).collect()
    }

    fn invocation(&self, argv: Vec<String>, timeout: Duration) -> Invocation {
        Invocation { argv, env: self.config.env.clone(), timeout, max_output_bytes: OUTPUT_BYTES }
    }

    async fn current_replicas(&self, ports: &Ports, argv: &[String]) -> Result<u32, String> {
        let finished = ports.exec.run(&self.invocation(argv.to_vec(), READ_TIMEOUT)).await.map_err(|e| format!("cannot read the number of replicas: {e}"))?;
        match (finished.code, finished.stdout.trim().parse::<u32>()) {
            (Some(0), Ok(current)) => Ok(current),
            (Some(0), Err(_)) => Err("the replicas command did not print a whole number".to_owned()),
            _ => Err("the replicas command failed".to_owned()),
        }
    }
}

#[async_trait]
impl Actuator for Runner {
    fn kind(&self) -> &'static str {
        Command.name()
    }

    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String> {
        let mut prepared = Prepared::default();
        if let Some(argv) = &self.config.replicas {
            let current = self.current_replicas(ports, argv).await?;
            let wanted = current.saturating_mul(2).min(MOST_REPLICAS);
            if wanted <= current {
                return Err(format!("{current} replicas run; it doubles to at most {MOST_REPLICAS}, from at least 1"));
            }
            prepared.values.insert("replicas", wanted.to_string());
            prepared.effect = Some(format!("replicas {current} -> {wanted}"));
        }
        prepared.call = format!("run {:?}", self.argv(&prepared.values));
        Ok(prepared)
    }

    async fn act(&self, ports: &Ports, prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        let timeout = Duration::from_secs(self.config.timeout_seconds);
        match ports.exec.run(&self.invocation(self.argv(&prepared.values), timeout)).await {
            Ok(finished) => ended(self.action, &finished),
            Err(error @ (ExecError::Empty | ExecError::NotStarted { .. })) => Err(ActError::failed(error.to_string())),
            Err(error @ (ExecError::TimedOut { .. } | ExecError::Lost { .. })) => Err(ActError::unknown(error.to_string())),
        }
    }

    fn secrets(&self) -> Vec<Secret> {
        self.config.env.values().map(|value| Secret::new(value.as_str())).collect()
    }
}

fn ended(action: Action, finished: &Finished) -> Result<Act, ActError> {
    let output = format!("{}{}", finished.stdout, finished.stderr);
    let untrusted_output = (!output.trim().is_empty()).then(|| output.trim().to_owned());
    match finished.code {
        Some(0) => Ok(Act { message: format!("the {action} command exited with 0"), untrusted_output, ..Default::default() }),
        Some(code) => Err(ActError::Failed(Act { message: format!("the {action} command exited with {code}"), untrusted_output, ..Default::default() })),
        None => Err(ActError::Unknown(Act { message: format!("the {action} command was ended by a signal"), untrusted_output, ..Default::default() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{clock::SystemClock, fake::FakeExec, http::Client};

    fn build(action: Action, toml: &str) -> Result<Arc<dyn Actuator>, String> {
        Command.build(action, Settings::parse(toml).expect("valid TOML")).map_err(|e| e.message().to_owned())
    }

    fn printing(text: &str) -> (Arc<FakeExec>, Ports) {
        let exec = Arc::new(FakeExec::default());
        exec.script.lock().expect("fresh").push_back(Ok(Finished { code: Some(0), stdout: text.to_owned(), stderr: String::new() }));
        (exec.clone(), Ports { clock: Arc::new(SystemClock), exec, http: Arc::new(Client::default()) })
    }

    fn context() -> Context {
        Context {
            operation: crate::types::ids::OperationId::random(),
            target: "shop".parse().expect("a name"),
            issue: crate::types::issue::IssueType::HighLatency,
            fence: 1,
        }
    }

    const SCALE: &str = r#"{ argv = ["/bin/scale", "shop", "{replicas}"], replicas = ["/bin/replicas"] }"#;

    #[tokio::test]
    async fn scaling_doubles_to_at_most_ten() {
        let scale = build(Action::ScaleUp, SCALE).expect("valid");
        for (printed, wanted) in
            [("3\n", Some("6")), ("1", Some("2")), ("7", Some("10")), ("10", None), ("0", None), ("12", None), ("many", None), ("-3", None)]
        {
            let (exec, ports) = printing(printed);
            let prepared = scale.prepare(&ports).await;
            assert_eq!(prepared.as_ref().ok().and_then(|p| p.values.get("replicas")).map(String::as_str), wanted, "{printed}");
            let Ok(prepared) = prepared else { continue };
            scale.act(&ports, &prepared, &context()).await.expect("the fake succeeds");
            assert_eq!(exec.calls.lock().expect("done")[1], ["/bin/scale", "shop", wanted.unwrap_or_default()]);
        }
    }

    #[test]
    fn wrong_tables_say_what_to_write() {
        for (action, toml, wants) in [
            (Action::RestartService, r#"{ argv = [] }"#, "absolute path"),
            (Action::RestartService, r#"{ argv = ["systemctl"] }"#, "absolute path"),
            (Action::RestartService, r#"{ argv = ["/bin/x", "{replicas}"] }"#, "scale_up only"),
            (Action::ScaleUp, r#"{ argv = ["/bin/x"] }"#, "scale_up needs"),
            (Action::RestartService, r#"{ argv = ["/bin/x"], timeout_seconds = 0 }"#, "1 to 3600"),
        ] {
            let error = build(action, toml).err().unwrap_or_default();
            assert!(error.contains(wants), "{toml}: {error}");
        }
    }
}
