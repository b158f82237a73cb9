//! Tells when what is on record changes, whoever changed it: other processes write to the same store, so it is looked at, twice a second, and only
//! while somebody wants to know.
//!
//! **Invariant:** there is one poller at most, it ends with the last watcher, and a watcher is told only of what differs from what it could read.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Services, records};
use crate::{recovery::State, types::ids::OperationId};

/// How often the store is looked at while somebody watches.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many watchers there may be, over all sessions.
const MOST_WATCHERS: usize = 10_000;

/// Something on record that changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The newest recoveries.
    Recoveries,
    /// One recovery.
    Operation(OperationId),
    /// The last health report.
    Health,
}

/// How many of them one caller may have.
const MOST_OF_ONE: usize = 1_000;

/// There are too many watchers, of one caller or in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many subscriptions already: {MOST_OF_ONE} a caller, {MOST_WATCHERS} in all")]
pub struct Full;

/// What a look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Stands for the content.
    hash: u64,
    /// Whether time alone may change it: an approval runs out, a process is found to be gone.
    unsettled: bool,
}

struct Entry {
    seen: Option<Seen>,
    tell: watch::Sender<()>,
}

impl Entry {
    fn take(&mut self, now: Seen) {
        if self.seen.replace(now).map(|before| before.hash) != Some(now.hash) {
            // Nobody listening is no error.
            let _ = self.tell.send(());
        }
    }
}

#[derive(Default)]
struct Table {
    watched: HashMap<Topic, Entry>,
    polling: bool,
    of_each: HashMap<String, usize>,
}

/// Watches the store for whoever asks.
pub struct Changes {
    services: Arc<Services>,
    table: Mutex<Table>,
    /// One look at a time, so that an older one never counts as news.
    turn: tokio::sync::Mutex<()>,
    places: Arc<Semaphore>,
}

/// Waits for changes of one topic. Dropped, it watches no more.
pub struct Watcher {
    changed: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
    _own: Own,
}

/// One of a caller's watches.
struct Own {
    changes: Arc<Changes>,
    owner: String,
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut table = self.changes.table();
        if let Some(count) = table.of_each.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                table.of_each.remove(&self.owner);
            }
        }
    }
}

impl Watcher {
    /// Waits for the next change; several since the last call are one.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The sender lives as long as a receiver does; without it there is nothing to tell any more.
            std::future::pending().await
        }
    }
}

impl Changes {
    /// A watch that nobody has asked for anything yet.
    pub fn new(services: Arc<Services>) -> Arc<Self> {
        Arc::new(Self { services, table: Mutex::default(), turn: tokio::sync::Mutex::default(), places: Arc::new(Semaphore::new(MOST_WATCHERS)) })
    }

    fn own(self: &Arc<Self>, owner: &str) -> Result<Own, Full> {
        let mut table = self.table();
        let count = table.of_each.entry(owner.to_owned()).or_default();
        if *count >= MOST_OF_ONE {
            return Err(Full);
        }
        *count += 1;
        Ok(Own { changes: self.clone(), owner: owner.to_owned() })
    }

    /// Watches a topic for a caller from now on: what is on record at this moment is no change.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn watch(self: &Arc<Self>, topic: Topic, owner: &str) -> Result<Watcher, Full> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Full)?;
        let own = self.own(owner)?;
        let _turn = self.turn.lock().await;
        let now = look(&self.services, &topic).await;
        let mut table = self.table();
        let entry = table.watched.entry(topic).or_insert_with(|| Entry { seen: None, tell: watch::channel(()).0 });
        match now {
            Some(now) if entry.tell.is_closed() => entry.seen = Some(now),
            // Who watched before is told now rather than at the next look.
            Some(now) => entry.take(now),
            None => {}
        }
        let changed = entry.tell.subscribe();
        if !table.polling {
            table.polling = true;
            tokio::spawn(self.clone().poll());
        }
        Ok(Watcher { changed, _place: place, _own: own })
    }

    /// How many watch.
    #[cfg(test)]
    fn watchers(&self) -> usize {
        MOST_WATCHERS - self.places.available_permits()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn poll(self: Arc<Self>) {
        // Every write of an operation adds a line to the audit, so its end tells whether anything needs to be read.
        let mut audited = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(topics) = self.topics() else { return };
            let _turn = self.turn.lock().await;
            let end = match topics.iter().any(|(topic, _)| *topic != Topic::Health) {
                true => self.services.recovery.audit(None, 1).await.ok().map(|lines| lines.first().map_or(0, |line| line.number)),
                false => None,
            };
            let still = end.is_some() && end == audited;
            for (topic, seen) in topics {
                if topic != Topic::Health && still && seen.is_some_and(|seen| !seen.unsettled) {
                    continue;
                }
                if let Some(now) = look(&self.services, &topic).await
                    && let Some(entry) = self.table().watched.get_mut(&topic)
                {
                    entry.take(now);
                }
            }
            audited = end;
        }
    }

    /// What is still watched; none when nothing is, and then the poller has ended.
    fn topics(&self) -> Option<Vec<(Topic, Option<Seen>)>> {
        let mut table = self.table();
        table.watched.retain(|_, entry| !entry.tell.is_closed());
        if table.watched.is_empty() {
            table.polling = false;
            return None;
        }
        Some(table.watched.iter().map(|(topic, entry)| (topic.clone(), entry.seen)).collect())
    }
}

