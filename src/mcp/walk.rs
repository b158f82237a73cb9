//! Walks over JSON as `serde_json` writes it, without spaces, from front to back and without building anything: an answer's text is made from
//! its structure, and most of a call's time went into a tree for that.

use std::borrow::Cow;

/// A place in such a text.
#[derive(Clone, Copy)]
pub(super) struct Walk<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Walk<'j> {
    /// At the front of a text that `serde_json` wrote.
    pub(super) fn new(text: &'j str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that tells what comes next.
    fn next(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(b']')
    }

    pub(super) fn is_object(&self) -> bool {
        self.next() == b'{'
    }

    pub(super) fn is_list(&self) -> bool {
        self.next() == b'['
    }

    /// Whether an object or a list comes next.
    pub(super) fn is_nested(&self) -> bool {
        self.is_object() || self.is_list()
    }

    /// Whether an object or a list without anything in it comes next.
    pub(super) fn is_empty(&self) -> bool {
        self.is_nested() && matches!(self.text.as_bytes().get(self.at + 1), Some(b'}' | b']'))
    }

    /// The key of the next member of an object, whose value comes next then; none at the object's end, which is behind us then.
    pub(super) fn member(&mut self) -> Option<Cow<'j, str>> {
        if !self.more() {
            return None;
        }
        let key = self.string();
        self.at += 1;
        Some(key.says())
    }

    /// Whether another item of a list comes next; not at the list's end, which is behind us then.
    pub(super) fn item(&mut self) -> bool {
        self.more()
    }

    /// Over an opening bracket or a comma to what comes behind it, or over a closing one.
    fn more(&mut self) -> bool {
        let opens = self.is_nested();
        let ends = matches!(self.next(), b'}' | b']');
        self.at += 1;
        if opens && matches!(self.next(), b'}' | b']') {
            self.at += 1;
            return false;
        }
        !ends
    }

    /// The string that comes next. Most have some ten bytes, for which a loop is as fast as anything.
    fn string(&mut self) -> Text<'j> {
        let (begin, bytes) = (self.at, self.text.as_bytes());
        let (mut at, mut escapes) = (begin + 1, false);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escapes = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Text { raw: &self.text[begin..self.at], escapes }
    }

    /// The string that comes next, if one does.
    pub(super) fn text(&mut self) -> Option<Text<'j>> {
        (self.next() == b'"').then(|| self.string())
    }

    /// The value that comes next, as it is written.
    pub(super) fn raw(&mut self) -> &'j str {
        let begin = self.at;
        if self.next() == b'"' {
            return self.string().raw;
        }
        let mut depth = 0usize;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && matches!(byte, b'}' | b']') {
                break;
            }
        }
        &self.text[begin..self.at]
    }
}

/// A string.
pub(super) struct Text<'j> {
    /// With its quotes and as it is written.
    pub(super) raw: &'j str,
    escapes: bool,
}

impl<'j> Text<'j> {
    /// What it says.
    pub(super) fn says(&self) -> Cow<'j, str> {
        let inner = &self.raw[1..self.raw.len() - 1];
        if self.escapes { serde_json::from_str(self.raw).map_or(Cow::Borrowed(inner), Cow::Owned) } else { Cow::Borrowed(inner) }
    }

    /// Whether it has ends of lines; they are always escaped.
    pub(super) fn has_lines(&self) -> bool {
        self.escapes && self.says().contains('\n')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// Built from what the walk finds.
    fn rebuilt(walk: &mut Walk<'_>) -> Value {
        if walk.is_object() {
            let mut object = Map::new();
            while let Some(key) = walk.member() {
                let value = rebuilt(walk);
                object.insert(key.into_owned(), value);
            }
            return Value::Object(object);
        }
        if walk.is_list() {
            let mut items = Vec::new();
            while walk.item() {
                items.push(rebuilt(walk));
            }
            return Value::Array(items);
        }
        if let Some(text) = walk.text() {
            assert_eq!(text.has_lines(), text.says().contains('\n'));
            return Value::String(text.says().into_owned());
        }
        serde_json::from_str(walk.raw()).expect("a scalar")
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9_f64..1e9).prop_map(Value::from),
            "[a-z\"\\\\\n{}\\[\\],:超 \u{1}]{0,12}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[a-z\"\\\\超]{0,6}", inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_is_found_in_its_place(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(rebuilt(&mut Walk::new(&text)), value.clone());
            let around = Value::Array(vec![value.clone(), Value::from(7)]).to_string();
            let mut walk = Walk::new(&around);
            prop_assert!(walk.item());
            let empty = walk.is_empty();
            prop_assert_eq!(walk.raw(), text);
            prop_assert_eq!(empty, value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty));
            prop_assert!(walk.item());
            prop_assert_eq!(walk.raw(), "7");
            prop_assert!(!walk.item());
        }
    }
}
