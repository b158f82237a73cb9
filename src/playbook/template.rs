//! Fills `{{ name }}` into commands and tool arguments, and quotes values for a shell.
//!
//! Knows plain variables only: no loops, filters, expressions or comments, so a template can do nothing but stand there. That is
//! checked when a playbook is loaded, which is why filling it in later cannot fail on a built-in or a loaded one.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, UndefinedBehavior};

/// The variables of a template.
///
/// # Errors
/// A sentence that says what is not allowed, when the template holds anything but plain variables.
pub(super) fn variables(source: &str) -> Result<BTreeSet<String>, String> {
    if source.contains("{%") || source.contains("{#") {
        return Err("only plain variables such as {{ unit }} are allowed, not '{%' or '{#'".to_owned());
    }
    let mut names = BTreeSet::new();
    for piece in source.split("{{").skip(1) {
        let Some((name, _)) = piece.split_once("}}") else {
            return Err("a variable is opened with '{{' and never closed with '}}'".to_owned());
        };
        let name = name.trim();
        if !is_name(name) {
            return Err(format!("'{{{{ {name} }}}}' is not a plain variable: write lower-case letters, digits and '_'"));
        }
        names.insert(name.to_owned());
    }
    // What the engine itself reads must be the same; this refuses names that it reserves, such as `not` and `true`.
    let environment = engine();
    let compiled = environment.template_from_str(source).map_err(|error| error.to_string())?;
    let read: BTreeSet<String> = compiled.undeclared_variables(false).into_iter().collect();
    if read == names { Ok(names) } else { Err("a variable has a reserved name such as true, none or not".to_owned()) }
}

/// The template with every variable replaced. `values` must hold all of them.
pub(super) fn fill(source: &str, values: &BTreeMap<String, String>) -> Result<String, minijinja::Error> {
    engine().render_str(source, values)
}

/// Quotes a value for a POSIX shell, unless it holds nothing but `A-Z a-z 0-9 _ . / : @ % + = , -`.
///
/// Quoting keeps a value one word; it cannot stop a program from reading a leading `-` as an option, so inventories refuse such values.
pub(super) fn shell_quote(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&b);
    if !value.is_empty() && value.bytes().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

/// Snake case, as ids and variables are written.
pub(super) fn is_name(text: &str) -> bool {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= 64 && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && text.bytes().all(tail)
}

fn engine() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_plain_variables_are_allowed() {
        let found: Vec<String> = variables("a {{ unit }} {{host}} {{ unit }}").unwrap().into_iter().collect();
        assert_eq!(found, ["host", "unit"]);
        for bad in
            ["{{ a|upper }}", "{{ a.b }}", "{{ 'x' * 9 }}", "{% for a in b %}{% endfor %}", "{# x #}", "{{ a", "{{ not }}", "{{ true }}", "{{}}", "{{ A }}"]
        {
            assert!(variables(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hostile_value_stays_one_word() {
        assert_eq!(shell_quote("/var/log/a-1.log"), "/var/log/a-1.log");
        assert_eq!(shell_quote(""), "''");
        assert_eq!(shell_quote("a b"), "'a b'");
        assert_eq!(shell_quote("$(reboot); `id` '\"&|\n*"), "'$(reboot); `id` '\\''\"&|\n*'");
        assert_eq!(shell_quote("~root"), "'~root'");
    }

    #[test]
    fn values_are_not_read_as_templates_and_not_escaped() {
        let values = BTreeMap::from([("a".to_owned(), "<{{ b }}> & \"x\"".to_owned())]);
        assert_eq!(fill("-{{ a }}-", &values).unwrap(), "-<{{ b }}> & \"x\"-");
    }
}
