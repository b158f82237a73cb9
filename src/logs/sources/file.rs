//! Files and globs, opened so that no caller reads what it may not and nothing but a regular file is ever read.
//!
//! A person's command line may read what the process may. A caller over MCP is held to the roots: its path must lie in one by its text,
//! and again, after all symlinks, in one by its resolved path; the last step is opened beneath that root without leaving it.
//!
//! **Invariant:** the file that is read is the one that was checked: type and place are looked at again on the open descriptor.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions as BeneathOptions, OpenOptionsExt as _},
};
use rustix::fs::OFlags;

use crate::logs::{error::LogsError, report::SkippedFile, settings::SourceSettings};
use crate::types::sanitise::sanitise_line;

/// Files that one call reads at most; each is held open.
const MOST_FILES: usize = 256;

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
    pub(crate) file: File,
    /// Its length when it was opened: what is appended later is not read. Unknown (as in /proc) is none.
    pub(crate) bytes: Option<u64>,
    /// Name of the zone of the source that it belongs to.
    pub(crate) timezone: Option<String>,
}

/// What a request leads to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<Opened>,
    pub(crate) skipped: Vec<SkippedFile>,
    seen: Vec<(u64, u64)>,
    /// Why nothing could be read, if a single reason says it best.
    problems: Vec<LogsError>,
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
            let reasons = found.skipped.iter().map(|s| format!("{}: {}", s.path, s.reason)).collect();
            let only = if found.skipped.len() == 1 { found.problems.pop() } else { None };
            return Err(only.unwrap_or(LogsError::NothingReadable { reasons }));
        }
        Ok(found)
    }

    fn source_names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }

    fn path(&self, path: &str, timezone: Option<&str>, found: &mut Found) -> Result<(), LogsError> {
        self.check_text(path)?;
        let is_there = fs::symlink_metadata(path).is_ok();
        if !is_there && path.contains(['*', '?', '[']) {
            return self.glob(path, timezone, found);
        }
        match self.open_one(Path::new(path)) {
            Ok(file) => self.keep(path, file, timezone, found)?,
            Err(Refusal::Outside) => return Err(self.outside(path)),
            Err(Refusal::Missing) => {
                let sources = if path.contains('/') { Vec::new() } else { self.source_names() };
                found.skip(path, "there is no such file");
                found.problems.push(LogsError::NotFound { path: show_path(path), sources });
            }
            Err(Refusal::Other(reason)) => found.skip(path, reason),
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
        let matches = glob::glob_with(pattern, options)
            .map_err(|e| LogsError::BadGlob { pattern: show_path(pattern), problem: format!("{} at character {}", e.msg, e.pos) })?;
        let (mut hits, mut outside) = (0_usize, 0_usize);
        for path in matches.filter_map(Result::ok) {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                found.skip(pattern, "the deadline came before all its matches were found");
                break;
            }
            hits += 1;
            if hits > MOST_FILES {
                return Err(LogsError::TooManyFiles { pattern: show_path(pattern), most: MOST_FILES });
            }
            let text = path.to_string_lossy();
            match self.open_one(&path) {
                Ok(file) => self.keep(&text, file, timezone, found)?,
                // Not by name: what lies outside is nobody's business here.
                Err(Refusal::Outside) => outside += 1,
                Err(Refusal::Missing) => found.skip(&text, "it vanished"),
                Err(Refusal::Other(reason)) => found.skip(&text, reason),
            }
        }
        if outside > 0 {
            found.skip(pattern, format!("{outside} of its matches lead out of the folders that may be read"));
        }
        if hits == 0 {
            found.skip(pattern, "the glob matches no file");
            found.problems.push(LogsError::NoMatch { pattern: show_path(pattern) });
        }
        Ok(())
    }

    fn open_one(&self, path: &Path) -> Result<File, Refusal> {
        let file = match self.access {
            Access::Anyone => open_any(path)?,
            Access::Roots(roots) => open_within(path, roots)?,
        };
        refuse_irregular(&file.metadata()?.file_type())?;
        refuse_compressed(&file)?;
        Ok(file)
    }

    fn keep(&self, path: &str, file: File, timezone: Option<&str>, found: &mut Found) -> Result<(), LogsError> {
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                found.skip(path, reason(&error));
                return Ok(());
            }
        };
        if found.files.len() == MOST_FILES {
            return Err(LogsError::TooManyFiles { pattern: show_path(path), most: MOST_FILES });
        }
        let identity = (metadata.dev(), metadata.ino());
        if let Some(at) = found.seen.iter().position(|seen| *seen == identity) {
            let first = &found.files[at].path;
            if *first != show_path(path) {
                let why = format!("it is the same file as {first}");
                found.skip(path, why);
            }
            return Ok(());
        }
        found.seen.push(identity);
        let timezone = timezone.map(str::to_owned).or_else(|| self.timezone_of(path));
        let bytes = (metadata.len() > 0).then_some(metadata.len());
        found.files.push(Opened { path: show_path(path), file, bytes, timezone });
        Ok(())
    }

    /// The zone of the first source whose paths this one matches.
    fn timezone_of(&self, path: &str) -> Option<String> {
        let matches = |pattern: &String| glob::Pattern::new(pattern).is_ok_and(|p| p.matches(path));
        self.sources.iter().find(|source| source.paths.iter().any(matches)).and_then(|source| source.timezone.clone())
    }
}

