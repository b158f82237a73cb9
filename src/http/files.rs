//! Small files of the configuration that may change while the server runs.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// No such file is larger.
const MAX_BYTES: u64 = 1 << 20;

/// What changes when a file does, whether it was written, replaced by another, or had its rights changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::new(&meta))
    }

    fn new(meta: &std::fs::Metadata) -> Self {
        let (written, changed) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
        Self { device: meta.dev(), inode: meta.ino(), bytes: meta.len(), written, changed }
    }
}

/// A file's content with the rights and the stamp that it had when it was read.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) mode: u32,
    pub(super) stamp: Stamp,
}

/// Reads a regular file of at most 1 MiB.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(path: &Path) -> Result<Content, String> {
    let failed = |error: io::Error| format!("cannot be read: {error}");
    // Opening a pipe would wait for somebody who writes.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err("is larger than 1 MiB".to_owned());
    }
    Ok(Content { text, mode: meta.mode(), stamp: Stamp::new(&meta) })
}
