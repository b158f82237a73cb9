//! What can go wrong in an analysis, told so that the caller can mend the call.

use std::path::PathBuf;

/// Why a log could not be analysed. The text never holds log text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// The request names nothing to read.
    #[error("no path was given: name a file, a glob such as /var/log/app/*.log, or a configured source ({})", listed(.sources))]
    NoPaths {
        /// Names of the configured sources.
        sources: Vec<String>,
    },
    /// A path that is not there.
    #[error("there is no file {path} (and no source of that name; configured sources: {})", listed(.sources))]
    NotFound {
        /// As asked for.
        path: String,
        /// Names of the configured sources.
        sources: Vec<String>,
    },
    /// A glob that matches nothing.
    #[error("the glob {pattern} matches no file")]
    NoMatch {
        /// As asked for.
        pattern: String,
    },
    /// A glob that cannot be read as one.
    #[error("{pattern} is not a glob: {problem}")]
    BadGlob {
        /// As asked for.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A glob that matches more files than one call reads.
    #[error("{pattern} matches more than {most} files: write a narrower glob")]
    TooManyFiles {
        /// As asked for.
        pattern: String,
        /// The limit.
        most: usize,
    },
    /// A path that the caller may not read.
    #[error("'{path}' is outside the folders that may be read: {}", listed_paths(.roots))]
    OutsideRoots {
        /// As asked for.
        path: String,
        /// The configured roots.
        roots: Vec<PathBuf>,
    },
    /// A relative path from a caller that has no working directory.
    #[error("'{path}' is neither an absolute path nor a configured source ({}); these folders may be read: {}", listed(.sources), listed_paths(.roots))]
    Relative {
        /// As asked for.
        path: String,
        /// The configured roots.
        roots: Vec<PathBuf>,
        /// Names of the configured sources.
        sources: Vec<String>,
    },
    /// `since`, `from` or `to` cannot be understood or contradict each other.
    #[error("{0}")]
    BadWindow(String),
    /// A bucket width that is none.
    #[error("{0}")]
    BadBucket(String),
    /// A zone that is not known.
    #[error("'{name}' is not a known time zone: write an IANA name such as Asia/Shanghai, UTC, or an offset such as +08:00")]
    BadTimezone {
        /// As written.
        name: String,
    },
    /// A pattern of the configuration that does not compile or has no proper name.
    #[error("logs.patterns.{name}: {problem}")]
    BadPattern {
        /// Its key.
        name: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A format of the configuration that cannot be used.
    #[error("{0}")]
    BadFormat(String),
    /// Nothing that was named could be read.
    #[error("none of the files could be read: {}", listed(.reasons))]
    NothingReadable {
        /// `path: reason`, each.
        reasons: Vec<String>,
    },
    /// The file system did not answer in time.
    #[error("reading did not come back {seconds} s after it began; is the file system hung?")]
    Hung {
        /// How long was waited.
        seconds: u64,
    },
    /// A fault of ours.
    #[error("the analysis broke off: {0}")]
    Internal(String),
}

impl LogsError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPaths { .. } | Self::BadGlob { .. } | Self::BadBucket(_) => "invalid_input",
            Self::NotFound { .. } | Self::NoMatch { .. } => "log_not_found",
            Self::TooManyFiles { .. } => "too_many_files",
            Self::OutsideRoots { .. } | Self::Relative { .. } => "outside_roots",
            Self::BadWindow(_) => "bad_window",
            Self::BadTimezone { .. } => "bad_timezone",
            Self::BadPattern { .. } => "bad_pattern",
            Self::BadFormat(_) => "bad_format",
            Self::NothingReadable { .. } => "nothing_readable",
            Self::Hung { .. } => "hung",
            Self::Internal(_) => "internal",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPaths { .. } | Self::NotFound { .. } | Self::NoMatch { .. } => "name an existing file, a glob that matches, or a configured source",
            Self::BadGlob { .. } | Self::BadBucket(_) | Self::BadWindow(_) | Self::BadTimezone { .. } => "correct the value and call again",
            Self::TooManyFiles { .. } => "narrow the glob, or make several calls",
            Self::OutsideRoots { .. } | Self::Relative { .. } => {
                "give an absolute path inside one of the folders in the message; others are opened to callers by logs.roots in the configuration"
            }
            Self::BadPattern { .. } => "a person corrects [logs.patterns] in the configuration",
            Self::BadFormat(_) => "a person corrects [[logs.format]] in the configuration",
            Self::NothingReadable { .. } => "see the reason of each file; a person may have to change its permissions",
            Self::Hung { .. } => "check the disk or network mount that holds the file, then call again",
            Self::Internal(_) => "this is a bug; the server's log has more",
        }
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn listed_paths(items: &[PathBuf]) -> String {
    if items.is_empty() {
        "none is configured; set logs.roots".to_owned()
    } else {
        items.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}
