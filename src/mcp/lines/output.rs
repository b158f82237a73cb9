//! Writes lines, many at once.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};

/// Written at once.
pub(super) const CHUNK: usize = 64 << 10;
/// How many stretches of memory are kept for what is to be written next.
const MOST_SPARE: usize = 4;

/// Writes until nobody sends any more.
pub(super) async fn write(mut output: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Vec<u8>>, spare: Spare) -> io::Result<()> {
    let mut all = Vec::with_capacity(CHUNK);
    while let Some(lines) = waiting.recv().await {
        let mut next = Some(lines);
        while let Some(bytes) = next {
            let long = bytes.len() > CHUNK / 2;
            if long || all.len() + bytes.len() > CHUNK {
                output.write_all(&all).await?;
                all.clear();
            }
            if long {
                output.write_all(&bytes).await?;
            } else {
                all.extend_from_slice(&bytes);
            }
            spare.give(bytes);
            next = waiting.try_recv().ok();
        }
        output.write_all(&all).await?;
        all.clear();
        output.flush().await?;
    }
    Ok(())
}

/// Memory that was written from and may be written to again: the allocator would keep ever more of it, since another thread gives it back.
#[derive(Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn give(&self, mut bytes: Vec<u8>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_SPARE && (CHUNK..=4 * CHUNK).contains(&bytes.capacity()) {
            bytes.clear();
            all.push(bytes);
        }
    }

    pub(super) fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(CHUNK + CHUNK / 2))
    }
}
