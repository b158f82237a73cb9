//! Counts messages by what they have in common, in bounded memory.
//!
//! Most messages repeat but for their numbers and names, so the exact masked message is the key while reading; which masked messages are
//! variants of one template is found once, at the end, from all of them ([`super::mine`]).
//!
//! **Invariant:** the result depends neither on the order of the records nor on which thread saw them. Of too many keys those with the
//! smallest hashes are kept, whatever came first; the others are counted by their outline (length, first and last word), and beyond that
//! as `other`, so that the counts add up. All that is kept of a group is a sum, a minimum or a maximum.

use std::collections::{HashMap, hash_map::Entry};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{insight::trace, level::Level, mine, pulse::Pulse, time::Nanos};
use crate::types::{bound::cut, redact::Redactor};

/// Masked messages are told apart as long as they and what is kept of them take no more than this: 7,000 of usual length.
const MOST_BYTES: usize = 8 << 20;

/// Of those that are not, outlines are told apart up to this.
const MOST_OUTLINE_BYTES: usize = 1 << 20;

/// A part of the work hands its keys on when they take this much.
pub(crate) const MOST_BYTES_OF_A_PART: usize = 512 << 10;

/// What is kept of a group takes about as much: a function of the key alone, so that what is kept does not depend on what came first.
const GROUP_BYTES: usize = 1 << 10;

/// Of longer messages only the beginning makes the sample.
const LONGEST_SAMPLE_BYTES: usize = 512;

/// Loggers kept of a group.
const MOST_LOGGERS: usize = 5;

/// A logger's name is cut here.
const LONGEST_LOGGER_BYTES: usize = 64;

/// What stands between a masked message and its trace. In a message it is masked with the other control characters.
const TRACE: u8 = 0x1f;

/// A trace's key is cut here.
const LONGEST_TRACE_BYTES: usize = 512;

/// Why a record is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Levels error and critical.
    Error,
    /// Level warning.
    Warning,
    /// Without a level, but an error pattern matches.
    Suspect,
    /// Any record: all are grouped.
    Any,
}

/// Where a record stands. Ordered as the files of the request are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) file: u32,
    /// Of its first byte in the decoded file.
    pub(crate) offset: u64,
    /// Number of its block, and its line there from 0: the line in the file is known once all blocks were read.
    pub(crate) block: u32,
    pub(crate) line: u32,
}

/// A record to group.
pub(crate) struct Seen<'m> {
    pub(crate) class: Class,
    pub(crate) level: Option<Level>,
    /// The first line.
    pub(crate) message: &'m [u8],
    /// The lines behind it.
    pub(crate) more: &'m [u8],
    pub(crate) time: Option<Nanos>,
    pub(crate) logger: Option<&'m [u8]>,
    pub(crate) place: Place,
    /// It lies before the window: it tells what is not new, and counts nowhere else.
    pub(crate) before: bool,
}

/// What is known of the records of one key, or of one group of keys.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) class: Class,
    /// In the window.
    pub(crate) count: u64,
    /// Before it, as far as that was read.
    pub(crate) before: u64,
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Option<Nanos>,
    /// The gravest.
    pub(crate) level: Option<Level>,
    /// The first message in the window and its place. Untrusted; where it was longer than kept, redacted before it was cut.
    pub(crate) sample: Option<(Place, Box<str>)>,
    /// The first few different ones and where they came first. Untrusted.
    pub(crate) loggers: Vec<(Place, Box<[u8]>)>,
    /// Some of `count` were told by their outline alone.
    pub(crate) approximate: bool,
    /// In the window.
    pub(crate) pulse: Pulse,
    /// Exception and own frames. Untrusted.
    pub(crate) trace: Option<Box<[u8]>>,
}

impl Group {
    fn new(class: Class, bucket: Option<i64>) -> Self {
        Self {
            class,
            count: 0,
            before: 0,
            first: None,
            last: None,
            level: None,
            sample: None,
            loggers: Vec::new(),
            approximate: false,
            pulse: Pulse::new(bucket),
            trace: None,
        }
    }

    fn add(&mut self, seen: &Seen<'_>, redactor: &Redactor) {
        if seen.before {
            self.before += 1;
            return;
        }
        self.count += 1;
        self.level = self.level.max(seen.level);
        self.extend(seen.time, seen.time);
        if let Some(time) = seen.time {
            self.pulse.add(time);
        }
        if self.sample.as_ref().is_none_or(|(place, _)| seen.place < *place) {
            self.sample = Some((seen.place, sample(seen.message, redactor)));
        }
        match seen.logger {
            Some(logger) if logger.len() <= LONGEST_LOGGER_BYTES => self.add_logger(seen.place, logger),
            // Redacted before it is cut, like a sample.
            Some(logger) => self.add_logger(seen.place, cut(&redactor.redact(&String::from_utf8_lossy(logger)), LONGEST_LOGGER_BYTES).as_bytes()),
            None => {}
        }
    }

