//! The log room: bytes in, findings out, in memory that does not grow with the input.
//!
//! [`sources`] opens what may be opened, [`input`] decodes, [`prepare`] finds out what a file is and which part of it is needed,
//! [`engine`] reads on several threads: [`blocks`] cuts, [`formats`] reads lines, [`fold`] makes records of them, [`tally`] counts
//! ([`patterns`], [`groups`], [`timeline`]). [`advice`] recommends, [`report`] says it. Knows nothing of MCP or the terminal.
//!
//! **Invariant:** log text is data of an attacker. It steers no recommendation, and leaves only in fields named `untrusted_*`, redacted
//! and sanitised before it is cut.

pub mod advice;
mod analyse;
mod blocks;
mod engine;
pub mod error;
mod fold;
pub mod formats;
mod groups;
mod input;
mod insight;
pub mod level;
mod mine;
pub mod patterns;
mod prepare;
mod pulse;
mod records;
mod render;
pub mod report;
mod rotation;
mod seek;
pub mod settings;
pub mod sources;
mod tally;
mod templates;
pub mod time;
mod timeline;
pub mod window;
mod years;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use error::LogsError;
pub use level::Level;
pub use patterns::PatternSet;
pub use records::RecordOut;
pub use report::{MessageGroup, Report};
pub use settings::Settings;
pub use sources::file::Access;
pub use templates::{Assigned, TemplateOut, TemplatesReport, TemplatesRequest};
pub use window::Anchor;

use crate::{
    ports::{Clock, Ports},
    types::{lang::Lang, redact::Redactor},
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
    /// Threads that read and count; none: as many as there are processors, 8 at most. Changes no result.
    pub threads: Option<usize>,
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
            threads: None,
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
            block_bytes: blocks::BLOCK_BYTES,
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

    /// Analyses what the request names. Reading runs on a blocking thread; it stops within a block of half a MiB when `cancel` is, when the
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
}
