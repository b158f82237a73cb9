//! `[[targets]]`: the inventory. A target's check and actuators are built by their kinds.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;
use toml::de::{DeValue, ValueDeserializer};

use super::{
    ConfigError,
    sections::unknown,
    tree::{self, Node, Places, Table},
};
use crate::{
    health::{Check, checks},
    recovery::{Action, Actuator, Target, actions},
    types::{
        issue::{self, IssueType, Sign},
        target::{Policy, TargetName},
    },
};

/// Checks by the names of their kinds.
type Checks = Vec<(String, Arc<dyn Check>)>;

/// A target with the checks that tell whether it is well.
pub struct TargetConfig {
    /// What recovery knows of it.
    pub target: Target,
    /// Its checks, by kind.
    pub checks: Checks,
}

/// The plain keys of a target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    name: TargetName,
    #[serde(default)]
    policy: Policy,
    #[serde(default = "default_soak")]
    soak_seconds: u64,
    #[serde(default = "default_verify")]
    verify_timeout_seconds: u64,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    group: Option<TargetName>,
    #[serde(default)]
    check_cannot_see: Vec<IssueType>,
    /// An issue type, or `nothing`.
    #[serde(default)]
    heal: Option<String>,
}

/// What `heal` says of a target that the self-healing loop leaves alone.
const HEAL_NOTHING: &str = "nothing";

/// What the self-healing loop mends: as configured, or where the first check leads.
fn heal(configured: Option<&str>, checks: &[(String, Arc<dyn Check>)]) -> Result<Option<IssueType>, String> {
    match configured {
        Some(HEAL_NOTHING) => Ok(None),
        Some(name) => name.parse().map(Some).map_err(|e| format!("heal: {e}; or {HEAL_NOTHING}")),
        None => Ok(checks.first().and_then(|(kind, _)| issue::lead(Sign::Check(kind)).issue)),
    }
}

fn default_soak() -> u64 {
    10
}

fn default_verify() -> u64 {
    60
}

/// Reads the array of targets.
pub(super) fn read(node: Node<'_>, places: &Places<'_>) -> Result<Vec<TargetConfig>, ConfigError> {
    let span = node.span();
    let DeValue::Array(items) = node.into_inner() else {
        return Err(places.wrong(span, "expected [[targets]] with two brackets"));
    };
    let mut targets: Vec<TargetConfig> = Vec::new();
    for item in items {
        let span = item.span();
        let target = target(Table::of(item, places)?, places)?;
        if targets.iter().any(|t| t.target.name == target.target.name) {
            return Err(places.wrong(span, format!("target {} is there twice", target.target.name)));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn target(mut table: Table<'_>, places: &Places<'_>) -> Result<TargetConfig, ConfigError> {
    let span = table.span.clone();
    let fingerprint = table.fingerprint();
    let checks = table.take("check").map_or_else(|| Ok(Vec::new()), |node| self::checks(node, places))?;
    let actuators = table.take("actions").map_or_else(|| Ok(BTreeMap::new()), |node| actuators(node, places))?;
    let plain: Plain = table.read(places)?;
    if plain.policy != Policy::Deny && checks.is_empty() {
        return Err(
            places.wrong(span, "a target that may be acted on needs a check, or success could not be told: write [targets.check.application] url = \"..\"")
        );
    }
    if plain.soak_seconds > plain.verify_timeout_seconds || plain.verify_timeout_seconds > 3_600 {
        return Err(places.wrong(span, "soak_seconds must not exceed verify_timeout_seconds, and that not 3600"));
    }
    if let Some((name, _)) = plain.facts.iter().find(|(_, value)| value.starts_with('-') || value.chars().any(char::is_control)) {
        return Err(places.wrong(span, format!("fact {name} begins with '-' or has control characters; a command would take it for an option")));
    }
    // What a person wrote as a fact counts more than what an actuator knows.
    let known = actuators.values().flat_map(|a: &Arc<dyn Actuator>| a.facts()).map(|(name, value)| (name.to_owned(), value));
    let facts = known.chain(plain.facts).collect();
    let heal = heal(plain.heal.as_deref(), &checks).map_err(|message| places.wrong(span, message))?;
    let kinds: Vec<&str> = checks.iter().map(|(kind, _)| kind.as_str()).collect();
    let target = Target {
        name: plain.name,
        policy: plain.policy,
        actuators,
        check: (!kinds.is_empty()).then(|| kinds.join(" and ")),
        check_cannot_see: plain.check_cannot_see,
        group: plain.group.map(String::from),
        heal,
        fingerprint,
        soak: Duration::from_secs(plain.soak_seconds),
        verify_timeout: Duration::from_secs(plain.verify_timeout_seconds),
        facts,
    };
    Ok(TargetConfig { target, checks })
}

/// The one entry of a table of kinds.
fn only<'i>(node: Node<'i>, places: &Places<'_>, what: &str) -> Result<(String, std::ops::Range<usize>, Node<'i>), ConfigError> {
    let span = node.span();
    let mut entries = Table::of(node, places)?.rest();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(places.wrong(span, format!("write exactly one {what} here"))),
    }
}

/// Any kinds of checks, at least one.
fn checks(node: Node<'_>, places: &Places<'_>) -> Result<Checks, ConfigError> {
    let place = node.span();
    let mut built = Checks::new();
    for (name, span, settings) in Table::of(node, places)?.rest() {
        let kind =
            checks::ALL.iter().find(|k| k.name() == name).ok_or_else(|| places.wrong(span.clone(), unknown(&name, checks::ALL.iter().map(|k| k.name()))))?;
        let check = kind.build(ValueDeserializer::from(settings)).map_err(|e| tree::place(&e, span, places))?;
        built.push((name, check.into()));
    }
    if built.is_empty() {
        return Err(places.wrong(place, "write at least one kind of check here, such as [targets.check.application]"));
    }
    Ok(built)
}

fn actuators(node: Node<'_>, places: &Places<'_>) -> Result<BTreeMap<Action, Arc<dyn Actuator>>, ConfigError> {
    let mut actuators = BTreeMap::new();
    for (name, span, node) in Table::of(node, places)?.rest() {
        let action: Action = name.parse().map_err(|_| places.wrong(span.clone(), unknown(&name, Action::ALL.iter().map(|a| a.name()))))?;
        let (kind_name, span, settings) = only(node, places, "kind of actuator, such as command")?;
        let able = actions::ALL.iter().filter(|k| k.supports().contains(&action));
        let kind =
            able.clone().find(|k| k.name() == kind_name).ok_or_else(|| places.wrong(span.clone(), unknown(&kind_name, able.clone().map(|k| k.name()))))?;
        let actuator = kind.build(action, ValueDeserializer::from(settings)).map_err(|e| tree::place(&e, span, places))?;
        actuators.insert(action, actuator);
    }
    Ok(actuators)
}