    /// Adds what is known of other records.
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.before += other.before;
        self.level = self.level.max(other.level);
        self.extend(other.first, other.last);
        self.sample = match (self.sample.take(), other.sample) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        self.approximate |= other.approximate;
        self.pulse.merge(other.pulse);
        self.trace = self.trace.take().or(other.trace);
        other.loggers.iter().for_each(|(place, logger)| self.add_logger(*place, logger));
    }

    /// Where its first message stands.
    pub(crate) fn place(&self) -> Option<Place> {
        self.sample.as_ref().map(|(place, _)| *place)
    }

    fn extend(&mut self, first: Option<Nanos>, last: Option<Nanos>) {
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = self.last.max(last);
    }

    /// The loggers whose first record stands earliest: one that others push out can never come back.
    fn add_logger(&mut self, place: Place, logger: &[u8]) {
        if let Some((known, _)) = self.loggers.iter_mut().find(|(_, known)| **known == *logger) {
            *known = place.min(*known);
        } else if self.loggers.len() < MOST_LOGGERS {
            // Most messages have one.
            self.loggers.reserve_exact(1);
            self.loggers.push((place, logger.into()));
        } else if let Some(latest) = self.loggers.iter_mut().max_by_key(|(place, _)| *place)
            && place < latest.0
        {
            *latest = (place, logger.into());
        }
    }
}

/// The message as it is kept: a long one is redacted first, so that no secret is cut in two and escapes notice.
fn sample(message: &[u8], redactor: &Redactor) -> Box<str> {
    let text = String::from_utf8_lossy(message);
    if text.len() <= LONGEST_SAMPLE_BYTES { text.into() } else { cut(&redactor.redact(&text), LONGEST_SAMPLE_BYTES).into() }
}

/// A bounded table of groups. They are boxed, because a table has up to twice as many places as entries, and each thread one.
#[derive(Debug)]
struct Table {
    groups: HashMap<Box<[u8]>, Box<Group>>,
    /// What the groups take.
    bytes: usize,
    most_bytes: usize,
    /// Keys with a larger hash are not kept any more.
    limit: u64,
}

impl Table {
    fn new(most_bytes: usize) -> Self {
        Self { groups: HashMap::new(), bytes: 0, most_bytes, limit: u64::MAX }
    }

    /// Adds to the group of a key; gives back what is not kept.
    fn merge(&mut self, key: Box<[u8]>, group: Box<Group>) -> Option<(Box<[u8]>, Box<Group>)> {
        if let Some(known) = self.groups.get_mut(&key) {
            known.merge(*group);
        } else if rank(&key) <= self.limit {
            self.bytes += cost(&key);
            self.groups.insert(key, group);
        } else {
            return Some((key, group));
        }
        None
    }

    /// Removes the keys with the largest hashes until the others fit, if they exceed what they may take by more than `slack`. Rarely, so
    /// that it costs little a key. A key that is kept in the end was among the smallest at all times before.
    fn prune(&mut self, slack: usize) -> Vec<(Box<[u8]>, Box<Group>)> {
        if self.bytes <= self.most_bytes + slack {
            return Vec::new();
        }
        let mut ranks: Vec<(u64, usize)> = self.groups.keys().map(|key| (rank(key), cost(key))).collect();
        ranks.sort_unstable();
        self.bytes = 0;
        for (rank, cost) in ranks {
            if self.bytes + cost > self.most_bytes {
                self.limit = rank - 1;
                break;
            }
            self.bytes += cost;
        }
        let limit = self.limit;
        self.groups.extract_if(|key, _| rank(key) > limit).collect()
    }

    fn drain(&mut self) -> impl Iterator<Item = (Box<[u8]>, Box<Group>)> {
        self.bytes = 0;
        self.groups.drain()
    }
}

fn cost(key: &[u8]) -> usize {
    key.len() + GROUP_BYTES
}

/// The order in which keys are kept: the same in every run and on every thread.
fn rank(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    // Never 0, so that there is a number below each.
    hasher.finish().max(1)
}

/// The groups while reading.
#[derive(Debug)]
pub(crate) struct Groups {
    exact: Table,
    /// By their outline, what `exact` does not keep.
    outlines: Table,
    /// In the window, what `outlines` does not keep: by class.
    other: [u64; 4],
    /// Width of the timeline's buckets, if asked for.
    bucket: Option<i64>,
    scratch: Vec<u8>,
    key: Vec<u8>,
}

