//! Hands each section to its owner.

use std::sync::Arc;

use serde::Deserialize;
use toml::de::ValueDeserializer;

use super::{
    Config, ConfigError, Env, HealthEntry, McpSettings, PlaybookSettings, targets,
    tree::{self, Places, Source, Table},
};
use crate::{
    health::{self, checks},
    incident::ClassifySettings,
    recovery::RecoverySettings,
    types::{lang::Lang, sanitise::sanitise_line, suggest},
};

/// Every top-level key, for the error about an unknown one.
const KEYS: &[&str] = &["host", "lang", "store", "classify", "health", "logs", "playbooks", "recovery", "targets", "mcp", "http"];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct StoreSection {
    /// The SQLite file.
    path: Option<std::path::PathBuf>,
}

/// How long health reports are kept unless configured otherwise.
const DEFAULT_HISTORY_DAYS: u32 = 14;

/// Reads the whole file.
pub(super) fn read(source: &Source<'_>, env: &Env) -> Result<Config, ConfigError> {
    let (mut root, places) = source.parse()?;
    let host = root.take("host").map(|n| tree::read::<String>(n, &places)).transpose()?.unwrap_or_else(host_name);
    let host = sanitise_line(&host).into_owned();
    let lang = root.take("lang").map(|n| tree::read::<Lang>(n, &places)).transpose()?.unwrap_or_default();
    let store: StoreSection = root.take_table("store", &places)?.read(&places)?;
    let classify = checked(root.take_table("classify", &places)?, &places, ClassifySettings::validate)?;
    let (health, history_days) = health(root.take_table("health", &places)?, &places)?;
    let logs = checked(root.take_table("logs", &places)?, &places, crate::logs::Settings::validate)?;
    let playbooks: PlaybookSettings = root.take_table("playbooks", &places)?.read(&places)?;
    let recovery_table = root.take_table("recovery", &places)?;
    let recovery_span = recovery_table.span.clone();
    let recovery = checked(recovery_table, &places, RecoverySettings::validate)?;
    let mcp = checked(root.take_table("mcp", &places)?, &places, mcp_limits)?;
    let http = checked(root.take_table("http", &places)?, &places, crate::http::Settings::validate)?;
    let targets = root.take("targets").map_or_else(|| Ok(Vec::new()), |node| targets::read(node, &places))?;
    // A slip in a name would freeze nothing.
    let frozen = recovery.freeze.iter().flat_map(|window| window.targets.iter().map(move |target| (window, target)));
    if let Some((window, target)) = frozen.into_iter().find(|(_, target)| !targets.iter().any(|t| t.target.name == **target)) {
        let message = format!("recovery.freeze {}: there is no target {target}; write names of [[targets]]", window.name);
        return Err(places.wrong(places.of_key("recovery.freeze").unwrap_or(recovery_span), message));
    }
    if let Some((key, span, _)) = root.rest().next() {
        return Err(places.wrong(span, unknown(&key, KEYS.iter().copied())));
    }
    let store_path = store.path.unwrap_or_else(|| env.state_dir.join("opsmedic.db"));
    let filled = places.filled_in_commands();
    Ok(Config { path: None, filled, host, lang, store_path, classify, health, history_days, logs, playbooks, recovery, targets, mcp, http })
}

/// `unknown key 'x'; known are ..; did you mean y?`
pub(super) fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let hint = suggest::nearest(key, known.clone()).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
    format!("unknown key; the known ones here are {}{hint}", known.collect::<Vec<_>>().join(", "))
}

/// Reads a section and holds it against its own rules.
fn checked<T: serde::de::DeserializeOwned>(table: Table<'_>, places: &Places<'_>, validate: impl Fn(&T) -> Result<(), String>) -> Result<T, ConfigError> {
    let span = table.span.clone();
    let section: T = table.read(places)?;
    validate(&section).map_err(|message| {
        // The rules of a section begin with the key they are about.
        let key = message.split([':', ' ']).next().unwrap_or_default();
        places.wrong(places.of_key(key).unwrap_or(span), message)
    })?;
    Ok(section)
}

fn mcp_limits(settings: &McpSettings) -> Result<(), String> {
    let range = |key: &str, value: usize, least: usize, most: usize| {
        if (least..=most).contains(&value) { Ok(()) } else { Err(format!("mcp.{key} is out of range: write {least} to {most}")) }
    };
    range("output_budget_bytes", settings.output_budget_bytes, 4_096, 1_048_576)?;
    range("max_calls", settings.max_calls, 1, 10_000)?;
    range("max_queued_calls", settings.max_queued_calls, 0, 100_000)?;
    range("max_log_calls", settings.max_log_calls, 1, 64)?;
    range("elicitation_timeout_seconds", settings.elicitation_timeout_seconds as usize, 1, 1_800)
}

/// One entry for every kind of check, in the registry's order, and the keys that belong to the whole section.
fn health(mut table: Table<'_>, places: &Places<'_>) -> Result<(Vec<HealthEntry>, u32), ConfigError> {
    let mut entries = Vec::with_capacity(checks::ALL.len());
    for kind in checks::ALL {
        let check: Option<Arc<dyn health::Check>> = match table.take(kind.name()) {
            Some(node) => {
                let span = node.span();
                Some(kind.build(ValueDeserializer::from(node)).map_err(|e| tree::place(&e, span, places))?.into())
            }
            None => kind.unconfigured().map(Into::into),
        };
        entries.push(HealthEntry { name: kind.name().to_owned(), check });
    }
    let history_days = match table.take("history_days") {
        Some(node) => {
            let span = node.span();
            let days: u32 = tree::read(node, places)?;
            if !(1..=3_650).contains(&days) {
                return Err(places.wrong(span, "out of range: write 1 to 3650 days"));
            }
            days
        }
        None => DEFAULT_HISTORY_DAYS,
    };
    if let Some((key, span, _)) = table.rest().next() {
        return Err(places.wrong(span, unknown(&key, checks::ALL.iter().map(|k| k.name()).chain(["history_days"]))));
    }
    Ok((entries, history_days))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
