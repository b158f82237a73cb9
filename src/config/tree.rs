//! The parsed file with the place of every key, so that each section can be read by its own room and errors still name line and key.

use std::{borrow::Cow, ops::Range, path::PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{ConfigError, env};
use crate::types::{redact::MASK, secret::Secret};

/// A node of the file.
pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// The text and its name.
pub(super) struct Source<'i> {
    pub(super) text: &'i str,
    file: String,
}

impl<'i> Source<'i> {
    pub(super) fn new(text: &'i str, path: Option<PathBuf>) -> Self {
        Self { text, file: path.map_or_else(|| "configuration".to_owned(), |p| p.display().to_string()) }
    }

    /// Parses the text, remembers every key's place, and fills in `${..}`.
    pub(super) fn parse(&self) -> Result<(Table<'i>, Places<'_>), ConfigError> {
        let mut places = Places { source: self, keys: Vec::new(), filled: Vec::new() };
        let mut root = DeTable::parse(self.text).map_err(|e| places.locate(&e))?;
        places.index(root.get_ref(), "");
        interpolate(root.get_mut(), &mut places)?;
        let span = root.span();
        Ok((Table { entries: root.into_inner(), span }, places))
    }
}

/// Where each key stands.
pub(super) struct Places<'s> {
    source: &'s Source<'s>,
    keys: Vec<(Range<usize>, String)>,
    /// What `${..}` stood for, by key: never shown, and secret where commands get it.
    filled: Vec<(String, String)>,
}

impl Places<'_> {
    fn index(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            self.keys.push((key.span(), path.clone()));
            self.index_value(value, path);
        }
    }

    fn index_value(&mut self, value: &Node<'_>, path: String) {
        match value.get_ref() {
            DeValue::Table(inner) => self.index(inner, &path),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.index_value(item, format!("{path}[{i}]"));
                }
            }
            _ => {}
        }
        self.keys.push((value.span(), path));
    }

    /// The key whose place is the smallest around an offset.
    fn key_at(&self, offset: usize) -> String {
        let around = self.keys.iter().filter(|(span, _)| span.contains(&offset) || span.start == offset);
        around.min_by_key(|(span, path)| (span.len(), std::cmp::Reverse(path.len()))).map(|(_, path)| path.clone()).unwrap_or_default()
    }

    /// An error of the TOML crate or of a section, with its place.
    pub(super) fn locate(&self, error: &toml::de::Error) -> ConfigError {
        self.wrong(error.span().unwrap_or(0..0), in_plain_words(error.message()))
    }

    /// Where a key stands, by its name with tables; for rules over a whole section that name the key.
    pub(super) fn of_key(&self, key: &str) -> Option<Range<usize>> {
        self.keys.iter().find(|(_, path)| path == key).map(|(span, _)| span.clone())
    }

    /// Values that came from outside the file and go to commands.
    pub(super) fn filled_in_commands(&self) -> Vec<Secret> {
        let to_commands = |key: &str| key.contains(".argv[") || key.contains(".env.");
        self.filled.iter().filter(|(key, _)| to_commands(key)).map(|(_, value)| Secret::new(value.as_str())).collect()
    }

    /// An error of ours at a place.
    pub(super) fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = &self.source.text[..self.source.text.floor_char_boundary(span.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let (key, message): (_, String) = (self.key_at(span.start), message.into());
        // The rule of a section names its key itself, and the place does as well.
        let rest = message.strip_prefix(&key).filter(|_| !key.is_empty());
        let said = rest.and_then(|rest| rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' ').filter(|rest| rest.starts_with("is "))));
        let message = said.unwrap_or(&message).to_owned();
        ConfigError::Wrong {
            file: self.source.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key,
            message: self.filled.iter().filter(|(_, value)| !value.is_empty()).fold(message, |text, (_, value)| text.replace(value.as_str(), MASK)),
        }
    }
}

/// The library names types as programmers do.
fn in_plain_words(message: &str) -> String {
    let words = [
        ("a sequence", "a list"),
        ("sequence", "list"),
        ("a map", "a table"),
        ("expected f64", "expected a number"),
        ("expected u", "expected a whole number, u"),
        ("expected i64", "expected a whole number"),
    ];
    let plain = words.iter().fold(message.replace('\n', "; "), |text, (from, to)| text.replace(from, to));
    ["8", "16", "32", "64", "size"].iter().fold(plain, |text, bits| text.replace(&format!("whole number, u{bits}"), "whole number"))
}

/// A table whose entries are taken one by one.
pub(super) struct Table<'i> {
    entries: DeTable<'i>,
    pub(super) span: Range<usize>,
}

