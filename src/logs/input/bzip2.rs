//! Bzip2: streams one after the other. What follows the last one and is none is ignored, as bzip2 does.

use bzip2::{Decompress, Status};

use super::front::Front;
use super::stream::{Decoder, Fault, Step};

pub(super) struct Bzip2 {
    front: Front,
    /// The stream that is being read.
    part: Option<Decompress>,
    /// What is to be said once all is given out.
    fault: Option<Fault>,
}

impl Bzip2 {
    pub(super) fn new(front: Front) -> Self {
        Self { front, part: None, fault: None }
    }

    fn next_part(&mut self) -> Result<Step, Fault> {
        if !self.front.peek(3)?.starts_with(b"BZh") {
            return Ok(Step::End);
        }
        self.part = Some(Decompress::new(false));
        Ok(Step::Working)
    }
}

impl Decoder for Bzip2 {
    fn step(&mut self, out: &mut [u8]) -> Result<Step, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let Some(part) = &mut self.part else { return self.next_part() };
        let input = self.front.some()?;
        let at_end = input.is_empty();
        let (read_before, given_before) = (part.total_in(), part.total_out());
        let result = part.decompress(input, out);
        let read = usize::try_from(part.total_in() - read_before).unwrap_or_default();
        let given = usize::try_from(part.total_out() - given_before).unwrap_or_default();
        self.front.take(read);
        match result {
            Ok(Status::StreamEnd) => self.part = None,
            Ok(_) if given == 0 && at_end => return Err(Fault::Ends),
            Ok(_) if given == 0 && read == 0 => return Err(Fault::Damaged),
            Ok(_) => {}
            Err(_) if given == 0 => return Err(Fault::Damaged),
            Err(_) => self.fault = Some(Fault::Damaged),
        }
        Ok(if given == 0 { Step::Working } else { Step::Gave(given) })
    }
}
