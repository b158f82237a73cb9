//! What prompts share: the fence around what somebody said, and the filling of a text.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value};

use crate::{mcp::ToolError, types::bound};

/// Puts a clean text into a block that names it as untrusted and that it cannot close, cut to at most `most` bytes.
pub(super) fn fence(name: &str, said: &str, most: usize) -> String {
    let said = bound::cut(said, most);
    // One longer than the longest run inside: such a run closes nothing.
    let longest = said.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let marks = "`".repeat((longest + 1).max(3));
    let label = if name.starts_with("untrusted_") { name.to_owned() } else { format!("untrusted_{name}") };
    format!("{marks}{label}\n{}\n{marks}", said.trim_end_matches('\n'))
}

/// Fills a template of ours. Values are put in as they are, never read as templates.
///
/// # Errors
/// `internal`: a template names what nobody gave, which is a defect.
pub(super) fn render(template: &str, values: BTreeMap<&'static str, Value>) -> Result<String, ToolError> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let filled = environment.render_str(template, values);
    filled.map_err(|e| ToolError::new("internal", format!("a prompt could not be filled in: {e}"), "report this defect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_that_is_said_gets_out_of_its_fence(said in "[a-z`~\n{}%]{0,300}", most in 20_usize..300) {
            let block = fence("symptoms", &said, most);
            let (first, last) = (block.lines().next().unwrap_or_default(), block.lines().last().unwrap_or_default());
            let marks = first.strip_suffix("untrusted_symptoms").unwrap_or_default();
            proptest::prop_assert!(marks.len() >= 3 && marks == last);
            let inside = &block[first.len() + 1..block.len() - last.len()];
            proptest::prop_assert!(!inside.contains(marks));
            proptest::prop_assert!(inside.len() <= most + 1);
        }
    }

    #[test]
    fn what_is_said_is_no_template() {
        let text = render("{% if a %}\n{{ a }}\n{% endif %}\n", [("a", Value::from("{{ host }} {% if x %} <b>"))].into()).expect("fills");
        assert_eq!(text, "{{ host }} {% if x %} <b>\n");
    }
}
