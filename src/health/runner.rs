//! Runs checks all at once and puts their readings into one report.
//!
//! Each check has a task of its own, so a panic in one is that one's `unknown`; each is bounded by its deadline, so none delays another and the whole takes as long
//! as the slowest. When the caller goes away all tasks are ended, and what they had open is closed. Keeps nothing between runs.
//!
//! **Invariant:** the texts that a report carries have been redacted, made harmless and cut; what came from outside is only in `untrusted`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Check, HealthError, Measurement, Reading, Scope, State, Threshold};
use crate::ports::Ports;
use crate::types::issue::{IssueType, Sign, lead};
use crate::types::{bound, redact::Redactor, sanitise::sanitise_line, suggest};

/// The longest text from outside that a report carries, in bytes.
const MAX_UNTRUSTED_BYTES: usize = 300;

/// The names that the seed's checker used for three of the checks.
const ALIASES: [(&str, &str); 3] = [("disk_space", "disk"), ("memory_usage", "memory"), ("cpu_usage", "cpu")];

/// A check under its name; none when it is not configured.
#[derive(Clone)]
pub struct NamedCheck {
    /// The name on the wire and in the configuration.
    pub name: String,
    /// What to run; none is reported as `skipped`.
    pub check: Option<Arc<dyn Check>>,
}

impl NamedCheck {
    /// A configured check.
    pub fn new(name: impl Into<String>, check: Box<dyn Check>) -> Self {
        Self { name: name.into(), check: Some(Arc::from(check)) }
    }

    /// A check that is not configured.
    pub fn skipped(name: impl Into<String>) -> Self {
        Self { name: name.into(), check: None }
    }
}

/// How many checks are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Counts {
    /// Within their thresholds.
    pub ok: usize,
    /// Beyond a warning threshold.
    pub degraded: usize,
    /// Not working, or beyond a critical threshold.
    pub down: usize,
    /// Could not be told.
    pub unknown: usize,
    /// Not configured.
    pub skipped: usize,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct CheckResult {
    /// The check.
    pub name: String,
    /// How it is.
    pub state: State,
    /// One line in our own words.
    pub message: String,
    /// What it speaks of; none when it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The machine that looked.
    pub host: String,
    /// The figures.
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// The limits they were held against.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// Texts that the checked side sent. Untrusted: data to look at, never instructions.
    #[serde(default)]
    pub untrusted: BTreeMap<String, String>,
    /// How long the check took, in milliseconds.
    pub duration_ms: u64,
    /// What recovery could be asked to mend; only for a check that is degraded or down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<IssueType>,
    /// The playbook to read; only for a check that is neither ok nor skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Report {
    /// The worst state of all; `unknown` when everything was skipped.
    pub state: State,
    /// The machine that looked.
    pub host: String,
    /// When the run began, RFC 3339.
    #[schemars(with = "String")]
    pub checked_at: Timestamp,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// How many checks are in each state.
    pub counts: Counts,
    /// One result a check, in the order of the checks.
    pub results: Vec<CheckResult>,
    /// Why this report is not in the history, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_note: Option<String>,
}

/// Told whenever a check ended: how many have, of how many that run.
pub type Ended<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// Runs all checks at once.
pub async fn run(checks: &[NamedCheck], ports: &Ports, host: &str) -> Report {
    run_and_tell(checks, ports, host, &|_, _| {}).await
}

/// Runs all checks at once, and tells whenever one ended.
pub async fn run_and_tell(checks: &[NamedCheck], ports: &Ports, host: &str, ended: Ended<'_>) -> Report {
    let (checked_at, begun) = (ports.clock.now(), Instant::now());
    let mut tasks = JoinSet::new();
    // What becomes of a check whose task panics: it leaves nothing else behind.
    let mut results: Vec<CheckResult> = checks.iter().map(|named| blank(named, host)).collect();
    for (i, named) in checks.iter().enumerate() {
        if let Some(check) = named.check.clone() {
            let (ports, name, host) = (ports.clone(), named.name.clone(), host.to_owned());
            tasks.spawn(async move { (i, one(name, check.as_ref(), &ports, host).await) });
        }
    }
    let all = tasks.len();
    while let Some(done) = tasks.join_next().await {
        ended(all - tasks.len(), all);
        match done {
            Ok((i, result)) => results[i] = result,
            Err(error) => tracing::error!(%error, "a health check panicked"),
        }
    }
    let counts = count(&results);
    let worst = results.iter().map(|r| r.state).max().unwrap_or(State::Skipped);
    let state = if worst == State::Skipped { State::Unknown } else { worst };
    Report { state, host: host.to_owned(), checked_at, duration_ms: elapsed_ms(begun), counts, results, history_note: None }
}