impl<'i> Table<'i> {
    /// The table in a node; an error names the place if it is none.
    pub(super) fn of(node: Node<'i>, places: &Places<'_>) -> Result<Self, ConfigError> {
        let span = node.span();
        match node.into_inner() {
            DeValue::Table(entries) => Ok(Self { entries, span }),
            other => Err(places.wrong(span, format!("expected a table, found {}", other.type_str()))),
        }
    }

    /// Takes an entry out.
    pub(super) fn take(&mut self, key: &str) -> Option<Node<'i>> {
        self.entries.remove(key)
    }

    /// Takes an entry out that must be a table, empty if it is absent.
    pub(super) fn take_table(&mut self, key: &str, places: &Places<'_>) -> Result<Self, ConfigError> {
        self.take(key).map_or_else(|| Ok(Self { entries: DeTable::new(), span: self.span.clone() }), |node| Self::of(node, places))
    }

    /// SHA-256 over all keys and values, whatever their order and layout; the first 32 hex digits.
    pub(super) fn fingerprint(&self) -> String {
        let mut text = Vec::new();
        canonical_table(&self.entries, &mut text);
        Sha256::digest(text).iter().take(16).map(|b| format!("{b:02x}")).collect()
    }

    /// What is left, as key, place of the key, value.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Range<usize>, Node<'i>)> {
        self.entries.into_iter().map(|(key, value)| (key.get_ref().to_string(), key.span(), value))
    }

    /// Reads what is left as a section.
    pub(super) fn read<T: DeserializeOwned>(self, places: &Places<'_>) -> Result<T, ConfigError> {
        read(Spanned::new(self.span, DeValue::Table(self.entries)), places)
    }
}

fn canonical_table(table: &DeTable<'_>, text: &mut Vec<u8>) {
    let mut entries: Vec<(&str, &DeValue<'_>)> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref())).collect();
    entries.sort_by_key(|(key, _)| *key);
    text.extend(format!("table {}:", entries.len()).bytes());
    for (key, value) in entries {
        text.extend(format!("{}:{key}", key.len()).bytes());
        canonical(value, text);
    }
}

/// Every value with its type and length, so that no two tables have the same text.
fn canonical(value: &DeValue<'_>, text: &mut Vec<u8>) {
    match value {
        DeValue::Table(table) => canonical_table(table, text),
        DeValue::Array(items) => {
            text.extend(format!("list {}:", items.len()).bytes());
            items.iter().for_each(|item| canonical(item.get_ref(), text));
        }
        DeValue::String(string) => text.extend(format!("string {}:{string}", string.len()).bytes()),
        DeValue::Integer(number) => text.extend(format!("integer {}:{number};", number.radix()).bytes()),
        DeValue::Float(number) => text.extend(format!("float {number};").bytes()),
        DeValue::Boolean(yes) => text.extend(format!("boolean {yes};").bytes()),
        DeValue::Datetime(moment) => text.extend(format!("moment {moment};").bytes()),
    }
}

/// Reads a node as a section.
pub(super) fn read<T: DeserializeOwned>(node: Node<'_>, places: &Places<'_>) -> Result<T, ConfigError> {
    let span = node.span();
    T::deserialize(ValueDeserializer::from(node)).map_err(|e| place(&e, span, places))
}

/// An error with its own place, or else with its section's.
pub(super) fn place(error: &toml::de::Error, section: Range<usize>, places: &Places<'_>) -> ConfigError {
    if error.span().is_some() { places.locate(error) } else { places.wrong(section, error.message()) }
}

/// Replaces strings that are exactly `${NAME}` or `${file:/path}`.
fn interpolate(table: &mut DeTable<'_>, places: &mut Places<'_>) -> Result<(), ConfigError> {
    for (_, value) in table.iter_mut() {
        interpolate_value(value, places)?;
    }
    Ok(())
}

fn interpolate_value(node: &mut Node<'_>, places: &mut Places<'_>) -> Result<(), ConfigError> {
    let span = node.span();
    match node.get_mut() {
        DeValue::Table(table) => interpolate(table, places),
        DeValue::Array(items) => items.iter_mut().try_for_each(|item| interpolate_value(item, places)),
        DeValue::String(text) => {
            let Some(name) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) else {
                // Half a reference would be sent as it stands.
                let half = text.contains("${");
                return if half { Err(places.wrong(span, "${..} stands for a whole string: put the whole value into the variable or file")) } else { Ok(()) };
            };
            let value = match name.strip_prefix("file:") {
                Some(path) => super::read(std::path::Path::new(path))
                    .map(|content| content.lines().next().unwrap_or_default().to_owned())
                    .map_err(|e| places.wrong(span.clone(), format!("${{file:..}}: {e}")))?,
                None => env::variable(name).ok_or_else(|| places.wrong(span.clone(), format!("the environment variable {name} is not set")))?,
            };
            places.filled.push((places.key_at(span.start), value.clone()));
            *text = Cow::Owned(value);
            Ok(())
        }
        _ => Ok(()),
    }
}
