//! Reads files on several threads: each takes the next block of a file and counts it.
//!
//! Handing out is in order and quick (read, find the last record), counting is where the work is. Where a file must be decompressed, the
//! others go on with other files, or count what was decompressed before. Which thread counts what changes no result (see [`super::tally`]).

use std::io;
use std::panic::resume_unwind;
use std::sync::{
    Mutex, MutexGuard, PoisonError, TryLockError,
    atomic::{AtomicU64, Ordering},
};
use std::thread;

use super::{
    Progress,
    blocks::{Block, Bytes, Ended, Feed, Limits},
    formats::LineReader,
    groups::{Groups, MOST_BYTES_OF_A_PART},
    tally::{Counter, FileCounts, Of, Plan, Tally},
    years::Years,
};

/// How one file is read.
pub(crate) struct Part<'a> {
    /// As it is shown.
    pub(crate) path: String,
    pub(crate) reader: LineReader,
    pub(crate) years: Years,
    /// Where reading begins: at a record.
    pub(crate) start: u64,
    /// Bytes on disk that will be read, for the progress.
    pub(crate) bytes: u64,
    pub(crate) open: Box<dyn Fn() -> io::Result<Box<dyn Bytes + 'a>> + Sync + 'a>,
}

/// How reading one file went.
#[derive(Debug)]
pub(crate) struct PartOutcome {
    pub(crate) counts: FileCounts,
    /// Bytes on disk that were read.
    pub(crate) bytes: u64,
    pub(crate) cut_lines: u64,
    pub(crate) ended: Ended,
    /// What made reading fail, after `bytes`.
    pub(crate) error: Option<String>,
}

/// Reads parts. The answer is the same for any number of threads.
pub(crate) struct Engine<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) limits: Limits<'a>,
    pub(crate) threads: usize,
    pub(crate) progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
}

/// A file while it is read.
struct Feeding<'a> {
    feed: Option<Feed<'a>>,
    outcome: Option<PartOutcome>,
    error: Option<String>,
    consumed: u64,
}

/// What the threads share.
struct Shared<'p, 'a> {
    parts: &'p [Part<'a>],
    feeds: Vec<Mutex<Feeding<'a>>>,
    groups: Mutex<Groups>,
    done: AtomicU64,
    total: u64,
}

/// What one thread knows of a file.
struct Mine {
    reader: LineReader,
    counts: FileCounts,
}

impl Engine<'_> {
    /// Reads all parts, in their order as far as one thread goes.
    pub(crate) fn run(&self, parts: &[Part<'_>]) -> (Tally, Vec<PartOutcome>) {
        let feeds = parts.iter().map(|_| Mutex::new(Feeding { feed: None, outcome: None, error: None, consumed: 0 })).collect();
        let total = parts.iter().map(|part| part.bytes).sum();
        let shared = Shared { parts, feeds, groups: Mutex::new(Groups::new(self.plan.bucket)), done: AtomicU64::new(0), total };
        let works = thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|_| scope.spawn(|| self.work(&shared))).collect();
            let mut works = vec![self.work(&shared)];
            works.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
            works
        });
        let mut tally = Tally::new(self.plan);
        let mut outcomes: Vec<PartOutcome> = shared.feeds.into_iter().zip(parts).map(|(feed, part)| ended(feed, part)).collect();
        for (part, counts) in works {
            tally.merge(part);
            for (outcome, counts) in outcomes.iter_mut().zip(counts) {
                counts.into_iter().for_each(|counts| outcome.counts.merge(counts));
            }
        }
        tally.groups.take(&mut lock(&shared.groups));
        (tally, outcomes)
    }

    fn work(&self, shared: &Shared<'_, '_>) -> (Tally, Vec<Option<FileCounts>>) {
        let mut counter = Counter::new(self.plan);
        let mut mine: Vec<Option<Mine>> = shared.parts.iter().map(|_| None).collect();
        let mut block = Block::default();
        while let Some(index) = self.next(shared, &mut block) {
            let part = &shared.parts[index];
            let Mine { reader, counts } =
                mine[index].get_or_insert_with(|| Mine { reader: part.reader.clone(), counts: FileCounts::new(part.reader.formats()) });
            counter.block(&block, Of { index: u32::try_from(index).unwrap_or(u32::MAX), reader, years: &part.years, counts });
            if counter.tally.groups.bytes() > MOST_BYTES_OF_A_PART {
                lock(&shared.groups).take(&mut counter.tally.groups);
            }
            if let Some(progress) = self.progress {
                progress(Progress { path: part.path.clone(), bytes: shared.done.load(Ordering::Relaxed), total_bytes: shared.total });
            }
        }
        (counter.tally, mine.into_iter().map(|mine| mine.map(|mine| mine.counts)).collect())
    }

    /// The next block of a file that nobody else is reading from right now, or else of the first that is left.
    fn next(&self, shared: &Shared<'_, '_>, block: &mut Block) -> Option<usize> {
        for wait in [false, true] {
            let mut open = 0;
            for (index, feed) in shared.feeds.iter().enumerate() {
                // Not more files at once than threads: each holds buffers.
                if !wait && open >= self.threads {
                    break;
                }
                let mut feeding = match feed.try_lock() {
                    Ok(feeding) => feeding,
                    Err(TryLockError::WouldBlock) if !wait => {
                        open += 1;
                        continue;
                    }
                    Err(_) => lock(feed),
                };
                if feeding.outcome.is_some() {
                    continue;
                }
                if self.feed(shared, index, &mut feeding, block) {
                    return Some(index);
                }
            }
        }
        None
    }

    /// Whether the file had another block.
    fn feed<'a>(&self, shared: &Shared<'_, 'a>, index: usize, feeding: &mut Feeding<'a>, block: &mut Block) -> bool {
        let part = &shared.parts[index];
        if feeding.feed.is_none() {
            match (part.open)() {
                Ok(input) => feeding.feed = Some(Feed::new(input, part.start, part.reader.clone())),
                Err(error) => {
                    feeding.outcome = Some(outcome(part, 0, 0, Ended::Finished, Some(error.to_string())));
                    return false;
                }
            }
        }
        let Some(feed) = &mut feeding.feed else { return false };
        loop {
            let result = feed.next(block, &self.limits);
            let consumed = feed.consumed();
            shared.done.fetch_add(consumed - feeding.consumed, Ordering::Relaxed);
            feeding.consumed = consumed;
            match result {
                Ok(true) => return true,
                Ok(false) => break,
                // What came before the fault is handed out first.
                Err(error) => feeding.error = Some(error.to_string()),
            }
        }
        let ended = feed.ended.unwrap_or(Ended::Finished);
        feeding.outcome = Some(outcome(part, feeding.consumed, feed.cut_lines, ended, feeding.error.take()));
        feeding.feed = None;
        false
    }
}

fn outcome(part: &Part<'_>, bytes: u64, cut_lines: u64, ended: Ended, error: Option<String>) -> PartOutcome {
    PartOutcome { counts: FileCounts::new(part.reader.formats()), bytes, cut_lines, ended, error }
}

fn ended(feed: Mutex<Feeding<'_>>, part: &Part<'_>) -> PartOutcome {
    let feeding = feed.into_inner().unwrap_or_else(PoisonError::into_inner);
    feeding.outcome.unwrap_or_else(|| outcome(part, 0, 0, Ended::Finished, feeding.error))
}

/// A thread that panicked ends the whole analysis, so what it left half done is never used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
