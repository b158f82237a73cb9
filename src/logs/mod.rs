//! The log room: bytes in, findings out, in memory that does not grow with the input.
//!
//! [`scan`] cuts files into lines, [`formats`] turns lines into records, [`tally`] counts them ([`patterns`], [`templates`],
//! [`timeline`]), [`advice`] recommends, [`report`] says it. [`sources`] opens what may be opened. Knows nothing of MCP or the terminal.
//!
//! **Invariant:** log text is data of an attacker. It steers no recommendation, and leaves only in fields named `untrusted_*`, redacted
//! and sanitised before it is cut.

pub mod advice;
mod analyse;
pub mod error;
pub mod formats;
pub mod level;
pub mod patterns;
pub mod report;
mod scan;
pub mod settings;
pub mod sources;
mod tally;
mod templates;
pub mod time;
mod timeline;
pub mod window;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use error::LogsError;
pub use level::Level;
pub use patterns::PatternSet;
pub use report::Report;
pub use settings::Settings;
pub use sources::file::Access;
pub use window::Anchor;

use crate::{
    ports::{Clock, Ports},
    types::{lang::Lang, redact::Redactor, sanitise::sanitise_line},
};

/// How long beyond its deadline an analysis may take before its file system counts as hung.
const GRACE: Duration = Duration::from_secs(5);

/// What to analyse, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Files, globs and names of configured sources.
    pub paths: Vec<String>,
    /// The window's beginning, such as `2h` before the anchor; `all` for no beginning. Not together with `from`.
    pub since: Option<String>,
    /// The window's beginning as a moment, or how long before the anchor.
    pub from: Option<String>,
    /// The window's end, inclusive, likewise.
    pub to: Option<String>,
    /// What relative times are relative to.
    pub anchor: Anchor,
    /// Which reading of the error patterns.
    pub patterns: PatternSet,
    /// Zone of times that carry none, for all files of this request.
    pub timezone: Option<String>,
    /// Width of the timeline's buckets, such as `1h`; none for the finest that gives at most 80.
    pub bucket: Option<String>,
    /// Who asks.
    pub access: Access,
    /// Language of the recommendations.
    pub lang: Lang,
}

impl Request {
    /// All of these files, with the defaults.
    pub fn new(paths: Vec<String>, access: Access) -> Self {
        Self {
            paths,
            since: None,
            from: None,
            to: None,
            anchor: Anchor::Now,
            patterns: PatternSet::Default,
            timezone: None,
            bucket: None,
            access,
            lang: Lang::En,
        }
    }
}

/// How far an analysis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The file being read.
    pub path: String,
    /// Bytes read of all files.
    pub bytes: u64,
    /// Bytes to read of all files.
    pub total_bytes: u64,
}

/// One record as it was parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordOut {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// RFC 3339 in UTC; null when the line says no time.
    pub timestamp: Option<String>,
    /// Null when the line says no level.
    pub level: Option<Level>,
    /// The message, redacted and with hidden characters made visible. Text from the log.
    pub message: String,
    /// The format that read it.
    pub format: String,
}

/// The log analyser.
pub struct Logs {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    /// The user's own formats.
    own: Arc<[formats::Own]>,
    /// Compiled when first asked for: a start that reads no log should not wait for it.
    default_patterns: OnceLock<Arc<patterns::Patterns>>,
    seed_patterns: OnceLock<Arc<patterns::Patterns>>,
    block_bytes: usize,
}

impl Logs {
    /// An analyser with these settings. `redactor` knows the configured secrets.
    ///
    /// # Errors
    /// [`LogsError::BadPattern`], [`LogsError::BadFormat`] and [`LogsError::BadTimezone`] for what the settings say wrong.
    pub fn new(settings: Settings, ports: &Ports, redactor: Arc<Redactor>) -> Result<Self, LogsError> {
        for name in settings.timezones() {
            time::zone(name)?;
        }
        let own = Arc::from(formats::Own::all(&settings.formats).map_err(LogsError::BadFormat)?);
        let default_patterns = OnceLock::new();
        if !settings.patterns.is_empty() {
            let compiled = Arc::new(patterns::Patterns::new(PatternSet::Default, &settings.patterns)?);
            default_patterns.get_or_init(|| compiled);
        }
        Ok(Self {
            settings: Arc::new(settings),
            clock: Arc::clone(&ports.clock),
            redactor,
            own,
            default_patterns,
            seed_patterns: OnceLock::new(),
            block_bytes: scan::BLOCK_BYTES,
        })
    }

