//! What a playbook is, and the reading of `steps.toml` into one that is whole.
//!
//! Checks everything that can be checked without a target: texts and steps match, references resolve, templates are plain, risky steps
//! ask for approval. Does not read files and does not fill in values.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    template,
    text::{self, Text},
};
use crate::types::lang::Lang;

/// Most bytes that a `steps.toml` or a text of a user's folder may have.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Why a playbook cannot be had. The message is for whoever wrote the playbook or asked for it.
#[derive(Debug, thiserror::Error)]
pub enum PlaybookError {
    /// No playbook has this id.
    #[error("unknown playbook; the known ones are {}{}", known.join(", "), nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// What was asked for. Not part of the message, since it comes from the caller.
        id: String,
        /// All ids.
        known: Vec<String>,
        /// The id that was probably meant.
        nearest: Option<String>,
    },
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is too large.
    #[error("{}: larger than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// A folder has a name that cannot be an id, or lacks a file.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The playbook's folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// `steps.toml` is not TOML, or has a key or value that does not exist.
    #[error("{file}: {source}")]
    Toml {
        /// The file.
        file: String,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A step or phase contradicts the rest of the playbook.
    #[error("{file}: '{step}': {problem}")]
    Step {
        /// The file.
        file: String,
        /// The id of the step or phase.
        step: String,
        /// What is wrong.
        problem: String,
    },
    /// A text is not of the expected form.
    #[error("{file}:{line}: {problem}")]
    Text {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A loaded template could not be filled in; a defect of this program.
    #[error("playbook {playbook}: a command cannot be filled in: {source}")]
    Render {
        /// The playbook.
        playbook: String,
        /// What the template engine said.
        source: Box<minijinja::Error>,
    },
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StepKind {
    /// Look, and save evidence.
    Observe,
    /// Choose between ways to go on.
    Decide,
    /// Change something.
    Act,
    /// Prove that it worked.
    Verify,
    /// Tell people.
    Comm,
}

/// How much a step can harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Can be taken back.
    Reversible,
    /// Users may notice.
    Disruptive,
    /// Something is gone for good.
    Destructive,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Platform {
    /// A cluster.
    Kubernetes,
    /// A systemd unit.
    Systemd,
    /// A Docker container.
    Docker,
    /// A Postgres server.
    Postgres,
    /// A Redis server.
    Redis,
    /// Any Linux host.
    Any,
}

impl Platform {
    /// What a service runs on: the platforms of which a target has one.
    pub const RUNTIMES: [Self; 3] = [Self::Kubernetes, Self::Systemd, Self::Docker];

    /// The name in files and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Systemd => "systemd",
            Self::Docker => "docker",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Any => "any",
        }
    }

    /// The variables of which a target on this platform has at least one; empty where every target is.
    pub fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["namespace", "deployment"],
            Self::Systemd => &["unit"],
            Self::Docker => &["container"],
            Self::Postgres => &["pghost"],
            Self::Redis => &["redis_host"],
            Self::Any => &[],
        }
    }
}

/// From when a phase's minutes are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CountedFrom {
    /// From the alert.
    #[default]
    Detection,
    /// From the end of the incident.
    Resolution,
}

/// A phase's time box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phase {
    pub(super) id: String,
    #[serde(default)]
    pub(super) counted_from: CountedFrom,
    pub(super) from_minute: Option<u32>,
    pub(super) to_minute: Option<u32>,
}

/// A value of a tool's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Arg {
    /// A text, which may hold variables.
    Text(String),
    /// A list of texts, which may hold variables.
    List(Vec<String>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl Arg {
    /// The texts in it.
    pub(super) fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
            Self::Number(_) | Self::Flag(_) => &[],
        }
    }
}

/// A command to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Command {
    /// Where it runs.
    pub platform: Platform,
    /// The shell text.
    pub run: String,
}

/// A step as `steps.toml` has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) id: String,
    pub(super) phase: Option<String>,
    pub(super) kind: StepKind,
    pub(super) risk: Risk,
    pub(super) timeout_seconds: u32,
    #[serde(default)]
    pub(super) approval: bool,
    pub(super) tool: Option<String>,
    pub(super) args: Option<BTreeMap<String, Arg>>,
    pub(super) on_pass: Option<String>,
    pub(super) on_fail: Option<String>,
    pub(super) rollback: Option<String>,
    #[serde(default, rename = "command")]
    pub(super) commands: Vec<Command>,
}

/// `steps.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepsFile {
    #[serde(default, rename = "phase")]
    phases: Vec<Phase>,
    #[serde(default, rename = "step")]
    steps: Vec<Step>,
}

/// Ends that a step may lead to instead of another step.
pub(super) const ENDS: [&str; 2] = ["done", "escalate"];

/// The parts a playbook is made of; `origin` names its folder in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    pub(super) origin: &'a str,
    pub(super) steps: &'a str,
    pub(super) en: Option<&'a str>,
    pub(super) zh: Option<&'a str>,
}

/// A playbook that is whole.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub(super) id: String,
    pub(super) phases: Vec<Phase>,
    pub(super) steps: Vec<Step>,
    en: Option<Text>,
    zh: Option<Text>,
}

