//! Makes an answer fit its budget by shortening its longest lists and texts, and says what was left out.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::types::bound;

/// A list or text that was shortened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Truncation {
    /// Where, such as `results.0.measurements`.
    path: String,
    /// How many items (of a list) or bytes (of a text) are left.
    kept: usize,
    /// How many there were.
    total: usize,
}

/// What a tool knows better about its answer than that the longest list is the first to go.
#[derive(Debug, Default, Clone, Copy)]
pub struct CutRules {
    /// Lists in the order in which they are shortened, each to one item, before anything else is.
    pub first: &'static [&'static str],
    /// Where counts of dropped items go.
    pub moved: &'static [Moved],
}

/// A list whose dropped items are counted elsewhere, so that sums still add up.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// The list.
    pub list: &'static str,
    /// The number that each of its items has.
    pub count: &'static str,
    /// The number of the answer to which those of dropped items are added.
    pub to: &'static str,
}

/// Texts are not cut below this.
const LEAST_TEXT_BYTES: usize = 120;
/// What one entry about a truncation may take.
const ENTRY_BYTES: usize = 120;
/// More than this many cuts, and the answer is not worth giving in parts.
const MOST_CUTS: usize = 200;

/// Shortens `object` until it is at most `budget` bytes as JSON: the lists that `rules` name, in that order, then whatever is longest.
pub(super) fn fit(object: &mut Map<String, Value>, budget: usize, rules: CutRules) -> Vec<Truncation> {
    let mut cuts: Vec<Truncation> = Vec::new();
    for _ in 0..MOST_CUTS {
        let room = budget.saturating_sub(cuts.len() * ENTRY_BYTES + 40);
        let size = size(object);
        if size <= room {
            break;
        }
        let named = rules.first.iter().find(|path| at_path(object, path).is_some_and(|list| list.as_array().is_some_and(|items| items.len() > 1)));
        let Some(path) = named.map(|path| (*path).to_owned()).or_else(|| longest(object)) else { break };
        let moved = rules.moved.iter().find(|moved| moved.list == path);
        let before = moved.map(|moved| sum(object, moved));
        let Some(place) = at_path(object, &path) else { break };
        let (kept, total) = shorten(place, size - room);
        if let (Some(moved), Some(before)) = (moved, before) {
            let there = object.get(moved.to).and_then(Value::as_u64).unwrap_or(0);
            let dropped = before.saturating_sub(sum(object, moved));
            object.insert(moved.to.to_owned(), there.saturating_add(dropped).into());
        }
        match cuts.iter_mut().find(|c| c.path == path) {
            Some(cut) => cut.kept = kept,
            None => cuts.push(Truncation { path, kept, total }),
        }
    }
    cuts
}

fn sum(object: &Map<String, Value>, moved: &Moved) -> u64 {
    let items = object.get(moved.list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item.get(moved.count)?.as_u64()).fold(0, u64::saturating_add)
}

/// The path of what can save most.
fn longest(object: &Map<String, Value>) -> Option<String> {
    let mut longest = None;
    for (key, value) in object.iter().filter(|(key, _)| *key != "next_calls") {
        longest_in(value, key.clone(), &mut longest);
    }
    longest.map(|(_, path)| path)
}

/// How many bytes a value takes as JSON.
pub(super) fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len())
}

/// The list or text whose shortening can save most.
fn longest_in(value: &Value, path: String, best: &mut Option<(usize, String)>) {
    let mut offer = |saving: usize| {
        if saving > 0 && best.as_ref().is_none_or(|(most, _)| saving > *most) {
            *best = Some((saving, path.clone()));
        }
    };
    match value {
        Value::String(text) => offer(text.len().saturating_sub(LEAST_TEXT_BYTES)),
        Value::Array(items) if items.len() > 1 => offer(items[1..].iter().map(size).sum()),
        _ => {}
    }
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| longest_in(item, format!("{path}.{i}"), best)),
        Value::Object(entries) => entries.iter().for_each(|(key, item)| longest_in(item, format!("{path}.{key}"), best)),
        _ => {}
    }
}

fn at_path<'v>(object: &'v mut Map<String, Value>, path: &str) -> Option<&'v mut Value> {
    let mut parts = path.split('.');
    let mut here = object.get_mut(parts.next()?)?;
    for part in parts {
        here = match here {
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
            Value::Object(entries) => entries.get_mut(part)?,
            _ => return None,
        };
    }
    Some(here)
}

/// Saves about `excess` bytes, keeping the front.
fn shorten(value: &mut Value, excess: usize) -> (usize, usize) {
    match value {
        Value::Array(items) => {
            let total = items.len();
            let mut saved = 0;
            while items.len() > 1 && saved < excess {
                saved += items.pop().map_or(0, |item| size(&item) + 1);
            }
            (items.len(), total)
        }
        Value::String(text) => {
            let total = text.len();
            *text = bound::cut(text, total.saturating_sub(excess).max(LEAST_TEXT_BYTES));
            (text.len(), total)
        }
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Whatever comes, the answer fits, keeps its front, and says what is missing.
        #[test]
        fn everything_fits(lists in proptest::collection::vec(proptest::collection::vec("[a-z\"\\\\]{0,400}", 0..60), 1..5)) {
            let mut object: Map<String, Value> = lists.iter().enumerate().map(|(i, l)| (format!("list{i}"), serde_json::json!(l))).collect();
            let before = object.clone();
            let cuts = fit(&mut object, 4_096, CutRules::default());
            let mut whole = object.clone();
            whole.insert("truncated".to_owned(), serde_json::json!(cuts));
            proptest::prop_assert!(size(&whole) <= 4_096);
            for (key, value) in &object {
                let (now, was) = (value.as_array().expect("a list"), before[key].as_array().expect("a list"));
                let said = cuts.iter().any(|c| c.path == *key && c.kept == now.len() && c.total == was.len());
                proptest::prop_assert!(now.len() == was.len() || said);
            }
        }
    }
}
