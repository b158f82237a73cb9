//! Values of keys: `name=alice` and `"name": "alice"`, wherever in whichever message they stand.

use std::collections::{HashMap, HashSet};

use super::{
    MOST_POSITIONS,
    families::LEAST_VALUES,
    words::{Form, Id, WILD, Words},
};

/// Keys whose values say what happened: these are told apart.
const EVENT_KEYS: [&[u8]; 20] = [
    b"action",
    b"cause",
    b"cmd",
    b"code",
    b"command",
    b"err",
    b"error",
    b"event",
    b"kind",
    b"level",
    b"message",
    b"method",
    b"msg",
    b"op",
    b"operation",
    b"reason",
    b"result",
    b"state",
    b"status",
    b"type",
];

/// What is known of a key.
#[derive(Default)]
struct Values {
    words: HashSet<Id>,
    /// Some of its values are numbers or ids.
    wild: bool,
}

/// Appends the places of values whose keys have many, or beside words also numbers and ids.
pub(super) fn values(forms: &[Form], words: &Words<'_>, places: &mut Vec<(u32, u32)>) {
    let pairs = pairs(forms, words);
    let mut keys: HashMap<(Id, Id), Values> = HashMap::new();
    for pair in &pairs {
        let values = keys.entry(pair.key).or_default();
        if pair.value == WILD {
            values.wild = true;
        } else if values.words.len() < LEAST_VALUES {
            values.words.insert(pair.value);
        }
    }
    let varies = |values: &Values| values.wild || values.words.len() >= LEAST_VALUES;
    places.extend(pairs.iter().filter(|pair| keys.get(&pair.key).is_some_and(varies)).map(|pair| pair.place));
}

/// Whether the word at a place is the value of a key that says what happened.
pub(super) fn names_event(form: &Form, place: usize, words: &Words<'_>) -> bool {
    place >= 2 && matches!(words.text(form[place - 1]).first(), Some(b'=' | b':' | b'"')) && words.is_one_of(form[place - 2], &EVENT_KEYS)
}

struct Pair {
    /// The key and what separates it from its value.
    key: (Id, Id),
    value: Id,
    place: (u32, u32),
}

/// All keys with values of one word.
fn pairs(forms: &[Form], words: &Words<'_>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (at, form) in forms.iter().enumerate() {
        for place in (2..form.len().min(2 * MOST_POSITIONS)).step_by(2) {
            if is_pair(form, place, words) && !words.look(form[place]).empty && !names_event(form, place, words) {
                pairs.push(Pair { key: (form[place - 2], form[place - 1]), value: form[place], place: (at as u32, place as u32) });
            }
        }
    }
    pairs
}

/// Whether the word at a place is the whole value of a key: in quotes, before a closing mark, at the end, or before the next key.
fn is_pair(form: &Form, place: usize, words: &Words<'_>) -> bool {
    let before = words.text(form[place - 1]);
    let after = form.get(place + 1).map(|id| words.text(*id));
    match before {
        b"=" => match after {
            None => true,
            Some(after) if after.trim_ascii().is_empty() => form.get(place + 3).is_some_and(|next| words.text(*next).starts_with(b"=")),
            Some(after) => matches!(after[0], b',' | b';' | b')' | b']' | b'}'),
        },
        b"=\"" | b"\": \"" | b"\":\"" => after.is_some_and(|after| after[0] == b'"'),
        // In a list of such pairs only: what comes after a colon in a sentence is said of what comes before.
        b": " => {
            let separator = |at: Option<usize>| at.and_then(|at| form.get(at)).map_or(b"".as_slice(), |id| words.text(*id));
            let before = place >= 3 && separator(place.checked_sub(3)) == b", ";
            let after_is_pair = after == Some(b", ") && separator(Some(place + 3)) == b": ";
            after_is_pair || before && after.is_none_or(|after| matches!(after[0], b',' | b';' | b')' | b']' | b'}') || after == b" [")
        }
        b"='" => after.is_some_and(|after| after[0] == b'\''),
        _ => false,
    }
}
