//! What can be wrong with a configuration.

use std::path::PathBuf;

/// An error in the configuration. Shows places and names, never values: a value may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody may write it.
    #[error("{path}: everybody may write this file, and it names commands that recovery runs; run: chmod o-w {path}")]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// It says something wrong.
    #[error("{file}:{line}:{column}: {key}: {message}", key = if key.is_empty() { "syntax" } else { key })]
    Wrong {
        /// The file, or `configuration`.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The key, with its tables.
        key: String,
        /// What is wrong and what to write instead.
        message: String,
    },
}
