//! The full results behind shortened answers, kept in memory for a while.
//!
//! **Invariant:** a result is given only to whom it was made for, and what is kept is bounded in number, size and age.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::types::bound;

/// How many results are kept.
const MOST: usize = 256;
/// How many bytes they have together.
const MOST_BYTES: usize = 32 << 20;
/// How many bytes one may have.
const MOST_BYTES_EACH: usize = 8 << 20;
/// How long each is kept.
const AGE: Duration = Duration::from_secs(30 * 60);

/// A result as it is read.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// All of it, redacted and sanitised.
    pub(super) text: Arc<str>,
    /// Of what kind.
    pub(super) mime_type: &'static str,
    /// How long it is still kept.
    pub(super) left: Duration,
}

struct Entry {
    id: String,
    owner: String,
    text: Arc<str>,
    mime_type: &'static str,
    since: Instant,
}

/// The results of all principals.
pub(super) struct Kept {
    /// Oldest first.
    entries: Mutex<VecDeque<Entry>>,
    age: Duration,
}

impl Default for Kept {
    fn default() -> Self {
        Self { entries: Mutex::default(), age: AGE }
    }
}

impl Kept {
    /// Keeps a result for this principal, and gives its id, which nobody can guess.
    pub(super) fn put(&self, owner: &str, text: String, mime_type: &'static str) -> String {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let text: Arc<str> = if text.len() > MOST_BYTES_EACH { bound::cut(&text, MOST_BYTES_EACH).into() } else { text.into() };
        let mut entries = self.entries();
        entries.push_back(Entry { id: id.clone(), owner: owner.to_owned(), text, mime_type, since: Instant::now() });
        while entries.len() > MOST || entries.iter().map(|entry| entry.text.len()).sum::<usize>() > MOST_BYTES {
            let gone = oldest_of_the_largest(&entries);
            entries.remove(gone);
        }
        id
    }

    /// A result of this principal; somebody else's is as if it were not there.
    pub(super) fn get(&self, owner: &str, id: &str) -> Option<Whole> {
        let entries = self.entries();
        let entry = entries.iter().find(|entry| entry.id == id && entry.owner == owner)?;
        Some(Whole { text: entry.text.clone(), mime_type: entry.mime_type, left: self.age.saturating_sub(entry.since.elapsed()) })
    }

    /// The ids of this principal's results, newest first.
    pub(super) fn ids(&self, owner: &str) -> Vec<String> {
        self.entries().iter().rev().filter(|entry| entry.owner == owner).map(|entry| entry.id.clone()).collect()
    }

    /// Without those that are too old.
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        while entries.front().is_some_and(|entry| entry.since.elapsed() >= self.age) {
            entries.pop_front();
        }
        entries
    }
}

/// Who keeps most loses first, so that nobody can push out what is others'.
fn oldest_of_the_largest(entries: &VecDeque<Entry>) -> usize {
    let mut shares: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        *shares.entry(&entry.owner).or_default() += entry.text.len().max(MOST_BYTES / MOST);
    }
    let largest = shares.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(owner, _)| owner);
    entries.iter().position(|entry| Some(entry.owner.as_str()) == largest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_is_there_for_its_principal_only() {
        let kept = Kept::default();
        let (mine, other) = (kept.put("alice", "one".into(), "text/plain"), kept.put("bob", "two".into(), "text/plain"));
        assert_eq!(kept.get("alice", &mine).map(|whole| whole.text.to_string()).as_deref(), Some("one"));
        assert!(kept.get("bob", &mine).is_none() && kept.get("alice", &other).is_none() && kept.get("alice", "").is_none());
        assert_eq!(kept.ids("alice"), [mine]);
    }

    #[tokio::test]
    async fn a_result_goes_when_it_is_old() {
        let kept = Kept { age: Duration::from_millis(300), ..Kept::default() };
        let id = kept.put("alice", "one".into(), "text/plain");
        assert!(kept.get("alice", &id).is_some_and(|whole| whole.left <= kept.age));
        tokio::time::sleep(Duration::from_millis(310)).await;
        assert!(kept.get("alice", &id).is_none());
        assert!(kept.entries().is_empty(), "and its memory too");
    }

    #[tokio::test]
    async fn number_and_bytes_are_bounded_and_who_keeps_most_loses_first() {
        let kept = Kept::default();
        let quiet = kept.put("quiet", "q".repeat(1_000), "text/plain");
        for i in 0..2 * MOST {
            kept.put("loud", format!("{i}"), "text/plain");
        }
        assert!(kept.entries().len() <= MOST);
        let last = (0..8).map(|_| kept.put("loud", "x".repeat(MOST_BYTES_EACH + 10), "text/plain")).last().expect("some");
        let bytes: usize = kept.entries().iter().map(|entry| entry.text.len()).sum();
        assert!(bytes <= MOST_BYTES, "{bytes}");
        assert!(kept.get("quiet", &quiet).is_some(), "the oldest of all, and of another principal");
        assert!(kept.get("loud", &last).is_some_and(|whole| whole.text.len() <= MOST_BYTES_EACH && whole.text.ends_with('…')));
    }
}