/// How a topic is now; none when it cannot be read, which is no change.
async fn look(services: &Services, topic: &Topic) -> Option<Seen> {
    match topic {
        Topic::Recoveries => {
            let lines = records::recoveries(services).await.ok()?;
            Some(Seen { hash: hash(&lines)?, unsettled: lines.iter().any(|line| unsettled(line.state)) })
        }
        Topic::Operation(id) => {
            let operation = services.recovery.get(id).await.ok()?;
            Some(Seen { hash: hash(&operation)?, unsettled: unsettled(operation.state) })
        }
        Topic::Health => Some(Seen { hash: hash(&records::last_health(services).await.ok()?)?, unsettled: false }),
    }
}

fn unsettled(state: State) -> bool {
    !state.is_final()
}

fn hash(content: &impl Serialize) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(content).ok()?.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, env::Env};

    fn services(folder: &std::path::Path) -> Arc<Services> {
        let text = format!("[store]\npath = '{}'\n", folder.join("store.db").display());
        let config = Config::parse(&text, None, &Env::default()).expect("a valid configuration");
        crate::app::build(config, crate::app::Options::default()).expect("builds").services
    }

    async fn told(watcher: &mut Watcher, within: Duration) -> bool {
        tokio::time::timeout(within, watcher.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_watcher_is_told_once_of_each_change_and_of_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let services = services(folder.path());
        let changes = Changes::new(services.clone());
        services.health.check(&[]).await.expect("checks");
        let mut first = changes.watch(Topic::Health, "somebody").await.expect("room");
        assert!(!told(&mut first, 3 * INTERVAL).await, "what was there before is no change");
        services.health.check(&[]).await.expect("checks");
        // A late watcher can read the second report, and is told of none before the third.
        let mut late = changes.watch(Topic::Health, "somebody").await.expect("room");
        let mut recoveries = changes.watch(Topic::Recoveries, "somebody").await.expect("room");
        assert!(told(&mut first, 3 * INTERVAL).await);
        assert!(!told(&mut first, 3 * INTERVAL).await && !told(&mut late, INTERVAL).await);
        services.health.check(&[]).await.expect("checks");
        assert!(told(&mut first, 3 * INTERVAL).await && told(&mut late, 3 * INTERVAL).await);
        assert!(!told(&mut recoveries, INTERVAL).await, "another topic");
    }

    #[tokio::test]
    async fn the_poller_ends_with_the_last_watcher_and_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let services = services(folder.path());
        let changes = Changes::new(services.clone());
        let watchers = [changes.watch(Topic::Health, "somebody").await.expect("room"), changes.watch(Topic::Recoveries, "somebody").await.expect("room")];
        let state = |changes: &Changes| {
            let table = changes.table();
            (table.watched.len(), table.polling)
        };
        assert_eq!((changes.watchers(), state(&changes)), (2, (2, true)));
        drop(watchers);
        tokio::time::sleep(3 * INTERVAL).await;
        assert_eq!((changes.watchers(), state(&changes)), (0, (0, false)));
        assert_eq!(Arc::strong_count(&changes), 1, "nothing is left behind");
        let mut again = changes.watch(Topic::Health, "somebody").await.expect("room");
        services.health.check(&[]).await.expect("checks");
        assert!(told(&mut again, 3 * INTERVAL).await);
    }
}
