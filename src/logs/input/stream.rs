//! The decoded bytes of a file as a reader: what every decoder has in common.
//!
//! Gives out all that could be decoded before it says what is wrong, says that again when asked again, and turns a decoder's panic
//! into damage of the data.

use std::io::{self, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Compression, Encoding, Kind, MOST_WINDOW_BYTES,
    bzip2::Bzip2,
    front::{Front, Source},
    gzip::Gzip,
    utf16::Utf16,
    xz::Xz,
    zstd::Zstd,
};

/// Bytes that one read gives at most.
pub(super) const MOST_OUT_BYTES: usize = 1 << 20;

/// Steps in one read that may give nothing. A step reads 128 KiB at most (of xz: [`super::xz`] says how much), so that a file of
/// nothing but empty frames does not keep its caller from looking at the clock.
const IDLE_STEPS: usize = 16;

/// What a step of decoding brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes, more than none.
    Gave(usize),
    /// No bytes yet.
    Working,
    /// There are no more.
    End,
}

/// Why decoding cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends before the data does.
    Ends,
    /// The data is not what it says to be.
    Damaged,
    /// It needs so much memory, or more than the limit where that is all that is known.
    TooLarge(Option<u64>),
    /// It needs what we do not have.
    Needs(&'static str),
    /// The system failed to read.
    Io(ErrorKind, String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind(), error.to_string())
    }
}

impl Fault {
    fn told(&self, compression: Compression, decoded: u64) -> io::Error {
        let name = compression.name();
        let invalid = |text: String| io::Error::new(ErrorKind::InvalidData, text);
        let limit = MOST_WINDOW_BYTES >> 20;
        match self {
            Self::Ends => io::Error::new(ErrorKind::UnexpectedEof, format!("the {name} data ends in the middle, after {decoded} decoded bytes")),
            Self::Damaged => invalid(format!("the {name} data is damaged after {decoded} decoded bytes")),
            Self::TooLarge(Some(needed)) => {
                invalid(format!("decompressing the {name} data needs a window of {} MiB; the limit is {limit} MiB", needed.div_ceil(1 << 20)))
            }
            Self::TooLarge(None) => invalid(format!("decompressing the {name} data needs more memory than the limit of {limit} MiB")),
            Self::Needs(what) => invalid(format!("decompressing the {name} data needs {what}")),
            Self::Io(kind, text) => io::Error::new(*kind, text.clone()),
        }
    }
}

/// Turns the bytes of a file into others.
pub(super) trait Decoder: Send {
    /// Does a bounded piece of the work; `out` has room. After a fault it is not called again.
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault>;
}

struct Plain(Front);

impl Decoder for Plain {
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault> {
        Ok(match self.0.read_through(out)? {
            0 => Step::End,
            read => Step::Gave(read),
        })
    }
}

/// The decoder with what it said last.
pub(super) struct Unpacked {
    decoder: Box<dyn Decoder>,
    compression: Compression,
    decoded: u64,
    over: Option<Option<Fault>>,
}

impl Unpacked {
    fn over(&mut self, fault: Option<Fault>) -> io::Result<usize> {
        let told = fault.as_ref().map(|fault| fault.told(self.compression, self.decoded));
        self.over = Some(fault);
        told.map_or(Ok(0), Err)
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(fault) = &self.over {
            return fault.as_ref().map_or(Ok(0), |fault| Err(fault.told(self.compression, self.decoded)));
        }
        let most = out.len().min(MOST_OUT_BYTES);
        for _ in 0..IDLE_STEPS {
            // The decoders are other people's: what makes one panic has damaged data.
            let step = catch_unwind(AssertUnwindSafe(|| self.decoder.step(&mut out[..most]))).unwrap_or(Err(Fault::Damaged));
            match step {
                Ok(Step::Gave(bytes)) => {
                    self.decoded += bytes as u64;
                    return Ok(bytes);
                }
                Ok(Step::Working) => {}
                Ok(Step::End) => return self.over(None),
                Err(fault) => return self.over(Some(fault)),
            }
        }
        Err(io::Error::new(ErrorKind::Interrupted, "nothing has been decoded yet; read on"))
    }
}

enum Layers {
    Bytes(Unpacked),
    Text(Utf16<Unpacked>),
}

/// The decoded bytes of a file, as UTF-8 where they said that they were UTF-16. A read gives 1 MiB at most and may say
/// [`ErrorKind::Interrupted`] to let its caller look at the clock. A failure comes after all that could be decoded.
pub(crate) struct Stream {
    layers: Layers,
    consumed: Arc<AtomicU64>,
}

impl Stream {
    pub(super) fn new(source: &Arc<Source>, kind: Kind) -> Self {
        let consumed = Arc::default();
        let front = Front::new(source, &consumed);
        let decoder: Box<dyn Decoder> = match kind.compression {
            Compression::Plain => Box::new(Plain(front)),
            Compression::Gzip => Box::new(Gzip::new(front)),
            Compression::Zstd => Box::new(Zstd::new(front)),
            Compression::Bzip2 => Box::new(Bzip2::new(front)),
            Compression::Xz => Box::new(Xz::new(front)),
        };
        let unpacked = Unpacked { decoder, compression: kind.compression, decoded: 0, over: None };
        let layers = match kind.encoding {
            Encoding::Utf8 => Layers::Bytes(unpacked),
            Encoding::Utf16Le => Layers::Text(Utf16::new(unpacked, false)),
            Encoding::Utf16Be => Layers::Text(Utf16::new(unpacked, true)),
        };
        Self { layers, consumed }
    }

    /// Bytes on disk consumed so far, for progress.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.layers {
            Layers::Bytes(unpacked) => unpacked.read(out),
            Layers::Text(text) => text.read(out),
        }
    }
}
