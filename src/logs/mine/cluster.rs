//! Stage two: what only the view over all masked messages shows.
//!
//! [`words`] cuts the sequences into words and what separates them, in sorted order, so that nothing depends on the order of the input.
//! [`families`] finds messages that are equal but for one word, [`spread`] those in which several words vary at once, and decide whether
//! the words that vary are values or names of different events. [`normal`] joins lists of different length and values that were missing.

mod absorb;
mod brackets;
mod families;
mod keys;
mod lists;
mod normal;
mod roles;
mod spread;
mod vocabulary;
mod words;

use std::collections::{HashMap, HashSet};

use words::{Form, Words};

/// Words beyond this many of one message count as they are.
const MOST_POSITIONS: usize = 24;

/// How often the families are looked at anew, because what became variable makes more messages alike.
const MOST_ROUNDS: usize = 8;

/// Which template each sequence has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clusters {
    /// The index of the template of each input sequence.
    pub(crate) of: Vec<u32>,
    /// The texts, with `<*>` for what varies.
    pub(crate) templates: Vec<String>,
}

/// Groups masked sequences into templates. `count`, the number of records of a sequence, is no evidence: a loud event is no surer than a quiet one.
pub(crate) fn cluster(sequences: &[(&[u8], u64)]) -> Clusters {
    let mut distinct: Vec<&[u8]> = sequences.iter().map(|(sequence, _)| *sequence).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let joined = brackets::joined(&distinct);
    let mut words = Words::default();
    let mut forms = Forms::new(joined.iter().map(|sequence| words.read(sequence)).collect());
    let mut values = HashSet::new();
    for round in 0..MOST_ROUNDS {
        let by_one = families::generalise(&mut forms.distinct, &words, &mut values);
        let by_many = round == 0 && spread::generalise(&mut forms.distinct, &words);
        if !by_one && !by_many && !roles::generalise(&mut forms.distinct, &words, &mut values) {
            break;
        }
        forms.unite();
    }
    let support = forms.support();
    if absorb::generalise(&mut forms.distinct, &words, &support) {
        forms.unite();
    }
    let (template_of, templates) = normal::templates(&forms.distinct, &words);
    let of = sequences.iter().map(|(sequence, _)| distinct.binary_search(sequence).map_or(0, |at| template_of[forms.of[at]])).collect();
    Clusters { of, templates }
}

/// The forms that sequences have come to; equal ones once.
struct Forms {
    distinct: Vec<Form>,
    /// The form of each distinct sequence.
    of: Vec<usize>,
}

impl Forms {
    fn new(all: Vec<Form>) -> Self {
        let mut forms = Self { of: (0..all.len()).collect(), distinct: all };
        forms.unite();
        forms
    }

    /// How many sequences came to each form.
    fn support(&self) -> Vec<usize> {
        let mut support = vec![0; self.distinct.len()];
        for at in &self.of {
            support[*at] += 1;
        }
        support
    }

    /// Makes equal forms one, and keeps their order.
    fn unite(&mut self) {
        let mut index: HashMap<Form, usize> = HashMap::with_capacity(self.distinct.len());
        let mut kept = Vec::new();
        let moved: Vec<usize> = std::mem::take(&mut self.distinct)
            .into_iter()
            .map(|form| {
                *index.entry(form).or_insert_with_key(|form| {
                    kept.push(form.clone());
                    kept.len() - 1
                })
            })
            .collect();
        self.distinct = kept;
        for at in &mut self.of {
            *at = moved[*at];
        }
    }
}

#[cfg(test)]
mod tests;
