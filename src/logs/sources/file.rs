//! Files and globs, opened so that no caller reads what it may not and nothing but a regular file is ever read.
//!
//! A person's command line may read what the process may. A caller over MCP is held to the roots: its path must lie in one by its text,
//! and again, after all symlinks, in one by its resolved path. [`super::open`] opens what passed.
//!
//! **Invariant:** a name that a glob found is of somebody else's making: it is sanitised, marked as found, and in no text that a caller
//! is to trust.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::open::{Refusal, leads_out, open, reason};
use crate::logs::{error::LogsError, report::SkippedFile, settings::SourceSettings};
use crate::types::sanitise::sanitise_line;

/// Files that one call reads at most; each is held open.
const MOST_FILES: usize = 256;

/// The kernel takes no longer path.
const MOST_PATH_BYTES: usize = 4_095;

/// So much is shown of a path that is longer than that.
const SHOWN_OF_LONG_PATHS: usize = 200;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A person's command line: any path.
    Anyone,
    /// A caller that may read only inside these folders.
    Roots(Vec<PathBuf>),
}

/// A regular file, open for reading.
pub(crate) struct Opened {
    /// As it is shown.
    pub(crate) path: String,
    /// Whether the path was written by who asks or by the configuration; else a glob found it, and its name is somebody else's.
    pub(crate) named: bool,
    pub(crate) file: File,
    /// Its length when it was opened: what is appended later is not read. Unknown (as in /proc) is none.
    pub(crate) bytes: Option<u64>,
    /// When it was last written to.
    pub(crate) modified: Option<Timestamp>,
    /// Name of the zone of the source that it belongs to.
    pub(crate) timezone: Option<String>,
}

/// A file that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// As it is shown.
    pub(crate) path: String,
    /// As in [`Opened`].
    pub(crate) named: bool,
    /// Why. Holds no name that a glob found.
    pub(crate) reason: String,
}

impl From<Skipped> for SkippedFile {
    fn from(Skipped { path, reason, .. }: Skipped) -> Self {
        Self { untrusted_path: path, reason }
    }
}

/// What a request leads to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<Opened>,
    pub(crate) skipped: Vec<Skipped>,
    seen: Vec<(u64, u64)>,
    /// Why nothing could be read, if a single reason says it best.
    problems: Vec<LogsError>,
}

/// A path of a request, or one that its glob found.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// What the request says: the path, or the glob.
    text: &'a str,
    /// The path.
    path: &'a str,
    named: bool,
    timezone: Option<&'a str>,
}

/// Finds files for requests.
pub(crate) struct Finder<'a> {
    pub(crate) access: &'a Access,
    pub(crate) sources: &'a [SourceSettings],
    pub(crate) deadline: Option<Instant>,
}

