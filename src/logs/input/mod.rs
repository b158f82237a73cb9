//! The bytes of a log file, decompressed and as UTF-8, without knowing of lines.
//!
//! [`Input`] looks at the first bytes and says how to read the rest: plain UTF-8 can be read anywhere, everything else only from the
//! front, through a [`Stream`]. Compression and encoding are told by what the bytes are, never by a file's name. A UTF-8 byte order
//! mark is left to the layer above; that of UTF-16 is part of the encoding and does not come through.
//!
//! **Invariant:** every read is positioned and ends at the length that the file had when it was opened, memory does not grow with the
//! input, each call does a bounded amount of work, and no content makes it panic.

mod bzip2;
mod front;
mod gzip;
mod stream;
mod utf16;
mod xz;
mod zstd;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::sync::Arc;

use front::Source;
pub(crate) use stream::Stream;

/// The most memory that a file may ask for as a zstd window or an xz dictionary. Everything up to `zstd -19` and `xz -8` stays below.
const MOST_WINDOW_BYTES: u64 = 32 << 20;

/// How much of the beginning tells the encoding.
const HEAD_BYTES: usize = 4 << 10;

/// Reads that may be spent on that: a file that decodes to nothing is not worth more.
const HEAD_READS: usize = 32;

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A file may begin with a frame that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // With the magic of a block or of the end, because a log could begin with `BZh1`.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// How the unpacked bytes say text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) compression: Compression,
    pub(crate) encoding: Encoding,
}

impl Kind {
    /// For reports: `plain`, `gzip`, `utf-16le`, `gzip of utf-16le`.
    pub(crate) fn name(self) -> String {
        let encoding = match self.encoding {
            Encoding::Utf8 => return self.compression.name().to_owned(),
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
        };
        match self.compression {
            Compression::Plain => encoding.to_owned(),
            packed => format!("{} of {encoding}", packed.name()),
        }
    }
}

/// The bytes of one log: plain ones can be read anywhere, others only from the front. Shared between threads by reference or `Arc`.
#[derive(Debug)]
pub(crate) struct Input {
    source: Arc<Source>,
    kind: Kind,
}

impl Input {
    /// Looks at the first bytes and says how to read the file, whose cursor is neither used nor moved. `bytes` is its length when it was
    /// opened, none if that is unknown (as in /proc): it is then read until nothing comes.
    ///
    /// # Errors
    /// What reading the first bytes says. What is packed and damaged is no error here but of its [`Stream`].
    pub(crate) fn new(file: File, bytes: Option<u64>) -> io::Result<Self> {
        let source = Arc::new(Source { file, bytes });
        let mut kind = Kind { compression: Compression::Plain, encoding: Encoding::Utf8 };
        let head = head_of(&mut Stream::new(&source, kind), true)?;
        kind.compression = Compression::of(&head);
        kind.encoding = match kind.compression {
            Compression::Plain => utf16::detect(&head),
            _ => utf16::detect(&head_of(&mut Stream::new(&source, kind), false)?),
        };
        Ok(Self { source, kind })
    }

    /// How it is read.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is plain UTF-8, so that offsets are offsets in the file and [`Self::read_at`] works.
    pub(crate) fn is_seekable(&self) -> bool {
        self.kind == Kind { compression: Compression::Plain, encoding: Encoding::Utf8 }
    }

    /// Bytes on disk when it was opened.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.source.bytes
    }

    /// Reads at an offset, as far as `bytes` go; 0 at the end. May give fewer than asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where offsets mean nothing, else what reading says.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_seekable() {
            self.source.read_at(buffer, offset)
        } else {
            Err(io::Error::new(ErrorKind::Unsupported, "it can only be read from its beginning"))
        }
    }

    /// The decoded bytes from the front. Each stream has a position and buffers of its own.
    ///
    /// # Errors
    /// None at present.
    #[expect(clippy::unnecessary_wraps, reason = "a way of reading that opens something may come")]
    pub(crate) fn stream(&self) -> io::Result<Stream> {
        Ok(Stream::new(&self.source, self.kind))
    }
}

/// The first bytes that a stream gives; fewer where decoding fails, unless that is to be told.
fn head_of(stream: &mut Stream, strict: bool) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    for _ in 0..HEAD_READS {
        match stream.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if strict => return Err(error),
            Err(_) => break,
        }
    }
    head.truncate(filled);
    Ok(head)
}

#[cfg(test)]
mod tests;
