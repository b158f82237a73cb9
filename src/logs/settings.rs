//! The room's part of the configuration: `[logs]`, `[logs.patterns]` and `[[logs.source]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

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
    /// How long one analysis may read, in seconds; what was read until then is reported as partial. Default 60.
    pub max_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { roots: Vec::new(), timezone: None, patterns: BTreeMap::new(), sources: Vec::new(), max_seconds: 60 }
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

impl Settings {
    /// Patterns, zones, roots and ranges.
    ///
    /// # Errors
    /// A text that names the key and what to write.
    pub fn validate(&self) -> Result<(), String> {
        for name in self.timezone.iter().chain(self.sources.iter().filter_map(|s| s.timezone.as_ref())) {
            super::time::zone(name).map_err(|e| e.to_string())?;
        }
        if let Some(root) = self.roots.iter().find(|root| root.is_relative()) {
            return Err(format!("logs.roots: {} is relative; write absolute folders", root.display()));
        }
        if !(1..=3_600).contains(&self.max_seconds) {
            return Err("logs.max_seconds is out of range: write 1 to 3600".to_owned());
        }
        // Compiling the built-in ones as well would slow every start down for nothing.
        if self.patterns.is_empty() {
            return Ok(());
        }
        super::patterns::Patterns::new(super::PatternSet::Default, &self.patterns).map(|_| ()).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_tables_and_refuses_unknown_keys() {
        let text = "roots = ['/var/log']\ntimezone = 'UTC'\n[patterns]\nquota = 'quota exceeded'\n[[source]]\nname = 'app'\npaths = ['/var/log/app/*.log']\n";
        let settings: Settings = toml::from_str(text).expect("a constant");
        assert_eq!((settings.max_seconds, settings.sources[0].name.as_str()), (60, "app"));
        assert!(toml::from_str::<Settings>("rots = []").is_err());
    }
}
