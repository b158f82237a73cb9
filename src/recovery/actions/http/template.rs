//! Texts of the configuration with placeholders for what is known only when an action runs.
//!
//! A placeholder is `{word}`, the word made of lower-case letters and `_` alone. Everything else between braces stays as it is, so that JSON needs no
//! escaping: its objects hold quotes, digits, blanks or nothing behind the brace. A word that is not known is an error, not text: it is a slip of the pen.

use std::sync::LazyLock;

use regex::Regex;

use crate::recovery::actions::Context;

/// Each placeholder and its value. All values come from closed alphabets: they need no quoting in JSON, in a URL's path or query, or in a header.
const KNOWN: &[(&str, Value)] = &[
    ("operation_id", |context| context.operation.to_string()),
    ("target", |context| context.target.to_string()),
    ("issue_type", |context| context.issue.name().to_owned()),
    ("fence", |context| context.fence.to_string()),
];

type Value = fn(&Context) -> String;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{([a-z_]+)\}").expect("the pattern is valid"));

/// A text that was read.
pub(super) struct Template(Vec<Piece>);

enum Piece {
    Text(String),
    Value(Value),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// Which placeholders there are, when it has another.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut end) = (Vec::new(), 0);
        for found in PLACEHOLDER.captures_iter(text) {
            let (whole, [word]) = found.extract();
            let Some((_, value)) = KNOWN.iter().find(|(name, _)| *name == word) else {
                let known: Vec<String> = KNOWN.iter().map(|(name, _)| format!("{{{name}}}")).collect();
                // The word is not repeated: it may be part of a secret.
                return Err(format!("unknown placeholder: write one of {}", known.join(", ")));
            };
            let begin = found.get_match().start();
            pieces.extend([Piece::Text(text[end..begin].to_owned()), Piece::Value(*value)]);
            end = begin + whole.len();
        }
        pieces.push(Piece::Text(text[end..].to_owned()));
        Ok(Self(pieces))
    }

    /// The text with its values.
    pub(super) fn fill(&self, context: &Context) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(value) => value(context),
        };
        self.0.iter().map(piece).collect()
    }

    /// The text, if it has no placeholder.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What stands between the placeholders.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Value(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::context, *};

    #[test]
    fn placeholders_are_filled_and_json_is_left_alone() {
        let context = context();
        let id = context.operation.to_string();
        for (text, wants) in [
            ("", ""),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
            ("{} { } {\n} {1} {A} {{\"a\":[{}]}}", "{} { } {\n} {1} {A} {{\"a\":[{}]}}"),
            (r#"{"t":"{target}","i":"{issue_type}","n":{fence}}"#, r#"{"t":"shop","i":"high_latency","n":7}"#),
            ("{operation_id}{operation_id}", &format!("{id}{id}")),
            ("é{target}é", "éshopé"),
        ] {
            assert_eq!(Template::parse(text).map(|t| t.fill(&context)), Ok(wants.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_unknown_placeholder_is_an_error_that_lists_the_known() {
        for text in ["{operation}", "x{target}{reason}", r#"{"a":"{prior_state}"}"#] {
            let error = Template::parse(text).err().unwrap_or_default();
            assert!(error.contains("{operation_id}, {target}, {issue_type}, {fence}"), "{text}: {error}");
        }
    }
}
