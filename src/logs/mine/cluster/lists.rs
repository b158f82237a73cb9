//! Lists of words: `[alpha, beta, gamma]`, whose elements are values where some of them are known to be.

use std::collections::HashSet;

use super::{
    MOST_POSITIONS,
    words::{Form, Id, WILD, Words},
};

/// Appends the places of words that are known as values and have a value beside them in a list.
pub(super) fn values(forms: &[Form], words: &Words<'_>, values: &HashSet<Id>, places: &mut Vec<(u32, u32)>) {
    if values.is_empty() {
        return;
    }
    let is_value = |id: Id| id == WILD || values.contains(&id);
    for (at, form) in forms.iter().enumerate() {
        for place in (2..form.len().min(2 * MOST_POSITIONS)).step_by(2) {
            let (left, right) = (form[place - 2], form[place]);
            if matches!(words.text(form[place - 1]), b", " | b",") && is_value(left) && is_value(right) && !words.is_key(form, place) {
                places.extend([(at as u32, place as u32 - 2), (at as u32, place as u32)]);
            }
        }
    }
}
