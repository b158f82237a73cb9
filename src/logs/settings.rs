//! The room's part of the configuration: `[logs]`, `[logs.patterns]`, `[[logs.source]]` and `[[logs.format]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{
    formats::{FormatSettings, Own},
    patterns::{PatternSet, Patterns},
    time,
};

/// `[logs]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folders that callers over MCP may read in. Absolute. None: they may read nothing.
    pub roots: Vec<PathBuf>,
    /// Zone of times that carry none: an IANA name, `UTC` or an offset. Default: the system's.
    pub timezone: Option<String>,
    /// Error patterns of one's own, name to regular expression, counted beside the nine built in.
    pub patterns: BTreeMap<String, String>,
    /// Named sets of files.
    #[serde(rename = "source")]
    pub sources: Vec<SourceSettings>,
    /// Formats of one's own, tried before those built in.
    #[serde(rename = "format")]
    pub formats: Vec<FormatSettings>,
    /// How long one analysis may read, in seconds; what was read until then is reported as partial. Default 60.
    pub max_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { roots: Vec::new(), timezone: None, patterns: BTreeMap::new(), sources: Vec::new(), formats: Vec::new(), max_seconds: 60 }
    }
}

/// One `[[logs.source]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// What requests call it.
    pub name: String,
    /// Files and globs.
    pub paths: Vec<String>,
    /// Zone of times that carry none. Default: that of `[logs]`.
    pub timezone: Option<String>,
}

/// The longest deadline, in seconds.
const LONGEST_SECONDS: u64 = 3_600;

impl Settings {
    /// Holds the settings against their rules.
    ///
    /// # Errors
    /// A text with the key, what is wrong with it and what to write.
    pub fn validate(&self) -> Result<(), String> {
        if let Some(root) = self.roots.iter().find(|root| !root.is_absolute()) {
            return Err(format!("logs.roots: {} is not absolute", root.display()));
        }
        if !(1..=LONGEST_SECONDS).contains(&self.max_seconds) {
            return Err(format!("logs.max_seconds: {} is out of range: write 1 to {LONGEST_SECONDS}", self.max_seconds));
        }
        for (at, source) in self.sources.iter().enumerate() {
            let name = &source.name;
            if name.is_empty() || name.contains(['/', '*', '?', '[']) {
                return Err(format!("logs.source: '{name}' is no name for a source: write a word without /, *, ? and ["));
            }
            if self.sources[..at].iter().any(|other| other.name == *name) {
                return Err(format!("logs.source: two are called {name}"));
            }
            if source.paths.is_empty() {
                return Err(format!("logs.source {name}: paths is empty: name files or globs"));
            }
        }
        for name in self.timezones() {
            time::zone(name).map_err(|e| format!("logs: timezone: {e}"))?;
        }
        Own::all(&self.formats)?;
        // Compiling the built-in ones would slow every start down for nothing.
        if self.patterns.is_empty() {
            return Ok(());
        }
        Patterns::new(PatternSet::Default, &self.patterns).map(drop).map_err(|e| e.to_string())
    }

    /// All zones that are named.
    pub(crate) fn timezones(&self) -> impl Iterator<Item = &str> {
        self.timezone.iter().chain(self.sources.iter().filter_map(|source| source.timezone.as_ref())).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_names_its_key() {
        let source = SourceSettings { name: "app".into(), paths: vec!["/x".into()], timezone: None };
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings { sources: vec![source.clone()], ..Settings::default() };
            change(&mut settings);
            settings.validate()
        };
        assert_eq!(with(|_| ()), Ok(()));
        type Change = fn(&mut Settings);
        let wrong: [(&str, Change); 9] = [
            ("logs.roots", |s| s.roots = vec!["var/log".into()]),
            ("logs.max_seconds", |s| s.max_seconds = 0),
            ("two are called app", |s| s.sources.push(s.sources[0].clone())),
            ("no name", |s| s.sources[0].name = "a/b".into()),
            ("paths is empty", |s| s.sources[0].paths.clear()),
            ("timezone", |s| s.sources[0].timezone = Some("Nowhere".into())),
            ("logs.format x: reads nothing", |s| s.formats = vec![FormatSettings { name: "x".into(), ..FormatSettings::default() }]),
            ("logs.format x: regex", |s| s.formats = vec![FormatSettings { name: "x".into(), regex: Some("(".into()), ..FormatSettings::default() }]),
            ("logs.patterns.x", |s| s.patterns = [("x".to_owned(), "(".to_owned())].into()),
        ];
        for (word, change) in wrong {
            assert!(with(change).is_err_and(|e| e.contains(word)), "{word}");
        }
    }

    #[test]
    fn reads_its_tables_and_refuses_unknown_keys() {
        let text = "roots = ['/var/log']\ntimezone = 'UTC'\n[patterns]\nquota = 'quota exceeded'\n[[source]]\nname = 'app'\npaths = ['/var/log/app/*.log']\n";
        let settings: Settings = toml::from_str(text).expect("a constant");
        assert_eq!((settings.max_seconds, settings.sources[0].name.as_str()), (60, "app"));
        assert!(toml::from_str::<Settings>("rots = []").is_err());
    }
}
