//! Placeholder until the input layer lands.
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub(crate) struct Input {
    file: Arc<File>,
    bytes: Option<u64>,
}
pub(crate) struct Stream {
    file: Arc<File>,
    at: u64,
    end: u64,
}
impl Input {
    pub(crate) fn new(file: File, bytes: Option<u64>) -> io::Result<Self> {
        Ok(Self { file: Arc::new(file), bytes })
    }
    pub(crate) fn is_seekable(&self) -> bool {
        true
    }
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.bytes
    }
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = self.bytes.unwrap_or(u64::MAX).saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.file.read_at(&mut buffer[..most], offset)
    }
    pub(crate) fn stream(&self) -> io::Result<Stream> {
        Ok(Stream { file: Arc::clone(&self.file), at: 0, end: self.bytes.unwrap_or(u64::MAX) })
    }
}
impl Stream {
    pub(crate) fn consumed(&self) -> u64 {
        self.at
    }
}
impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = (self.end - self.at).min(buffer.len() as u64) as usize;
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
