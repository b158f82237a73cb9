//! Families: messages that are equal but for the word in one place.
//!
//! Whether these words are values or name different events is decided by how many they are, how they look, and whether they are known
//! as values from elsewhere.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    MOST_POSITIONS, keys, lists,
    words::{Form, Id, WILD, Words},
};

/// So many words in one place are values, where at least two other words stay the same.
pub(super) const LEAST_VALUES: usize = 4;

/// The same where only one other word stays the same.
const LEAST_VALUES_BESIDE_ONE: usize = 8;

/// The same for plain words in messages in which nothing is variable: `cannot open socket` and `cannot open device` are two statements.
const LEAST_PLAIN: usize = 5;

/// The same for words in capitals, which name states and methods.
const LEAST_CAPITALS: usize = 8;

/// The same for words that look like names of accounts.
const LEAST_ACCOUNTS: usize = 2;

/// The same for a message's first word, and for values of keys such as `event`: they mostly say what happens.
const LEAST_FIRST_VALUES: usize = 16;

/// Replaces the words that are values; says whether there were any.
///
/// A message may be in several families: names of users by states, say. Only its largest is judged at a time, because the others are
/// seen more clearly once those words are out of the way.
pub(super) fn generalise(forms: &mut [Form], words: &Words<'_>, values: &mut HashSet<Id>) -> bool {
    let entries = entries(forms, words);
    let families = entries.chunk_by(|a, b| a.key == b.key).filter(|family| family.len() > 1);
    let families: Vec<(&[Entry], Family<'_>)> = families.map(|family| (family, Family::new(family, forms, words))).collect();
    let largest = largest(&families, forms.len());
    let mut found = Found::default();
    let mut open = Vec::new();
    for (family, seen) in &families {
        let (many, few) = (seen.is_many(), seen.varies());
        if !many && !few {
            open.push((family, seen));
            continue;
        }
        let before = found.places.len();
        let own = family.iter().filter(|entry| few || largest[entry.form as usize] == (family.len(), Reverse(entry.place)));
        found.places.extend(own.map(|entry| (entry.form, entry.place)));
        if many && found.places.len() > before {
            found.contexts.extend(context(&forms[family[0].form as usize], family[0].place as usize));
        }
    }
    values.extend(found.places.iter().map(|(form, place)| forms[*form as usize][*place as usize]));
    for (family, seen) in open {
        if seen.is_known(values) {
            found.places.extend(family.iter().map(|entry| (entry.form, entry.place)));
        }
    }
    in_context(forms, words, &mut found);
    keys::values(forms, words, &mut found.places);
    lists::values(forms, words, values, &mut found.places);
    let mut any = false;
    for (form, place) in found.places {
        let word = &mut forms[form as usize][place as usize];
        any |= *word != WILD;
        *word = WILD;
    }
    any
}

/// What was found to vary.
#[derive(Default)]
struct Found {
    /// Forms and the places in them.
    places: Vec<(u32, u32)>,
    /// After which words values stand.
    contexts: HashSet<[Id; 4]>,
}

/// The size and place of the largest family of many values of each form, of equal ones the first.
fn largest(families: &[(&[Entry], Family<'_>)], forms: usize) -> Vec<(usize, Reverse<u32>)> {
    let mut largest = vec![(0, Reverse(0)); forms];
    for (family, _) in families.iter().filter(|(_, seen)| seen.is_many()) {
        for entry in *family {
            let best = &mut largest[entry.form as usize];
            *best = (*best).max((family.len(), Reverse(entry.place)));
        }
    }
    largest
}

/// Words that stand where values were found: after the same two words.
fn in_context(forms: &[Form], words: &Words<'_>, found: &mut Found) {
    let contexts = &found.contexts;
    if contexts.is_empty() {
        return;
    }
    // What introduces values is itself none: `for guest user <*>` beside `for <*>`.
    let introducers: HashSet<Id> = contexts.iter().flat_map(|[first, _, second, _]| [*first, *second]).collect();
    for (at, form) in forms.iter().enumerate() {
        for place in (4..form.len().min(2 * MOST_POSITIONS)).step_by(2) {
            let look = words.look(form[place]);
            if form[place] != WILD
                && !look.structure
                && !look.empty
                && !introducers.contains(&form[place])
                && !words.is_key(form, place)
                && context(form, place).is_some_and(|context| contexts.contains(&context))
            {
                found.places.push((at as u32, place as u32));
            }
        }
    }
}

/// The two words before a place with what separates them.
fn context(form: &Form, place: usize) -> Option<[Id; 4]> {
    form.get(place.checked_sub(4)?..place)?.try_into().ok()
}

/// A place in a form; the key is equal where all else is.
pub(super) struct Entry {
    pub(super) key: u64,
    pub(super) form: u32,
    pub(super) place: u32,
}

/// The places of all forms that have at least one relative, sorted by key, then form.
pub(super) fn entries(forms: &[Form], words: &Words<'_>) -> Vec<Entry> {
    let total: usize = forms.iter().map(|form| form.len().div_ceil(2).min(MOST_POSITIONS)).sum();
    let mut seen = vec![0u8; (total * 4).next_power_of_two()];
    let mask = seen.len() as u64 - 1;
    let mut keys = Vec::with_capacity(total);
    let mut after = Vec::new();
    for form in forms {
        place_keys(form, &mut after, &mut keys);
    }
    for key in &keys {
        let count = &mut seen[(key & mask) as usize];
        *count = count.saturating_add(1);
    }
    let mut keys = keys.into_iter();
    let mut entries = Vec::new();
    for (at, form) in forms.iter().enumerate() {
        for place in 0..form.len().div_ceil(2).min(MOST_POSITIONS) {
            let Some(key) = keys.next() else { break };
            if seen[(key & mask) as usize] > 1 && !words.is_key(form, 2 * place) {
                entries.push(Entry { key, form: at as u32, place: 2 * place as u32 });
            }
        }
    }
    entries.sort_unstable_by_key(|entry| (entry.key, entry.form));
    entries
}

/// Appends the keys of a form's places: a hash of what is before and of what is after.
fn place_keys(form: &Form, after: &mut Vec<u64>, keys: &mut Vec<u64>) {
    after.clear();
    after.resize(form.len() + 1, 1);
    for at in (0..form.len()).rev() {
        after[at] = mix(after[at + 1], form[at]);
    }
    let mut before = 2;
    for place in 0..form.len().div_ceil(2).min(MOST_POSITIONS) {
        let at = 2 * place;
        if place > 0 {
            before = mix(mix(before, form[at - 2]), form[at - 1]);
        }
        keys.push((before ^ after[at + 1].rotate_left(31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ before >> 29);
    }
}

fn mix(hash: u64, id: Id) -> u64 {
    let mixed = (hash ^ u64::from(id)).wrapping_mul(0x2545_f491_4f6c_dd1d);
    mixed ^ mixed >> 32
}

/// Whether a place is that of a program's name: in brackets itself, directly before a number in brackets, or before a colon and a blank.
fn names_program(form: &Form, place: usize, words: &Words<'_>) -> bool {
    let separator = |at: usize| form.get(at).map_or(b"".as_slice(), |id| words.text(*id));
    match separator(place + 1) {
        b": " => true,
        after if place >= 2 && after.starts_with(b")") => separator(place - 1) == b"(",
        after if place >= 2 && after.starts_with(b"]") => separator(place - 1) == b"[",
        b"[" => form[place + 2] == WILD && separator(place + 3).starts_with(b"]"),
        b"(" => form[place + 2] == WILD && separator(place + 3).starts_with(b")"),
        _ => false,
    }
}

/// What is known of a family.
pub(super) struct Family<'f> {
    /// The words of the place, all different.
    members: Vec<Id>,
    words: &'f Words<'f>,
    /// Words that stay the same and are no wildcards.
    constants: usize,
    /// There is no such word before the place.
    is_first: bool,
    /// The place comes right after a wildcard.
    after_wild: bool,
    /// The place is the value of a key that says what happened.
    after_event_key: bool,
    /// There is a wildcard in the message.
    beside_wild: bool,
    /// The place is that of a program's name at the beginning.
    names_program: bool,
}

impl<'f> Family<'f> {
    pub(super) fn new(entries: &[Entry], forms: &[Form], words: &'f Words<'f>) -> Self {
        let (form, place) = (&forms[entries[0].form as usize], entries[0].place as usize);
        let is_constant = |id: &&Id| {
            let look = words.look(**id);
            !look.empty && !look.wild && words.text(**id).iter().any(u8::is_ascii_alphabetic)
        };
        let before = form[..place].iter().step_by(2).filter(is_constant).count();
        let after = form[(place + 2).min(form.len())..].iter().step_by(2).filter(is_constant).count();
        Self {
            members: entries.iter().map(|entry| forms[entry.form as usize][place]).collect(),
            words,
            constants: before + after,
            is_first: before == 0,
            after_wild: place >= 2 && form[place - 2] == WILD,
            after_event_key: keys::names_event(form, place, words),
            beside_wild: form.iter().enumerate().any(|(at, id)| at % 2 == 0 && at != place && words.look(*id).wild),
            names_program: before == 0 && names_program(form, place, words),
        }
    }

    /// Whether the words are values however few they are.
    fn varies(&self) -> bool {
        self.has_context() && (self.differs_in_digits() || self.is_units() || self.meets_wildcard())
    }

    fn has_context(&self) -> bool {
        self.constants > 0 && !self.members.iter().any(|id| self.words.look(*id).empty)
    }

    fn differs_in_digits(&self) -> bool {
        let letters = self.words.look(self.members[0]).letters;
        self.members.iter().all(|id| self.words.look(*id).letters == letters)
    }

    fn is_units(&self) -> bool {
        self.after_wild && self.members.iter().all(|id| self.words.look(*id).unit)
    }

    /// Where other messages have a number or an id, a word is the same kind of thing.
    fn meets_wildcard(&self) -> bool {
        self.constants >= 2 && self.members.contains(&WILD) && !self.names_events()
    }

    fn is_many(&self) -> bool {
        let all = |test: fn(super::words::Look) -> bool| self.members.iter().all(|id| test(self.words.look(*id)));
        let least = match (self.is_first && !self.names_program, self.constants) {
            (true, 2..) if all(|look| look.qualified) => LEAST_VALUES,
            (first, _) if first || self.after_event_key => LEAST_FIRST_VALUES,
            (_, 2..) if all(|look| look.account) => LEAST_ACCOUNTS,
            (_, 1) => LEAST_VALUES_BESIDE_ONE,
            _ if all(|look| look.capitals) => LEAST_CAPITALS,
            _ if !self.beside_wild && all(|look| look.plain) => LEAST_PLAIN,
            _ => LEAST_VALUES,
        };
        self.has_context() && self.members.len() >= least && !self.names_events()
    }

    /// Whether words that tell events apart are among them in number.
    fn names_events(&self) -> bool {
        2 * self.structures() >= self.members.len()
    }

    fn structures(&self) -> usize {
        self.members.iter().filter(|id| self.words.look(**id).structure).count()
    }

    /// The words in order, if they would be values on being seen to take each other's place elsewhere, too.
    pub(super) fn role(&self) -> Option<Vec<Id>> {
        let is_open = self.constants >= 2 && !self.is_first && !self.after_event_key && self.structures() == 0;
        let mut members = self.members.clone();
        members.sort_unstable();
        (is_open && self.has_context() && !members.contains(&WILD)).then_some(members)
    }

    /// Whether all of the words are values elsewhere.
    fn is_known(&self, values: &HashSet<Id>) -> bool {
        let least = if self.members.contains(&WILD) || self.members.len() >= LEAST_VALUES { 1 } else { 2 };
        self.has_context() && self.constants >= least && !self.is_first && self.members.iter().all(|id| values.contains(id) || self.words.look(*id).wild)
    }
}