impl Finder<'_> {
    /// Opens all that the paths, globs and source names lead to. Blocks.
    ///
    /// # Errors
    /// A path outside the roots or relative to nothing, a bad glob, and when nothing at all can be read. What else cannot be read is
    /// listed as skipped.
    pub(crate) fn open(&self, paths: &[String]) -> Result<Found, LogsError> {
        let mut found = Found::default();
        if paths.is_empty() {
            return Err(LogsError::NoPaths { sources: self.source_names() });
        }
        for path in paths {
            if let Some(source) = self.sources.iter().find(|source| source.name == *path) {
                for inner in &source.paths {
                    self.path(inner, source.timezone.as_deref(), &mut found)?;
                }
            } else {
                self.path(path, None, &mut found)?;
            }
        }
        if found.files.is_empty() {
            let only = if found.skipped.len() == 1 { found.problems.pop() } else { None };
            return Err(only.unwrap_or_else(|| LogsError::NothingReadable { reasons: self.reasons(&found.skipped) }));
        }
        Ok(found)
    }

    /// Why each file was skipped; a caller that is no person gets no names that globs found in the text of an error.
    fn reasons(&self, skipped: &[Skipped]) -> Vec<String> {
        let tells_all = *self.access == Access::Anyone;
        let (told, counted): (Vec<_>, Vec<_>) = skipped.iter().partition(|skipped| skipped.named || tells_all);
        let mut reasons: Vec<String> = told.into_iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason)).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        counted.into_iter().for_each(|skipped| *counts.entry(&skipped.reason).or_default() += 1);
        reasons.extend(counts.into_iter().map(|(reason, count)| format!("{count} of the files that globs found: {reason}")));
        reasons
    }

    fn source_names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }

    fn path(&self, path: &str, timezone: Option<&str>, found: &mut Found) -> Result<(), LogsError> {
        self.check_text(path)?;
        let asked = Asked { text: path, path, named: true, timezone };
        if let Some(problem) = no_path(path) {
            found.skip(asked, problem);
            return Ok(());
        }
        let is_there = fs::symlink_metadata(path).is_ok();
        if !is_there && path.contains(['*', '?', '[']) {
            return self.glob(path, timezone, found);
        }
        match open(Path::new(path), self.access) {
            Ok(file) => self.keep(asked, file, found)?,
            Err(Refusal::Outside) => return Err(self.outside(path)),
            Err(Refusal::Missing) => {
                let sources = if path.contains('/') { Vec::new() } else { self.source_names() };
                found.skip(asked, "there is no such file");
                found.problems.push(LogsError::NotFound { path: show_path(path), sources });
            }
            Err(Refusal::Other(reason)) => found.skip(asked, reason),
        }
        Ok(())
    }

    fn outside(&self, path: &str) -> LogsError {
        let roots = if let Access::Roots(roots) = self.access { roots.clone() } else { Vec::new() };
        LogsError::OutsideRoots { path: show_path(path), roots }
    }

    /// Before the file system is asked anything: the path lies in a root by its text.
    fn check_text(&self, path: &str) -> Result<(), LogsError> {
        let Access::Roots(roots) = self.access else { return Ok(()) };
        let text = Path::new(path);
        if !text.is_absolute() {
            return Err(LogsError::Relative { path: show_path(path), roots: roots.clone(), sources: self.source_names() });
        }
        let climbs = text.components().any(|c| matches!(c, Component::ParentDir));
        let inside = |root: &PathBuf| text.starts_with(root) || fs::canonicalize(root).is_ok_and(|real| text.starts_with(real));
        if climbs || !roots.iter().any(inside) { Err(self.outside(path)) } else { Ok(()) }
    }

    fn glob(&self, pattern: &str, timezone: Option<&str>, found: &mut Found) -> Result<(), LogsError> {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
        let whole = Asked { text: pattern, path: pattern, named: true, timezone };
        if let Access::Roots(roots) = self.access
            && leads_out(literal_part(pattern), roots)
        {
            return Err(self.outside(pattern));
        }
        let matches = glob::glob_with(pattern, options)
            .map_err(|e| LogsError::BadGlob { pattern: show_path(pattern), problem: format!("{} at character {}", e.msg, e.pos) })?;
        let (mut hits, mut outside) = (0_usize, 0_usize);
        for path in matches.filter_map(Result::ok) {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                found.skip(whole, "the deadline came before all its matches were found");
                break;
            }
            hits += 1;
            if hits > MOST_FILES {
                return Err(LogsError::TooManyFiles { pattern: show_path(pattern), most: MOST_FILES });
            }
            let text = path.to_string_lossy();
            let each = Asked { path: &text, named: false, ..whole };
            match open(&path, self.access) {
                Ok(file) => self.keep(each, file, found)?,
                // Not by name: what lies outside is nobody's business here.
                Err(Refusal::Outside) => outside += 1,
                Err(Refusal::Missing) => found.skip(each, "it vanished"),
                Err(Refusal::Other(reason)) => found.skip(each, reason),
            }
        }
        if outside > 0 {
            found.skip(whole, format!("{outside} of its matches lead out of the folders that may be read"));
        }
        if hits == 0 {
            found.skip(whole, "the glob matches no file");
            found.problems.push(LogsError::NoMatch { pattern: show_path(pattern) });
        }
        Ok(())
    }

    fn keep(&self, asked: Asked<'_>, file: File, found: &mut Found) -> Result<(), LogsError> {
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                found.skip(asked, reason(&error));
                return Ok(());
            }
        };
        let path = show_path(asked.path);
        let identity = (metadata.dev(), metadata.ino());
        if let Some(at) = found.seen.iter().position(|seen| *seen == identity) {
            let first = &mut found.files[at];
            if first.path == path {
                first.named |= asked.named;
            } else {
                let why = if first.named { format!("it is the same file as {}", first.path) } else { "it is the same file as another one".to_owned() };
                found.skip(asked, why);
            }
            return Ok(());
        }
        if found.files.len() == MOST_FILES {
            return Err(LogsError::TooManyFiles { pattern: show_path(asked.text), most: MOST_FILES });
        }
        found.seen.push(identity);
        let timezone = asked.timezone.map(str::to_owned).or_else(|| self.timezone_of(asked.path));
        let bytes = (metadata.len() > 0).then_some(metadata.len());
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        found.files.push(Opened { path, named: asked.named, file, bytes, modified, timezone });
        Ok(())
    }

    /// The zone of the first source whose paths this one matches.
    fn timezone_of(&self, path: &str) -> Option<String> {
        let matches = |pattern: &String| glob::Pattern::new(pattern).is_ok_and(|p| p.matches(path));
        self.sources.iter().find(|source| source.paths.iter().any(matches)).and_then(|source| source.timezone.clone())
    }
}

impl Found {
    fn skip(&mut self, asked: Asked<'_>, reason: impl Into<String>) {
        self.skipped.push(Skipped { path: show_path(asked.path), named: asked.named, reason: reason.into() });
    }
}

/// Why a text can be no path at all.
fn no_path(text: &str) -> Option<String> {
    match text.len() {
        0 => Some("the path is empty".to_owned()),
        _ if text.contains('\0') => Some("a path cannot contain a NUL byte".to_owned()),
        long if long > MOST_PATH_BYTES => Some(format!("a path has at most {MOST_PATH_BYTES} bytes, and this one {long}")),
        _ => None,
    }
}

/// The folders of a glob that it names without a wildcard.
fn literal_part(pattern: &str) -> &Path {
    let before = pattern.find(['*', '?', '[']).map_or(pattern, |at| &pattern[..at]);
    Path::new(before.rfind('/').map_or("", |at| &before[..=at]))
}

/// Names of files come from outside too. What is too long to be a path is not shown in full.
fn show_path(path: &str) -> String {
    if path.len() <= MOST_PATH_BYTES {
        return sanitise_line(path).into_owned();
    }
    let shown: String = path.chars().take(SHOWN_OF_LONG_PATHS).collect();
    format!("{}... ({} bytes)", sanitise_line(&shown), path.len())
}

#[cfg(test)]
mod tests;