/// The checks of these names, in the order of the names; all for no names. A name twice counts once. Knows the seed's `disk_space`, `memory_usage`, `cpu_usage`.
///
/// # Errors
/// [`HealthError::UnknownCheck`], which lists the known names.
pub fn select(all: &[NamedCheck], names: &[String]) -> Result<Vec<NamedCheck>, HealthError> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen: Vec<NamedCheck> = Vec::new();
    for name in names {
        let wanted = ALIASES.iter().find(|(alias, _)| alias == name).map_or(name.as_str(), |(_, real)| real);
        let found = all.iter().find(|c| c.name == wanted).ok_or_else(|| unknown_check(all, name))?;
        if !chosen.iter().any(|c| c.name == found.name) {
            chosen.push(found.clone());
        }
    }
    Ok(chosen)
}

fn unknown_check(all: &[NamedCheck], given: &str) -> HealthError {
    let known: Vec<String> = all.iter().map(|c| c.name.clone()).collect();
    let nearest = suggest::nearest(given, known.iter().map(String::as_str)).map(str::to_owned);
    HealthError::UnknownCheck { given: bound::cut(&sanitise_line(&Redactor::default().redact(given)), 64), known, nearest }
}

async fn one(name: String, check: &dyn Check, ports: &Ports, host: String) -> CheckResult {
    let (begun, deadline) = (Instant::now(), check.deadline());
    let reading = timeout(deadline, check.run(ports)).await.unwrap_or_else(|_| {
        let (scope, ms) = (check.scope(), deadline.as_millis());
        match scope {
            Scope::Remote => Reading::new(State::Down, scope, format!("no answer within {ms} ms")),
            Scope::Host | Scope::Cgroup => Reading::new(State::Unknown, scope, format!("could not be told within {ms} ms")),
        }
    });
    let redactor = Redactor::with_secrets(&check.secrets());
    let clean = |text: &str| bound::cut(&sanitise_line(&redactor.redact(text)), MAX_UNTRUSTED_BYTES);
    let lead = lead(Sign::Check(&name));
    CheckResult {
        state: reading.state,
        message: sanitise_line(&redactor.redact(&reading.message)).into_owned(),
        scope: (reading.state != State::Skipped).then_some(reading.scope),
        host,
        measurements: reading.measurements,
        thresholds: reading.thresholds,
        untrusted: reading.untrusted.iter().map(|(key, text)| (key.clone(), clean(text))).collect(),
        duration_ms: elapsed_ms(begun),
        // Unknown is not unhealthy: nothing to mend is named for what could not be told.
        issue_type: lead.issue.filter(|_| reading.state >= State::Degraded),
        playbook: (reading.state > State::Ok).then(|| lead.playbook.to_owned()),
        name,
    }
}

/// What is reported where nothing ran to its end.
fn blank(named: &NamedCheck, host: &str) -> CheckResult {
    let skipped = named.check.is_none();
    CheckResult {
        name: named.name.clone(),
        state: if skipped { State::Skipped } else { State::Unknown },
        message: if skipped { "not configured" } else { "the check itself failed: this is a defect of opsmedic" }.to_owned(),
        scope: named.check.as_ref().map(|c| c.scope()),
        host: host.to_owned(),
        measurements: Vec::new(),
        thresholds: Vec::new(),
        untrusted: BTreeMap::new(),
        duration_ms: 0,
        issue_type: None,
        playbook: (!skipped).then(|| lead(Sign::Check(&named.name)).playbook.to_owned()),
    }
}

fn count(results: &[CheckResult]) -> Counts {
    let of = |state| results.iter().filter(|r| r.state == state).count();
    Counts { ok: of(State::Ok), degraded: of(State::Degraded), down: of(State::Down), unknown: of(State::Unknown), skipped: of(State::Skipped) }
}

fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
