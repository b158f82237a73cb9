//! How many calls run at once. Reading logs keeps to a lane of its own, and so do calls that wait for an operation's end and do nothing meanwhile,
//! so that they never keep a health check or a recovery waiting.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::ToolError;

/// The limits of both lanes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls that run at once, without those that read logs.
    pub calls: usize,
    /// Calls that wait for their turn.
    pub queue: usize,
    /// Calls that read logs at once.
    pub log_calls: usize,
}

/// What kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Ordinary ones.
    Calls,
    /// Those that read logs.
    Logs,
    /// Those that wait for what another call began.
    Waiting,
}

/// A lane: room for some, a queue for some more, and a fast answer for the rest.
struct Room {
    room: Semaphore,
    places: Semaphore,
}

impl Room {
    fn new(room: usize, queue: usize) -> Self {
        Self { room: Semaphore::new(room), places: Semaphore::new(room.saturating_add(queue)) }
    }

    /// Only where nobody has to wait.
    fn enter_at_once(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let room = self.room.try_acquire().ok()?;
        Some((self.places.try_acquire().ok()?, room))
    }

    async fn enter(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), ToolError> {
        let full = || ToolError::new("busy", "too many calls are running and waiting", "wait a second and call again; nothing was done");
        let place = self.places.try_acquire().map_err(|_| full())?;
        let room = self.room.acquire().await.map_err(|_| full())?;
        Ok((place, room))
    }
}

/// The lanes of a server, over all its transports.
pub(super) struct Lanes {
    calls: Room,
    logs: Room,
    waiting: Room,
    running: AtomicUsize,
    ended: Notify,
}

/// Counts a call for as long as it is there, also while it waits.
struct Counted<'l>(&'l Lanes);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

/// A call's place; gives it back when dropped.
pub(super) struct Place<'l> {
    _held: (SemaphorePermit<'l>, SemaphorePermit<'l>),
    _counted: Counted<'l>,
}

impl Lanes {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            calls: Room::new(limits.calls, limits.queue),
            logs: Room::new(limits.log_calls, limits.queue),
            waiting: Room::new(limits.calls.saturating_add(limits.queue), 0),
            running: AtomicUsize::new(0),
            ended: Notify::new(),
        })
    }

    /// Waits for this call's turn.
    ///
    /// # Errors
    /// `busy` when even the queue is full.
    pub(super) async fn enter(&self, lane: Lane) -> Result<Place<'_>, ToolError> {
        let counted = self.counted();
        Ok(Place { _held: self.room(lane).enter().await?, _counted: counted })
    }

    /// The same for a call that does not wait; none when it would have to.
    pub(super) fn enter_at_once(&self, lane: Lane) -> Option<Place<'_>> {
        let counted = self.counted();
        Some(Place { _held: self.room(lane).enter_at_once()?, _counted: counted })
    }

    fn room(&self, lane: Lane) -> &Room {
        match lane {
            Lane::Calls => &self.calls,
            Lane::Logs => &self.logs,
            Lane::Waiting => &self.waiting,
        }
    }

    fn counted(&self) -> Counted<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        Counted(self)
    }

    /// Waits until no call runs or waits.
    pub(super) async fn quiet(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_full_lane_answers_at_once_and_leaves_the_other_alone() {
        let lanes = Lanes::new(Limits { calls: 1, queue: 1, log_calls: 1 });
        let reading = lanes.enter(Lane::Logs).await.expect("room");
        let for_queue = lanes.clone();
        let queued = tokio::spawn(async move { for_queue.enter(Lane::Logs).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(lanes.enter(Lane::Logs).await.err().map(|e| e.code), Some("busy"));
        assert!(lanes.enter(Lane::Calls).await.is_ok(), "the other lane is free");
        assert!(tokio::time::timeout(Duration::from_millis(20), lanes.quiet()).await.is_err(), "a call runs");
        drop(reading);
        assert!(queued.await.expect("no panic").is_ok(), "the queue moves up");
        lanes.quiet().await;
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let lanes = Lanes::new(Limits { calls: 1, queue: 1, log_calls: 1 });
        let running = lanes.enter(Lane::Calls).await.expect("room");
        assert!(tokio::time::timeout(Duration::from_millis(10), lanes.enter(Lane::Calls)).await.is_err(), "waits");
        drop(running);
        tokio::time::timeout(Duration::from_secs(1), lanes.quiet()).await.expect("nobody is counted who left");
        assert!(lanes.enter(Lane::Calls).await.is_ok());
    }
}
