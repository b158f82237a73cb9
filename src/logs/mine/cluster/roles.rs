//! Words that take each other's place in several statements: what three services are called is not said anew in each.
//!
//! Two statements about the same words are evidence that these are values, where one alone may tell two or three events apart. This is looked
//! at when all else is settled, because before that names beside states make any states look as if they recurred.

use std::collections::{HashMap, HashSet};

use super::{
    families::{self, Family},
    words::{Form, Id, WILD, Words},
};

/// So many words must recur together.
const LEAST_WORDS: usize = 3;

/// In so many statements.
const LEAST_STATEMENTS: usize = 2;

/// Statements are only compared with this many others.
const MOST_STATEMENTS: usize = 8;

/// Replaces words that recur together in several statements, and says whether there were any.
pub(super) fn generalise(forms: &mut [Form], words: &Words<'_>, values: &mut HashSet<Id>) -> bool {
    let entries = families::entries(forms, words);
    let mut roles: HashMap<Vec<Id>, Vec<&[families::Entry]>> = HashMap::new();
    for family in entries.chunk_by(|a, b| a.key == b.key).filter(|family| family.len() >= LEAST_WORDS) {
        if let Some(members) = Family::new(family, forms, words).role() {
            roles.entry(members).or_default().push(family);
        }
    }
    let mut found = Vec::new();
    for (members, mut statements) in roles {
        // In order of the places, and not of what their keys happen to be.
        statements.sort_unstable_by_key(|family| (family[0].form, family[0].place));
        if are_different(&statements, forms) {
            values.extend(members);
            found.extend(statements.into_iter().flatten().map(|entry| (entry.form as usize, entry.place as usize)));
        }
    }
    for (form, place) in &found {
        forms[*form][*place] = WILD;
    }
    !found.is_empty()
}

/// Whether enough of the families are in statements that differ in more than one word.
fn are_different(families: &[&[families::Entry]], forms: &[Form]) -> bool {
    let mut seen: Vec<&families::Entry> = Vec::new();
    for family in families.iter().take(MOST_STATEMENTS) {
        if seen.iter().all(|other| differ(other, &family[0], forms)) {
            seen.push(&family[0]);
        }
    }
    seen.len() >= LEAST_STATEMENTS
}

/// Whether two places are in different statements, or in different places of one.
fn differ(one: &families::Entry, other: &families::Entry, forms: &[Form]) -> bool {
    let (a, b) = (&forms[one.form as usize], &forms[other.form as usize]);
    one.place != other.place || a.len() != b.len() || a.iter().zip(b.iter()).filter(|(a, b)| a != b).count() >= 2
}
