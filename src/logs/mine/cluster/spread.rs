//! Messages in which several words vary at once, so that hardly two are equal but for one: a name of a user and the name of a host.

use std::collections::HashMap;

use super::{
    MOST_POSITIONS,
    words::{Form, Id, WILD, Words},
};

/// So many messages are needed.
const LEAST_MESSAGES: usize = 16;

/// The same where all words that vary look like names of classes, files or accounts.
const LEAST_QUALIFIED: usize = 4;

/// Replaces the words that vary; says whether there were any.
pub(super) fn generalise(forms: &mut [Form], words: &Words<'_>) -> bool {
    let mut groups: HashMap<Vec<Id>, Vec<u32>> = HashMap::new();
    for (at, form) in forms.iter().enumerate() {
        // Separators, and the keys among the words, which are never values.
        let fixed = (0..form.len()).filter(|place| place % 2 == 1 || words.is_key(form, *place));
        groups.entry(fixed.map(|place| form[place]).collect()).or_default().push(at as u32);
    }
    let mut search = Search { forms, words, stamps: vec![0; words.len()], stamp: 0, found: Vec::new() };
    for group in groups.into_values().filter(|group| group.len() >= LEAST_QUALIFIED) {
        search.split(group);
    }
    let found = search.found;
    for (form, place) in &found {
        forms[*form as usize][*place] = WILD;
    }
    !found.is_empty()
}

/// A search through groups of forms with the same separators.
struct Search<'f> {
    forms: &'f [Form],
    words: &'f Words<'f>,
    /// When an id was last seen, for counting different ones.
    stamps: Vec<u32>,
    stamp: u32,
    found: Vec<(u32, usize)>,
}

impl Search<'_> {
    /// Splits a group at the place with the fewest different words until all places that vary do so widely.
    fn split(&mut self, group: Vec<u32>) {
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            let places = self.forms[group[0] as usize].len().min(2 * MOST_POSITIONS);
            let (mut varying, mut constants) = (Vec::new(), 0);
            for place in (0..places).step_by(2) {
                match self.different(&group, place) {
                    1 => constants += usize::from(self.is_constant(self.forms[group[0] as usize][place])),
                    count => varying.push((count, place)),
                }
            }
            let Some((fewest, at)) = varying.iter().copied().min() else { continue };
            if 2 * fewest >= group.len() {
                self.judge(&group, &varying, constants);
                continue;
            }
            let mut parts: HashMap<Id, Vec<u32>> = HashMap::new();
            for form in group {
                parts.entry(self.forms[form as usize][at]).or_default().push(form);
            }
            open.extend(parts.into_values().filter(|part| part.len() >= LEAST_QUALIFIED));
        }
    }

    fn different(&mut self, group: &[u32], place: usize) -> usize {
        self.stamp += 1;
        let mut count = 0;
        for form in group {
            let stamp = &mut self.stamps[self.forms[*form as usize][place] as usize];
            count += usize::from(*stamp != self.stamp);
            *stamp = self.stamp;
        }
        count
    }

    fn is_constant(&self, id: Id) -> bool {
        let look = self.words.look(id);
        !look.empty && !look.wild
    }

    /// Several widely varying words are values where more words than those stay the same, the first of them included.
    fn judge(&mut self, group: &[u32], varying: &[(usize, usize)], constants: usize) {
        let all = |test: fn(super::words::Look) -> bool| {
            group.iter().all(|form| varying.iter().all(|(_, place)| test(self.words.look(self.forms[*form as usize][*place]))))
        };
        let least = if all(|look| look.qualified || look.wild) { LEAST_QUALIFIED } else { LEAST_MESSAGES };
        let first = varying.iter().map(|(_, place)| *place).min().unwrap_or(0);
        let first_varies = !self.forms[group[0] as usize][..first].iter().step_by(2).any(|id| self.is_constant(*id));
        if group.len() < least || constants <= varying.len() || first_varies || !all(|look| !look.empty) {
            return;
        }
        let (mut structure, mut total) = (0, 0);
        for form in group {
            for (_, place) in varying {
                structure += usize::from(self.words.look(self.forms[*form as usize][*place]).structure);
                total += 1;
            }
        }
        if 4 * structure < total {
            self.found.extend(group.iter().flat_map(|form| varying.iter().map(move |(_, place)| (*form, *place))));
        }
    }
}