impl Playbook {
    /// The text in this language, or in the one there is, with the language it is in.
    pub(super) fn text(&self, lang: Lang) -> Option<(Lang, &Text)> {
        let (en, zh) = (self.en.as_ref().map(|t| (Lang::En, t)), self.zh.as_ref().map(|t| (Lang::Zh, t)));
        match lang {
            Lang::En => en.or(zh),
            Lang::Zh => zh.or(en),
        }
    }

    /// Reads and checks a playbook.
    pub(super) fn parse(parts: Parts<'_>) -> Result<Self, PlaybookError> {
        let file = format!("{}/steps.toml", parts.origin);
        let StepsFile { phases, steps } = toml::from_str(parts.steps).map_err(|source| PlaybookError::Toml { file: file.clone(), source: Box::new(source) })?;
        check_steps(&phases, &steps).map_err(|(step, problem)| PlaybookError::Step { file, step, problem })?;
        let read = |name: &str, source: Option<&str>, lang| {
            let file = format!("{}/{name}", parts.origin);
            let Some(source) = source else { return Ok(None) };
            let text = text::parse(&file, source, lang)?;
            check_text(&phases, &steps, &text).map_err(|(step, problem)| PlaybookError::Step { file, step, problem })?;
            Ok(Some(text))
        };
        let (en, zh) = (read("en.md", parts.en, Lang::En)?, read("zh.md", parts.zh, Lang::Zh)?);
        if en.is_none() && zh.is_none() {
            return Err(PlaybookError::Folder { path: parts.origin.into(), problem: "has neither en.md nor zh.md".to_owned() });
        }
        Ok(Self { id: parts.id.to_owned(), phases, steps, en, zh })
    }
}

/// The id at fault, and what is wrong with it.
type Fault = (String, String);

fn check_steps(phases: &[Phase], steps: &[Step]) -> Result<(), Fault> {
    let mut phase_ids = BTreeSet::new();
    for phase in phases {
        let fault = |problem: &str| Err((phase.id.clone(), problem.to_owned()));
        if !template::is_name(&phase.id) || !phase_ids.insert(phase.id.as_str()) {
            return fault("phase ids are snake_case and unique");
        }
        if phase.to_minute.is_some_and(|to| to <= phase.from_minute.unwrap_or(0)) {
            return fault("to_minute must be after from_minute");
        }
    }
    let ids: BTreeSet<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    if steps.is_empty() || ids.len() != steps.len() {
        return Err(("step".to_owned(), "there must be steps, each with an id of its own".to_owned()));
    }
    steps.iter().try_for_each(|step| check_step(step, &phase_ids, &ids).map_err(|problem| (step.id.clone(), problem)))
}

fn check_step(step: &Step, phases: &BTreeSet<&str>, ids: &BTreeSet<&str>) -> Result<(), String> {
    if !template::is_name(&step.id) || ENDS.contains(&step.id.as_str()) {
        return Err("step ids are snake_case, and neither done nor escalate".to_owned());
    }
    if step.timeout_seconds == 0 {
        return Err("timeout_seconds must be at least 1".to_owned());
    }
    if step.risk >= Risk::Disruptive && !step.approval {
        return Err("a disruptive or destructive step needs approval = true".to_owned());
    }
    match step.phase.as_deref() {
        None if !phases.is_empty() => return Err("phase is missing: this playbook has phases".to_owned()),
        Some(phase) if !phases.contains(phase) => return Err(format!("phase '{phase}' does not exist")),
        _ => {}
    }
    for (key, next, ends) in [("on_pass", &step.on_pass, true), ("on_fail", &step.on_fail, true), ("rollback", &step.rollback, false)] {
        if let Some(next) = next.as_deref().filter(|next| !(ids.contains(next) || (ends && ENDS.contains(next)))) {
            return Err(format!("{key} = '{next}' is no step of this playbook"));
        }
    }
    if step.args.is_some() && step.tool.is_none() {
        return Err("args without a tool".to_owned());
    }
    let args = step.args.iter().flat_map(BTreeMap::values).flat_map(Arg::texts);
    for source in step.commands.iter().map(|command| &command.run).chain(args) {
        template::variables(source)?;
    }
    Ok(())
}

fn check_text(phases: &[Phase], steps: &[Step], text: &Text) -> Result<(), Fault> {
    let pairs: [(BTreeSet<&str>, BTreeSet<&str>); 2] = [
        (steps.iter().map(|s| s.id.as_str()).collect(), text.steps.keys().map(String::as_str).collect()),
        (phases.iter().map(|p| p.id.as_str()).collect(), text.phases.keys().map(String::as_str).collect()),
    ];
    for (defined, told) in pairs {
        if let Some(id) = defined.difference(&told).next() {
            return Err(((*id).to_owned(), "has no section in this text".to_owned()));
        }
        if let Some(id) = told.difference(&defined).next() {
            return Err(((*id).to_owned(), "has a section but is not in steps.toml".to_owned()));
        }
    }
    Ok(())
}
