//! The composition root: the only place that names concrete types and puts the house together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;

use crate::{
    cli::Serving,
    config::Config,
    flows::{Metrics, Services},
    health::{Health, NamedCheck, State},
    incident::Classifier,
    logs::Logs,
    mcp::Limits,
    playbook::Library,
    ports::{Ports, process},
    recovery::{Owner, Parts, Recovery, Vital, Vitals},
    store::Store,
    types::{redact::Redactor, sanitise::sanitise, target::TargetName},
};

/// What the start of the process decides, beside the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Refuse every recovery.
    pub read_only: bool,
}

/// Everything that a command works with.
pub struct Built {
    /// The rooms.
    pub services: Arc<Services>,
    /// How they are served.
    pub serving: Serving,
}

/// Builds all services from a valid configuration. Opens nothing yet: the store and clients open at first use.
///
/// # Errors
/// A playbook folder or a log pattern that is wrong.
pub fn build(config: Config, options: Options) -> anyhow::Result<Built> {
    let limits = Limits { calls: config.mcp.max_calls, queue: config.mcp.max_queued_calls, log_calls: config.mcp.max_log_calls };
    let ports = Ports::real();
    let serving = Serving { http: config.http.clone(), outside: crate::http::Outside(ports.clone()), limits };
    let redactor = Arc::new(Redactor::with_secrets(&config.secrets()));
    crate::telemetry::keep_out(redactor.clone());
    let store = Arc::new(Store::at(config.store_path));
    let checks = config.health.into_iter().map(|entry| NamedCheck { name: entry.name, check: entry.check }).collect();
    let mut health = Health::new(checks, ports.clone(), config.host.clone(), Some(store.clone()));
    health.keep = Duration::from_secs(u64::from(config.history_days) * 86_400);
    let mut playbooks = Library::builtin()?;
    if let Some(folder) = &config.playbooks.folder {
        playbooks = playbooks.with_folder(folder).context("playbooks.folder")?;
    }
    let mut targets = BTreeMap::new();
    let mut vitals = BTreeMap::new();
    for entry in config.targets {
        let checks = entry.checks.into_iter().map(|(name, check)| NamedCheck { name, check: Some(check) }).collect();
        vitals.insert(entry.target.name.clone(), checks);
        targets.insert(entry.target.name.clone(), entry.target);
    }
    let recovery = Recovery::new(Parts {
        settings: config.recovery,
        targets,
        journal: store,
        vitals: Arc::new(TargetChecks { checks: vitals, ports: ports.clone(), host: config.host.clone() }),
        ports: ports.clone(),
        owner: Owner(process::this_process()),
        redactor: redactor.clone(),
        config_option: config.path.map(|path| format!(" --config {}", path.display())).unwrap_or_default(),
        read_only: options.read_only,
        elicitation_approves: config.mcp.elicitation_approves,
    });
    // Once, since verdicts repeat these and are not looked at.
    let clean = |name: &str| sanitise(&redactor.redact(name)).into_owned();
    let services = Arc::new(Services {
        host: config.host,
        lang: config.lang,
        output_budget_bytes: config.mcp.output_budget_bytes,
        elicitation_timeout: Duration::from_secs(u64::from(config.mcp.elicitation_timeout_seconds)),
        classifier: Classifier::new(config.classify.with_teams(clean), ports.clock.clone()),
        health,
        logs: Arc::new(Logs::new(config.logs, &ports, redactor.clone())?),
        playbooks,
        recovery,
        metrics: Metrics::default(),
        redactor,
    });
    Ok(Built { services, serving })
}

/// Recovery's view of the health room: a target is well when every check of its own is ok.
struct TargetChecks {
    checks: BTreeMap<TargetName, Vec<NamedCheck>>,
    ports: Ports,
    host: String,
}

#[async_trait]
impl Vitals for TargetChecks {
    async fn look(&self, target: &TargetName) -> Vital {
        let checks = self.checks.get(target).map(Vec::as_slice).unwrap_or_default();
        if checks.is_empty() {
            return Vital { well: false, down: false, unknown: true, score: None, summary: "the target has no check".to_owned() };
        }
        let results = crate::health::run(checks, &self.ports, &self.host).await.results;
        let summary: Vec<String> = results.iter().map(|r| format!("{} {}: {}", r.name, r.state.name(), r.message)).collect();
        let states: Vec<State> = results.iter().map(|r| r.state).collect();
        let scores: Vec<u16> = states.iter().filter_map(|state| score(*state)).collect();
        let mean = (!scores.is_empty()).then(|| scores.iter().sum::<u16>() / u16::try_from(scores.len()).unwrap_or(u16::MAX));
        let unwell = states.iter().any(|state| matches!(state, State::Down | State::Degraded));
        let well = !states.is_empty() && states.iter().all(|state| *state == State::Ok);
        let down = states.contains(&State::Down);
        Vital { well, down, unknown: !well && !unwell, score: mean.and_then(|mean| u8::try_from(mean).ok()), summary: summary.join("; ") }
    }
}

/// What a check's state counts; nothing when it could not tell.
fn score(state: State) -> Option<u16> {
    match state {
        State::Ok => Some(100),
        State::Degraded => Some(50),
        State::Down => Some(0),
        State::Unknown | State::Skipped => None,
    }
}