    /// The settings that it works with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn patterns(&self, set: PatternSet) -> Result<Arc<patterns::Patterns>, LogsError> {
        let (cell, own) = match set {
            PatternSet::Default => (&self.default_patterns, &self.settings.patterns),
            PatternSet::Seed => (&self.seed_patterns, &BTreeMap::new()),
        };
        if let Some(compiled) = cell.get() {
            return Ok(Arc::clone(compiled));
        }
        let compiled = Arc::new(patterns::Patterns::new(set, own)?);
        Ok(Arc::clone(cell.get_or_init(|| compiled)))
    }

    /// Analyses what the request names. Reading runs on a blocking thread; it stops within a block of 1 MiB when `cancel` is, when the
    /// deadline of the settings comes, or when this future is dropped, and what was read until then is reported with `partial`.
    ///
    /// `progress` is called from the reading thread after every block; it must return quickly.
    ///
    /// # Errors
    /// A request that cannot be understood, paths that may not or cannot be read, and [`LogsError::Hung`].
    pub async fn analyse(
        &self,
        request: Request,
        cancel: CancellationToken,
        progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    ) -> Result<Report, LogsError> {
        let cancel = cancel.child_token();
        let _stop_when_dropped = cancel.clone().drop_guard();
        let job = analyse::Job {
            settings: Arc::clone(&self.settings),
            patterns: self.patterns(request.patterns)?,
            own: Arc::clone(&self.own),
            redactor: Arc::clone(&self.redactor),
            now: self.clock.now(),
            cancel: cancel.clone(),
            progress,
            block_bytes: self.block_bytes,
        };
        let reading = tokio::task::spawn_blocking(move || job.run(&request));
        let patience = Duration::from_secs(self.settings.max_seconds).saturating_add(GRACE);
        let given_up = async {
            tokio::select! {
                () = tokio::time::sleep(patience) => patience,
                () = async { cancel.cancelled().await; tokio::time::sleep(GRACE).await } => GRACE,
            }
        };
        tokio::select! {
            done = reading => done.map_err(|e| LogsError::Internal(if e.is_panic() { "it panicked" } else { "it was aborted" }.to_owned()))?,
            waited = given_up => Err(LogsError::Hung { seconds: waited.as_secs() }),
        }
    }

    /// Gives each record of one file, glob or source to `each` until it breaks off. Blocks, has no deadline, and is for a person's
    /// command line: it may read any path.
    ///
    /// # Errors
    /// A path that cannot be read, a zone that is not known.
    pub fn records(&self, path: &str, timezone: Option<&str>, each: &mut dyn FnMut(RecordOut) -> ControlFlow<()>) -> Result<(), LogsError> {
        let zone = analyse::default_zone(&self.settings, timezone)?;
        let finder = sources::file::Finder { access: &Access::Anyone, sources: &self.settings.sources, deadline: None };
        for opened in finder.open(&[path.to_owned()])?.files {
            let mut reader = analyse::reader_of(&opened, timezone, &zone, &self.own)?;
            if reader.is_yearless() {
                reader.set_near(changed(&opened.file));
            }
            let enough = CancellationToken::new();
            let limits = scan::Limits { block_bytes: self.block_bytes, cancel: &enough, deadline: None };
            let mut folding = Folding::default();
            let result = scan::blocks((&opened.file).take(opened.bytes.unwrap_or(u64::MAX)), &limits, |block, _| {
                for (_, line) in scan::lines(block) {
                    if enough.is_cancelled() {
                        break;
                    }
                    let done = folding.line(&mut reader, line);
                    if done.is_some_and(|record| each(self.record_out(record)).is_break()) {
                        enough.cancel();
                    }
                }
            });
            if let Some(record) = folding.open.filter(|_| !enough.is_cancelled())
                && each(self.record_out(record)).is_break()
            {
                enough.cancel();
            }
            result.map_err(|error| LogsError::NothingReadable { reasons: vec![format!("{}: {error}", opened.path)] })?;
            if enough.is_cancelled() {
                break;
            }
        }
        Ok(())
    }

    fn record_out(&self, record: Folded) -> RecordOut {
        let Folded { line, time, level, message, format } = record;
        let message = String::from_utf8_lossy(message.trim_ascii_end());
        let message = sanitise_line(&self.redactor.redact(&message)).into_owned();
        RecordOut { line, timestamp: time.map(time::show), level, message, format }
    }
}

/// A record with all its lines.
struct Folded {
    line: u64,
    time: Option<time::Nanos>,
    level: Option<Level>,
    message: Vec<u8>,
    format: String,
}

/// Folds the lines of a file into records.
#[derive(Default)]
struct Folding {
    number: u64,
    before: Option<Vec<u8>>,
    open: Option<Folded>,
}

impl Folding {
    /// Takes a line; gives the record that it ends.
    fn line(&mut self, reader: &mut formats::LineReader, line: &[u8]) -> Option<Folded> {
        self.number += 1;
        let read = reader.read(line, self.before.as_deref());
        let done = match read {
            formats::Line::Frame => None,
            formats::Line::Head { format, record } => {
                let (time, level, message) = (record.time, record.level, record.message.into_owned());
                self.open.replace(Folded { line: self.number, time, level, message, format: reader.format_name(format).to_owned() })
            }
            formats::Line::More { text, joined } => {
                match &mut self.open {
                    Some(open) => {
                        if !joined {
                            open.message.push(b'\n');
                        }
                        open.message.extend_from_slice(&text);
                    }
                    // The beginning of a file: the rest of an earlier file's record, unless it stands by itself.
                    None if text.first().is_none_or(u8::is_ascii_whitespace) => {}
                    None => {
                        let format = reader.format_name(reader.formats().min(formats::ALL.len()) - 1).to_owned();
                        self.open = Some(Folded { line: self.number, time: None, level: None, message: text.into_owned(), format });
                    }
                }
                None
            }
        };
        self.before = Some(line.to_vec());
        done
    }
}

/// When a file was last changed.
fn changed(file: &std::fs::File) -> Option<time::Nanos> {
    let changed = file.metadata().ok()?.modified().ok()?;
    jiff::Timestamp::try_from(changed).ok().map(time::nanos)
}
