//! What a check is: the trait that every file in `checks/` implements, and the words of its answer.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ports::Ports, types::secret::Secret};

/// How a checked thing is. Ordered: the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum State {
    /// Not configured: nothing was looked at, and nothing is claimed.
    Skipped,
    /// Within its thresholds.
    Ok,
    /// It could not be told.
    Unknown,
    /// Works, beyond a warning threshold.
    Degraded,
    /// Does not work, or is beyond a critical threshold.
    Down,
}

impl State {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// What a reading speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Scope {
    /// The whole machine.
    Host,
    /// The control group (container) in which this process runs.
    Cgroup,
    /// Something reached over the network.
    Remote,
}

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Measurement {
    /// What was measured, such as `query_time` or `used`; with several subjects `used:/var`.
    pub name: String,
    /// The value.
    pub value: f64,
    /// `ms`, `bytes`, `percent`, `count`, `seconds`, `load`, `code`.
    pub unit: String,
}

impl Measurement {
    /// A measured value.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned() }
    }
}

/// A limit that a measurement was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Threshold {
    /// The measurement it applies to.
    pub name: String,
    /// When it is crossed, in words and numbers, such as `degraded at used >= 85 percent`.
    pub rule: String,
    /// Whether it was crossed.
    pub crossed: bool,
}

/// What one check saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// How it is.
    pub state: State,
    /// One line in our own words: no text from the outside is in it.
    pub message: String,
    /// What the reading speaks of.
    pub scope: Scope,
    /// The figures.
    pub measurements: Vec<Measurement>,
    /// The limits they were held against.
    pub thresholds: Vec<Threshold>,
    /// Named texts that the checked side sent: versions, error texts. Untrusted; redacted and sanitised before it is shown.
    pub untrusted: Vec<(String, String)>,
}

impl Reading {
    /// A reading with no figures yet.
    pub fn new(state: State, scope: Scope, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), scope, measurements: Vec::new(), thresholds: Vec::new(), untrusted: Vec::new() }
    }

    /// Adds a figure.
    #[must_use]
    pub fn measure(mut self, name: impl Into<String>, value: f64, unit: &str) -> Self {
        self.measurements.push(Measurement::new(name, value, unit));
        self
    }

    /// Adds a limit.
    #[must_use]
    pub fn threshold(mut self, name: impl Into<String>, rule: impl Into<String>, crossed: bool) -> Self {
        self.thresholds.push(Threshold { name: name.into(), rule: rule.into(), crossed });
        self
    }

    /// Adds a text that came from the checked side.
    #[must_use]
    pub fn untrusted(mut self, name: &str, text: impl Into<String>) -> Self {
        self.untrusted.push((name.to_owned(), text.into()));
        self
    }
}

/// A configured check.
#[async_trait]
pub trait Check: Send + Sync {
    /// How long the whole check may take; past it the runner drops the future and reports the check's deadline.
    fn deadline(&self) -> Duration;

    /// What it looks at. Past its deadline, a [`Scope::Remote`] check is `down` and any other `unknown`.
    fn scope(&self) -> Scope;

    /// Looks. Never panics on input; a panic is caught and reported as `unknown`.
    async fn run(&self, ports: &Ports) -> Reading;

    /// What must not appear in any output: passwords of its URL and the like.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// Settings of one check or action as the configuration hands them over, with their places in the file.
pub type Settings<'i> = toml::de::ValueDeserializer<'i>;

/// A kind of check: one file in `checks/` and one line in its list.
pub trait CheckKind: Sync {
    /// The name in the configuration (`[health.<name>]`) and on the wire.
    fn name(&self) -> &'static str;

    /// One line for help.
    fn summary(&self) -> &'static str;

    /// Its table in the configuration, complete and valid; a test parses it.
    fn example(&self) -> &'static str;

    /// Builds the check from its table.
    ///
    /// # Errors
    /// What the table says wrong, with its place in the file.
    fn build(&self, settings: Settings<'_>) -> Result<Box<dyn Check>, toml::de::Error>;

    /// The check to run when the configuration has no table for it; none means `skipped`.
    fn unconfigured(&self) -> Option<Box<dyn Check>> {
        None
    }
}
