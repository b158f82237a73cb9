//! Gzip: members one after the other. What follows the last one and is none is ignored, as gzip does.

use flate2::{Decompress, FlushDecompress, Status};

use super::front::Front;
use super::stream::{Decoder, Fault, Step};

/// Logarithm of the largest window that deflate has.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip {
    front: Front,
    /// The member that is being read.
    member: Option<Decompress>,
    /// What is to be said once all is given out.
    fault: Option<Fault>,
}

impl Gzip {
    pub(super) fn new(front: Front) -> Self {
        Self { front, member: None, fault: None }
    }

    fn next_member(&mut self) -> Result<Step, Fault> {
        if !self.front.peek(2)?.starts_with(&[0x1f, 0x8b]) {
            return Ok(Step::End);
        }
        // Checks header, checksum and length itself.
        self.member = Some(Decompress::new_gzip(WINDOW_BITS));
        Ok(Step::Working)
    }
}

impl Decoder for Gzip {
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let Some(member) = &mut self.member else { return self.next_member() };
        let input = self.front.some()?;
        let at_end = input.is_empty();
        let (read_before, given_before) = (member.total_in(), member.total_out());
        let result = member.decompress(input, out, FlushDecompress::None);
        let read = usize::try_from(member.total_in() - read_before).unwrap_or_default();
        let given = usize::try_from(member.total_out() - given_before).unwrap_or_default();
        self.front.take(read);
        match result {
            Ok(Status::StreamEnd) => self.member = None,
            Ok(_) if given == 0 && at_end => return Err(Fault::Ends),
            Ok(_) if given == 0 && read == 0 => return Err(Fault::Damaged),
            Ok(_) => {}
            Err(_) if given == 0 => return Err(Fault::Damaged),
            Err(_) => self.fault = Some(Fault::Damaged),
        }
        Ok(if given == 0 { Step::Working } else { Step::Gave(given) })
    }
}
