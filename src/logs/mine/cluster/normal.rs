//! Texts of templates, and the joining of those that differ only in how many values a list has, or in a value that was missing.

use std::collections::HashMap;

use super::{
    super::WILDCARD,
    vocabulary::is_unit,
    words::{Form, WILD, Words},
};

/// The template of each form, and the templates' texts.
pub(super) fn templates(forms: &[Form], words: &Words<'_>) -> (Vec<u32>, Vec<String>) {
    let texts: Vec<Vec<u8>> = forms.iter().map(|form| render(form, words)).collect();
    let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut of = Vec::with_capacity(texts.len());
    for text in &texts {
        let (normal, filled) = fill(text);
        let at = *index.entry(normal).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { first: text, same: true, filled: vec![false; filled.len()] });
        }
        let group = &mut groups[at];
        group.same &= group.first == text;
        group.filled.iter_mut().zip(&filled).for_each(|(all, one)| *all |= one);
        of.push(at as u32);
    }
    let mut normals = vec![Vec::new(); groups.len()];
    for (normal, at) in index {
        normals[at] = normal;
    }
    let texts = groups.iter().zip(&normals).map(|(group, normal)| group.text(normal)).collect();
    (of, texts)
}

/// Templates with the same normal form.
struct Group<'t> {
    first: &'t [u8],
    same: bool,
    /// Which places of the normal form had a value in any of them.
    filled: Vec<bool>,
}

impl Group<'_> {
    fn text(&self, normal: &[u8]) -> String {
        if self.same {
            return String::from_utf8_lossy(self.first).into_owned();
        }
        let mut out = Vec::with_capacity(normal.len());
        let (mut at, mut places) = (0, self.filled.iter());
        while at < normal.len() {
            if normal[at..].starts_with(WILDCARD) {
                if places.next() == Some(&true) {
                    out.extend_from_slice(WILDCARD);
                }
                at += WILDCARD.len();
            } else {
                out.push(normal[at]);
                at += 1;
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The text of a form, wildcards that touch melted.
fn render(form: &Form, words: &Words<'_>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for id in form {
        if *id == WILD || is_account(words.text(*id), &out) {
            if let [before @ .., b' ' | b':'] = out.as_slice()
                && before.ends_with(WILDCARD)
            {
                out.pop();
            }
            if out.ends_with(WILDCARD) {
                continue;
            }
            out.extend_from_slice(WILDCARD);
            continue;
        }
        out.extend_from_slice(words.text(*id));
    }
    out
}

/// Whether a word names an account that every system has, where a user is named.
fn is_account(word: &[u8], before: &[u8]) -> bool {
    matches!(word, b"root" | b"admin") && [b"=".as_slice(), b"(", b" user ", b" for "].iter().any(|lead| before.ends_with(lead))
}

/// Where the wildcard ends that is before a `, ` or other punctuation without blanks at the end of a text, as in a list, or before the same words
/// that are before it: ` --exclude <*> --exclude `.
fn list_end(text: &[u8]) -> Option<usize> {
    if let Some(last) = memchr::memmem::rfind(text, WILDCARD) {
        let joint = &text[last + WILDCARD.len()..];
        if !joint.is_empty() && text[..last].ends_with(joint) {
            return Some(last + WILDCARD.len());
        }
    }
    let is_joint = |byte: &u8| matches!(byte, b',' | b';' | b'|' | b'/' | b'-' | b'@' | b'#' | b'&' | b'+');
    let punctuation = text.iter().rev().take(4).take_while(|byte| is_joint(byte)).count();
    // ` - ` and the like also join what are no lists: a program and its peer, or the ends of a range.
    let joint = if text.ends_with(b", ") {
        2
    } else if text.ends_with(b" ") {
        1
    } else {
        punctuation
    };
    (matches!(joint, 1..=3) && text[..text.len() - joint].ends_with(WILDCARD)).then_some(text.len() - joint)
}

/// The length of a unit after a blank at the beginning of a text.
fn unit(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b" ") else { return 0 };
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let ends = rest.get(length).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'/' | b'<'));
    if ends && is_unit(&rest[..length]) { 1 + length } else { 0 }
}

/// The text with a wildcard in every empty pair of brackets or quotes and after every `=` without a value, lists of wildcards made one, units left
/// out, and for each wildcard whether it was there.
fn fill(text: &[u8]) -> (Vec<u8>, Vec<bool>) {
    let (mut out, mut filled) = (Vec::with_capacity(text.len() + 16), Vec::new());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(WILDCARD) {
            if let Some(end) = list_end(&out) {
                out.truncate(end);
            } else {
                out.extend_from_slice(WILDCARD);
                filled.push(true);
            }
            at += WILDCARD.len() + unit(&text[at + WILDCARD.len()..]);
            continue;
        }
        if let Some(length) = missing(&out, &text[at..]) {
            if list_end(&out).is_none() {
                out.extend_from_slice(WILDCARD);
                filled.push(true);
            } else {
                while !out.ends_with(WILDCARD) {
                    out.pop();
                }
            }
            at += length;
            continue;
        }
        out.push(text[at]);
        at += 1;
        if lacks_value(&text[..at], &text[at..]) {
            out.extend_from_slice(WILDCARD);
            filled.push(false);
        }
    }
    (out, filled)
}

/// The length of a word that stands for a value that could not be told, such as `****` or `?`, at the beginning of a text.
fn missing(before: &[u8], text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|byte| matches!(byte, b'*' | b'?')).count();
    let is_word = before.ends_with(b" ") && text.get(length).is_none_or(|byte| matches!(byte, b' ' | b',' | b')' | b']'));
    (is_word && (length >= 2 || text.first() == Some(&b'?'))).then_some(length)
}

fn lacks_value(before: &[u8], after: &[u8]) -> bool {
    match before {
        [b'('] | [.., b' ', b'('] => after.starts_with(b")"),
        [.., b'['] => after.starts_with(b"]"),
        [.., b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_', b'='] => matches!(after.first(), None | Some(b' ' | b',' | b';' | b')' | b']')),
        _ => false,
    }
}