impl Groups {
    /// None yet, over time in buckets of `bucket` seconds or automatic ones.
    pub(crate) fn new(bucket: Option<i64>) -> Self {
        let (exact, outlines) = (Table::new(MOST_BYTES), Table::new(MOST_OUTLINE_BYTES));
        Self { exact, outlines, other: [0; 4], bucket, scratch: Vec::new(), key: Vec::new() }
    }

    /// Counts a record.
    pub(crate) fn add(&mut self, seen: &Seen<'_>, redactor: &Redactor) {
        mine::mask(seen.message, &mut self.scratch);
        self.key.clear();
        self.key.push(seen.class as u8);
        self.key.extend_from_slice(&self.scratch);
        let masked = self.key.len();
        if !seen.more.is_empty()
            && let Some(trace) = trace::key(seen.message, seen.more)
        {
            self.key.push(TRACE);
            trace.write_key(&mut self.key);
            if self.key.len() > masked + LONGEST_TRACE_BYTES {
                // At a blank: half of a word could be half of a secret, which nothing knows any more.
                let end = memchr::memrchr(b' ', &self.key[masked..masked + LONGEST_TRACE_BYTES]).unwrap_or(1);
                self.key.truncate(masked + end);
            }
        }
        if let Some(group) = self.exact.groups.get_mut(self.key.as_slice()) {
            group.add(seen, redactor);
            return;
        }
        let mut group = Box::new(Group::new(seen.class, self.bucket));
        group.trace = self.key.get(masked + 1..).map(Into::into);
        group.add(seen, redactor);
        self.insert(self.key.as_slice().into(), group);
        self.prune(MOST_BYTES / 2);
    }

    fn insert(&mut self, key: Box<[u8]>, group: Box<Group>) {
        if let Some((key, group)) = self.exact.merge(key, group) {
            self.insert_outline(outline(&key), group);
        }
    }

    fn insert_outline(&mut self, key: Box<[u8]>, group: Box<Group>) {
        if let Some((_, group)) = self.outlines.merge(key, group) {
            self.other[group.class as usize] += group.count;
        }
    }

    fn prune(&mut self, slack: usize) {
        for (key, group) in self.exact.prune(slack) {
            self.insert_outline(outline(&key), group);
        }
        for (_, group) in self.outlines.prune(slack.min(MOST_OUTLINE_BYTES)) {
            self.other[group.class as usize] += group.count;
        }
    }

    /// What it holds takes about so much.
    pub(crate) fn bytes(&self) -> usize {
        self.exact.bytes + self.outlines.bytes
    }

    /// Adds the groups of another part of the input, and empties that part.
    pub(crate) fn take(&mut self, part: &mut Self) {
        for (key, group) in part.exact.drain() {
            self.insert(key, group);
        }
        for (key, group) in part.outlines.drain() {
            self.insert_outline(key, group);
        }
        self.other.iter_mut().zip(&mut part.other).for_each(|(all, part)| *all += std::mem::take(part));
        self.prune(MOST_BYTES / 2);
        // What is not kept here need not be carried here.
        part.exact.limit = self.exact.limit;
        part.outlines.limit = self.outlines.limit;
    }

    /// Finds which keys are variants of one template.
    pub(crate) fn finish(mut self) -> Grouped {
        self.prune(0);
        let mut keys: Vec<(Box<[u8]>, Group)> = self.exact.groups.into_iter().map(|(key, group)| (key, *group)).collect();
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let clusters = Clusters::new(&keys);
        // Only who groups all records asks which message is of which group.
        let masks: Vec<(Box<[u8]>, u32)> = keys
            .iter()
            .zip(&clusters.of)
            .filter(|((_, group), _)| group.class == Class::Any)
            .map(|((key, _), cluster)| (mask_of(key).into(), *cluster))
            .collect();
        let mut merged: HashMap<Kin, Group> = HashMap::new();
        let mut add = |cluster: u32, group: Group| match merged.entry((group.class, cluster, group.trace.clone())) {
            Entry::Occupied(mut known) => known.get_mut().merge(group),
            Entry::Vacant(free) => drop(free.insert(group)),
        };
        let mut unknown = Vec::new();
        let of_outline = clusters.of_outlines(&keys);
        keys.into_iter().zip(&clusters.of).for_each(|((_, group), cluster)| add(*cluster, group));
        for (key, group) in self.outlines.groups {
            match of_outline.get(&key) {
                Some(Some(cluster)) => add(*cluster, Group { approximate: true, ..*group }),
                _ => unknown.push((show_outline(&key), None, *group)),
            }
        }
        let known = merged.into_iter().map(|((_, cluster, _), group)| (clusters.templates[cluster as usize].clone(), Some(cluster), group));
        let mut groups: Vec<_> = known.chain(unknown).filter(|(_, _, group)| group.count > 0).collect();
        groups.sort_by(|(a, _, x), (b, _, y)| y.count.cmp(&x.count).then_with(|| x.place().cmp(&y.place())).then_with(|| a.cmp(b)));
        let of_cluster = groups.iter().enumerate().filter_map(|(at, (_, cluster, _))| cluster.map(|cluster| (cluster, at))).collect();
        let groups = groups.into_iter().map(|(template, _, group)| (template, group)).collect();
        let of_cluster: HashMap<u32, usize> = of_cluster;
        let ids = masks.into_iter().filter_map(|(mask, cluster)| of_cluster.get(&cluster).map(|id| (mask, *id))).collect();
        Grouped { groups, other: self.other, ids }
    }
}

