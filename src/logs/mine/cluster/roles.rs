//! Words that take each other's place in several statements: what three services are called is not said anew in each.
//!
//! Two statements about the same words are evidence that these are values, where one alone may tell events apart. This is looked at when all
//! else is settled, because before that names beside states make any states look as if they recurred.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    families::{self, Entry, Family},
    words::{Form, Id, WILD, Words},
};

/// So many words must recur together.
const LEAST_WORDS: usize = 3;

/// Of the families that a word is in only so many are compared.
const MOST_FAMILIES: usize = 16;

/// Replaces words that recur together in several statements, and says whether there were any.
pub(super) fn generalise(forms: &mut [Form], words: &Words<'_>, values: &mut HashSet<Id>) -> bool {
    let entries = families::entries(forms, words);
    let mut open: Vec<(&[Entry], Vec<Id>)> = Vec::new();
    for family in entries.chunk_by(|a, b| a.key == b.key).filter(|family| family.len() >= LEAST_WORDS) {
        open.extend(Family::new(family, forms, words).role().map(|members| (family, members)));
    }
    // In order of the places, and not of what their keys happen to be.
    open.sort_unstable_by_key(|(family, _)| (family[0].form, family[0].place));
    let mut families_of: HashMap<Id, Vec<usize>> = HashMap::new();
    for (at, (_, members)) in open.iter().enumerate() {
        for word in members {
            families_of.entry(*word).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (at, (family, members)) in open.iter().enumerate() {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for other in members.iter().flat_map(|word| families_of[word].iter().take(MOST_FAMILIES)) {
            *shared.entry(*other).or_default() += 1;
        }
        let recurs = |(other, count): (&usize, &usize)| {
            let enough = *count >= LEAST_WORDS && 2 * count > members.len() && 2 * count > open[*other].1.len();
            enough && *other != at && differ(&family[0], &open[*other].0[0], forms)
        };
        if shared.iter().any(recurs) {
            values.extend(members);
            found.extend(family.iter().map(|entry| (entry.form as usize, entry.place as usize)));
        }
    }
    for (form, place) in &found {
        forms[*form][*place] = WILD;
    }
    !found.is_empty()
}

/// Whether two places are in statements that differ in more than one word, or different places of one.
fn differ(one: &Entry, other: &Entry, forms: &[Form]) -> bool {
    let (a, b) = (&forms[one.form as usize], &forms[other.form as usize]);
    let is_other = |at: usize| at != one.place as usize && a[at] != b[at];
    one.place != other.place || a.len() != b.len() || (0..a.len()).filter(|at| is_other(*at)).count() >= 2
}
