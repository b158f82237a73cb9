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

/// More masked messages are not told apart.
const MOST_KEYS: usize = 8_192;

/// Of those that are not, more outlines are not told apart.
const MOST_OUTLINES: usize = 1_024;

/// A part of the work hands its keys on when it holds this many.
pub(crate) const MOST_KEYS_OF_A_PART: usize = 2_048;

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
        if let Some(logger) = seen.logger {
            self.add_logger(seen.place, &logger[..logger.len().min(LONGEST_LOGGER_BYTES)]);
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
    most: usize,
    /// Keys with a larger hash are not kept any more.
    limit: u64,
}

impl Table {
    fn new(most: usize) -> Self {
        Self { groups: HashMap::new(), most, limit: u64::MAX }
    }

    /// Adds to the group of a key; gives back what is not kept.
    fn merge(&mut self, key: Box<[u8]>, group: Box<Group>) -> Option<(Box<[u8]>, Box<Group>)> {
        if let Some(known) = self.groups.get_mut(&key) {
            known.merge(*group);
        } else if rank(&key) <= self.limit {
            self.groups.insert(key, group);
        } else {
            return Some((key, group));
        }
        None
    }

    /// Removes the keys beyond the limit, if there are `slack` too many. Rarely, so that it costs little a key.
    fn prune(&mut self, slack: usize) -> Vec<(Box<[u8]>, Box<Group>)> {
        if self.groups.len() <= self.most + slack {
            return Vec::new();
        }
        let mut ranks: Vec<u64> = self.groups.keys().map(|key| rank(key)).collect();
        let (_, limit, _) = ranks.select_nth_unstable(self.most - 1);
        self.limit = *limit;
        let limit = self.limit;
        self.groups.extract_if(|key, _| rank(key) > limit).collect()
    }
}

/// The order in which keys are kept: the same in every run and on every thread.
fn rank(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
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
        let (exact, outlines) = (Table::new(MOST_KEYS), Table::new(MOST_OUTLINES));
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
            self.key.truncate(masked + LONGEST_TRACE_BYTES);
        }
        if let Some(group) = self.exact.groups.get_mut(self.key.as_slice()) {
            group.add(seen, redactor);
            return;
        }
        let mut group = Box::new(Group::new(seen.class, self.bucket));
        group.trace = self.key.get(masked + 1..).map(Into::into);
        group.add(seen, redactor);
        self.insert(self.key.as_slice().into(), group);
        self.prune(MOST_KEYS);
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
        for (_, group) in self.outlines.prune(slack.min(MOST_OUTLINES)) {
            self.other[group.class as usize] += group.count;
        }
    }

    /// How many keys it holds.
    pub(crate) fn keys(&self) -> usize {
        self.exact.groups.len() + self.outlines.groups.len()
    }

    /// Adds the groups of another part of the input, and empties that part.
    pub(crate) fn take(&mut self, part: &mut Self) {
        for (key, group) in part.exact.groups.drain() {
            self.insert(key, group);
        }
        for (key, group) in part.outlines.groups.drain() {
            self.insert_outline(key, group);
        }
        self.other.iter_mut().zip(&mut part.other).for_each(|(all, part)| *all += std::mem::take(part));
        self.prune(MOST_KEYS);
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
        Grouped { groups, other: self.other, ids: clusters.ids(of_cluster) }
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
    /// By mask, sorted: its cluster.
    masks: Vec<(Box<[u8]>, u32)>,
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
        let masks: Vec<(Box<[u8]>, u32)> = masks.into_iter().zip(of).map(|((mask, _), cluster)| (mask.into(), cluster)).collect();
        let find = |mask: &[u8]| masks.binary_search_by(|(known, _)| (**known).cmp(mask)).map_or(0, |at| masks[at].1);
        Self { of: keys.iter().map(|(key, _)| find(mask_of(key))).collect(), masks, templates }
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

    /// The number of a mask's group.
    fn ids(self, of_cluster: HashMap<u32, usize>) -> HashMap<Box<[u8]>, usize> {
        self.masks.into_iter().filter_map(|(mask, cluster)| of_cluster.get(&cluster).map(|id| (mask, *id))).collect()
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
