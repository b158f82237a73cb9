//! Xz: streams one after the other, with padding in between.

use std::io::Read as _;

use lzma_rust2::{XzReader, lzma2_get_memory_usage};

use super::MOST_WINDOW_BYTES;
use super::front::Front;
use super::stream::{Decoder, Fault, Step};

/// What a stream begins with.
const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Length of what precedes the first block.
const STREAM_HEADER_BYTES: usize = 12;

/// Length of the longest block header.
const MOST_BLOCK_HEADER_BYTES: usize = 1_024;

/// The identity of the filter whose dictionary is what needs memory.
const LZMA2: u64 = 0x21;

/// The decoder loses what it decoded in the call that fails, so that it is called for little at a time.
const PIECE_BYTES: usize = 1 << 10;

/// What may be read in one step. The 1 MiB that it gives needs little more; the rest is for the index, 2 to 18 bytes a block, which is
/// read in one go. An index without end or nothing but empty blocks would else keep the caller waiting.
const MOST_READ_FOR_A_STEP: u64 = 64 << 20;

pub(super) struct Xz {
    state: State,
    /// What is to be said once all is given out.
    fault: Option<Fault>,
}

enum State {
    Between(Front),
    Within(Box<XzReader<Front>>),
    /// Only while one becomes the other.
    Moving,
}

impl Xz {
    pub(super) fn new(front: Front) -> Self {
        Self { state: State::Between(front), fault: None }
    }

    fn piece(reader: &mut XzReader<Front>, out: &mut [u8]) -> Result<usize, Fault> {
        reader.read(out).map_err(|error| match error.kind() {
            std::io::ErrorKind::OutOfMemory => Fault::TooLarge(None),
            std::io::ErrorKind::Unsupported => Fault::Needs("a filter or check that is not supported"),
            _ => reader.inner_mut().fault(),
        })
    }
}

impl Decoder for Xz {
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Between(mut front) => {
                let begins = begin(&mut front)?;
                match begins {
                    Step::Gave(_) => {
                        let limit = lzma2_get_memory_usage(u32::try_from(MOST_WINDOW_BYTES).unwrap_or(u32::MAX));
                        self.state = State::Within(Box::new(XzReader::new_mem_limit(front, false, limit)));
                    }
                    Step::Working | Step::End => self.state = State::Between(front),
                }
                Ok(if begins == Step::End { Step::End } else { Step::Working })
            }
            State::Within(mut reader) => {
                reader.inner_mut().allow(MOST_READ_FOR_A_STEP);
                let mut given = 0;
                while given < out.len() {
                    let end = out.len().min(given + PIECE_BYTES);
                    match Self::piece(&mut reader, &mut out[given..end]) {
                        Ok(0) => {
                            self.state = State::Between(reader.into_inner());
                            return Ok(if given == 0 { Step::Working } else { Step::Gave(given) });
                        }
                        Ok(read) => given += read,
                        Err(fault) if given == 0 => return Err(fault),
                        Err(fault) => {
                            self.fault = Some(fault);
                            break;
                        }
                    }
                }
                self.state = State::Within(reader);
                Ok(Step::Gave(given))
            }
            State::Moving => Err(Fault::Damaged),
        }
    }
}

/// Looks for the next stream: `Gave` when one begins here, `Working` after some padding, `End` at the end.
fn begin(front: &mut Front) -> Result<Step, Fault> {
    let ahead = front.peek(STREAM_HEADER_BYTES + MOST_BLOCK_HEADER_BYTES)?;
    let padding = ahead.iter().take_while(|byte| **byte == 0).count();
    if padding > 0 {
        front.take(padding);
        return Ok(Step::Working);
    }
    if ahead.is_empty() {
        return Ok(Step::End);
    }
    if !ahead.starts_with(&MAGIC) {
        return Err(if MAGIC.starts_with(ahead) { Fault::Ends } else { Fault::Damaged });
    }
    match ahead.get(STREAM_HEADER_BYTES..).and_then(dictionary_bytes) {
        Some(needed) if needed > MOST_WINDOW_BYTES => Err(Fault::TooLarge(Some(needed))),
        _ => Ok(Step::Gave(0)),
    }
}

/// The dictionary that a block says to need; none where that cannot be told, which the decoder will find out.
fn dictionary_bytes(header: &[u8]) -> Option<u64> {
    let (size, flags) = (usize::from(*header.first()?), *header.get(1)?);
    let mut rest = header.get(2..(size + 1) * 4)?;
    for has_size in [flags & 0x40, flags & 0x80] {
        if has_size != 0 {
            number(&mut rest)?;
        }
    }
    for _ in 0..=(flags & 3) {
        let (filter, length) = (number(&mut rest)?, number(&mut rest)?);
        let (properties, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        if filter == LZMA2 {
            let code = u32::from(*properties.first()?);
            return match code {
                0..=39 => Some(u64::from(2 | (code & 1)) << (code / 2 + 11)),
                40 => Some(u64::from(u32::MAX)),
                _ => None,
            };
        }
    }
    None
}

/// A number in groups of seven bits, lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
