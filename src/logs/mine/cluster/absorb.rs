//! Messages too rare to have relatives: they take the template that they fit.

use std::collections::{BTreeMap, HashMap};

use super::words::{Form, Id, WILD, Words};

/// So many sequences must have made a template before it takes others.
const LEAST_SUPPORT: usize = 4;

/// Of the sets of places that vary among messages with the same separators, only the commonest are tried.
const MOST_PATTERNS: usize = 16;

/// Replaces in each form what varies in the best supported template that it fits. `support` is how many sequences came to each form.
pub(super) fn generalise(forms: &mut [Form], words: &Words<'_>, support: &[usize]) -> bool {
    let mut groups: BTreeMap<Vec<Id>, Vec<usize>> = BTreeMap::new();
    for (at, form) in forms.iter().enumerate() {
        groups.entry(form.iter().skip(1).step_by(2).copied().collect()).or_default().push(at);
    }
    let mut any = false;
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let patterns = patterns(&group, forms, words, support);
        for at in group {
            let Some(places) = best(&forms[at], words, &patterns) else { continue };
            for place in places {
                any |= forms[at][*place] != WILD;
                forms[at][*place] = WILD;
            }
        }
    }
    any
}

/// Places that vary in some templates, and those templates with their support.
struct Pattern {
    places: Vec<usize>,
    templates: HashMap<Form, usize>,
    support: usize,
}

fn patterns(group: &[usize], forms: &[Form], words: &Words<'_>, support: &[usize]) -> Vec<Pattern> {
    let mut found: BTreeMap<Vec<usize>, Pattern> = BTreeMap::new();
    for at in group.iter().copied().filter(|at| support[*at] >= LEAST_SUPPORT) {
        let form = &forms[at];
        let places: Vec<usize> = (0..form.len()).step_by(2).filter(|place| form[*place] == WILD).collect();
        let constants = form.iter().step_by(2).filter(|id| !words.look(**id).empty && !words.look(**id).wild).count();
        if constants >= 2 && !places.is_empty() {
            let pattern = found.entry(places.clone()).or_insert_with(|| Pattern { places, templates: HashMap::new(), support: 0 });
            pattern.support += support[at];
            pattern.templates.insert(form.clone(), support[at]);
        }
    }
    let mut patterns: Vec<Pattern> = found.into_values().collect();
    patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.support));
    patterns.truncate(MOST_PATTERNS);
    patterns
}

/// The places of the best supported template that a form fits, if it does not have it already.
fn best<'p>(form: &Form, words: &Words<'_>, patterns: &'p [Pattern]) -> Option<&'p [usize]> {
    let mut best = None;
    for pattern in patterns {
        let is_value = |place: &usize| !words.look(form[*place]).structure && !words.look(form[*place]).empty && !words.is_key(form, *place);
        if !pattern.places.iter().all(is_value) {
            continue;
        }
        let mut blanked = form.clone();
        pattern.places.iter().for_each(|place| blanked[*place] = WILD);
        if let Some(support) = pattern.templates.get(&blanked)
            && blanked != *form
            && best.is_none_or(|(most, _)| most < *support)
        {
            best = Some((*support, pattern.places.as_slice()));
        }
    }
    best.map(|(_, places)| places)
}