impl Found {
    fn skip(&mut self, path: &str, reason: impl Into<String>) {
        self.skipped.push(SkippedFile { path: show_path(path), reason: reason.into() });
    }
}

/// Names of files come from outside too.
fn show_path(path: &str) -> String {
    sanitise_line(path).into_owned()
}

/// Why a file was not opened.
enum Refusal {
    Missing,
    Outside,
    Other(String),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound { Self::Missing } else { Self::Other(reason(&error)) }
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "permission denied to the user that opsmedic runs as".to_owned(),
        _ => format!("it cannot be opened: {error}"),
    }
}

/// Never waits for a writer or a carrier, and takes no terminal.
fn waiting_for_nothing() -> i32 {
    (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed()
}

fn open_any(path: &Path) -> Result<File, Refusal> {
    // Before opening: to open some devices is to act on them.
    refuse_irregular(&fs::metadata(path)?.file_type())?;
    Ok(File::options().read(true).custom_flags(waiting_for_nothing()).open(path)?)
}

fn open_within(path: &Path, roots: &[PathBuf]) -> Result<File, Refusal> {
    let real = fs::canonicalize(path)?;
    let inside = roots.iter().filter_map(|root| fs::canonicalize(root).ok()).find_map(|root| {
        let beneath = real.strip_prefix(&root).ok()?.to_owned();
        Some((root, beneath))
    });
    let (root, beneath) = inside.ok_or(Refusal::Outside)?;
    if beneath.as_os_str().is_empty() {
        return Err(Refusal::Other(directory()));
    }
    let dir = Dir::open_ambient_dir(root, ambient_authority())?;
    let kind = dir.metadata(&beneath)?.file_type();
    if kind.is_dir() {
        return Err(Refusal::Other(directory()));
    }
    if !kind.is_file() {
        return Err(Refusal::Other("it is not a regular file but a FIFO, socket or device".to_owned()));
    }
    Ok(dir.open_with(&beneath, BeneathOptions::new().read(true).custom_flags(waiting_for_nothing()))?.into_std())
}

fn directory() -> String {
    "it is a directory: name its files, such as DIRECTORY/*.log".to_owned()
}

fn refuse_irregular(kind: &fs::FileType) -> Result<(), Refusal> {
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => return Err(Refusal::Other(directory())),
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Refusal::Other(format!("it is {what}, not a regular file")))
}

fn refuse_compressed(file: &File) -> Result<(), Refusal> {
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0)?;
    let with = match &magic[..read] {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [b'B', b'Z', b'h', b'1'..=b'9'] => "bzip2",
        [0xfd, b'7', b'z', b'X'] => "xz",
        _ => return Ok(()),
    };
    Err(Refusal::Other(format!("it is compressed with {with}: decompress it first")))
}

#[cfg(test)]
mod tests;
