//! Zstandard: frames one after the other, with frames to be skipped in between.

use std::io::Read as _;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError};

use super::MOST_WINDOW_BYTES;
use super::front::Front;
use super::stream::{Decoder, Fault, Step};

/// The magic number of a frame, little endian.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An empty block that is the last of its frame, and room for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

pub(super) struct Zstd {
    front: Front,
    frame: FrameDecoder,
    in_frame: bool,
    /// What is to be said once all is given out.
    fault: Option<Fault>,
}

impl Zstd {
    pub(super) fn new(front: Front) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MOST_WINDOW_BYTES);
        Self { front, frame, in_frame: false, fault: None }
    }

    fn next_frame(&mut self) -> Result<Step, Fault> {
        match self.front.peek(8)? {
            [] => return Ok(Step::End),
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => {
                let length = u32::from_le_bytes([*a, *b, *c, *d]);
                return if self.front.skip(8 + u64::from(length)) { Ok(Step::Working) } else { Err(Fault::Ends) };
            }
            [a, b, c, d, ..] if [*a, *b, *c, *d] == MAGIC => {}
            short if short.len() < MAGIC.len() || matches!(short, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => return Err(Fault::Ends),
            _ => return Err(Fault::Damaged),
        }
        match self.frame.reset(&mut self.front) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => return Err(Fault::TooLarge(Some(requested))),
            Err(FrameDecoderError::DictNotProvided { .. }) => return Err(Fault::Needs("the dictionary that it was compressed with")),
            Err(_) => return Err(self.front.fault()),
        }
        Ok(Step::Working)
    }

    /// The last blocks stay in the decoder's window until the frame ends: ending it gives out what came before the fault.
    fn wind_up(&mut self, fault: Fault) -> Fault {
        let ended = self.frame.decode_blocks(LAST_BLOCK.as_slice(), BlockDecodingStrategy::UptoBlocks(1));
        if ended.is_ok() {
            self.fault = Some(fault.clone());
        }
        fault
    }

    fn is_intact(&self) -> bool {
        let said = self.frame.get_checksum_from_data();
        said.is_none() || said == self.frame.get_calculated_checksum()
    }
}

impl Decoder for Zstd {
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault> {
        if !self.in_frame {
            return self.next_frame();
        }
        if self.frame.can_collect() > 0 {
            let given = self.frame.read(out)?;
            return Ok(if given == 0 { Step::Working } else { Step::Gave(given) });
        }
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if self.frame.is_finished() {
            self.in_frame = false;
            return if self.is_intact() { Ok(Step::Working) } else { Err(Fault::Damaged) };
        }
        if self.frame.decode_blocks(&mut self.front, BlockDecodingStrategy::UptoBlocks(1)).is_err() {
            let fault = self.front.fault();
            let fault = self.wind_up(fault);
            return if self.fault.is_some() { Ok(Step::Working) } else { Err(fault) };
        }
        Ok(Step::Working)
    }
}