/// The masked message in a key: without the class in front of it and the trace behind it.
fn mask_of(key: &[u8]) -> &[u8] {
    let end = memchr::memrchr(TRACE, key).unwrap_or(key.len());
    &key[1..end.max(1)]
}

/// What the keys of one group share: class, cluster and trace.
type Kin = (Class, u32, Option<Box<[u8]>>);

/// What the miner made of sorted keys.
struct Clusters {
    /// By key.
    of: Vec<u32>,
    templates: Vec<String>,
}

impl Clusters {
    fn new(keys: &[(Box<[u8]>, Group)]) -> Self {
        let mut masks: Vec<(&[u8], u64)> = keys.iter().map(|(key, group)| (mask_of(key), group.count + group.before)).collect();
        masks.sort_unstable();
        masks.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 += if same { later.1 } else { 0 };
            same
        });
        let mine::Clusters { of, templates } = mine::cluster(&masks);
        let find = |mask: &[u8]| masks.binary_search_by(|(known, _)| (*known).cmp(mask)).map_or(0, |at| of[at]);
        Self { of: keys.iter().map(|(key, _)| find(mask_of(key))).collect(), templates }
    }

    /// The cluster that all keys of an outline belong to; none where they belong to several.
    fn of_outlines(&self, keys: &[(Box<[u8]>, Group)]) -> HashMap<Box<[u8]>, Option<u32>> {
        let mut of_outline: HashMap<Box<[u8]>, Option<u32>> = HashMap::new();
        for ((key, _), cluster) in keys.iter().zip(&self.of) {
            let known = of_outline.entry(outline(key)).or_insert(Some(*cluster));
            if *known != Some(*cluster) {
                *known = None;
            }
        }
        of_outline
    }
}

/// Groups by template, the largest first; of equal ones the earlier first.
pub(crate) struct Grouped {
    pub(crate) groups: Vec<(String, Group)>,
    other: [u64; 4],
    ids: HashMap<Box<[u8]>, usize>,
}

impl Grouped {
    /// The groups of a class.
    pub(crate) fn of(&self, class: Class) -> impl Iterator<Item = &(String, Group)> {
        self.groups.iter().filter(move |(_, group)| group.class == class)
    }

    /// Records of a class that belong to no group because there were too many.
    pub(crate) fn other(&self, class: Class) -> u64 {
        self.other[class as usize]
    }

    /// The index of the group that a message belongs to, if its key was kept. For groupings of one class.
    pub(crate) fn find(&self, message: &[u8], scratch: &mut Vec<u8>) -> Option<usize> {
        mine::mask(message, scratch);
        self.ids.get(scratch.as_slice()).copied()
    }
}

/// A word of an outline is cut here.
const LONGEST_OUTLINE_WORD_BYTES: usize = 24;

/// The number of words of a key, its first and its last: what variable words in the middle do not change.
fn outline(key: &[u8]) -> Box<[u8]> {
    let (class, mask) = (&key[..1], mask_of(key));
    let mut words = mask.split(|byte| *byte == b' ');
    let short = |word: Option<&[u8]>| word.map_or(Vec::new(), |word| word[..word.len().min(LONGEST_OUTLINE_WORD_BYTES)].to_vec());
    let first = short(words.next());
    let last = short(words.next_back());
    let between = u8::try_from(words.count()).unwrap_or(u8::MAX);
    [class, &[between], &first, b" ", &last].concat().into()
}

fn show_outline(outline: &[u8]) -> String {
    let words = String::from_utf8_lossy(&outline[2..]);
    words.split_once(' ').map_or_else(|| format!("{words} <*>"), |(first, last)| format!("{first} <*> {last}")).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
