//! Reads the text of a playbook, `en.md` or `zh.md`.
//!
//! The form is narrow on purpose: one title, a summary, three marked lines, then a section per phase and per step. Does not know the
//! steps; [`model`](super::model) compares the two. What a section's body says is not interpreted.

use std::collections::BTreeMap;

use super::model::PlaybookError;
use crate::types::lang::Lang;

/// The text of a playbook in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) when: String,
    pub(super) exit: String,
    pub(super) escalate: String,
    /// Titles of the phases, by id.
    pub(super) phases: BTreeMap<String, String>,
    /// By step id.
    pub(super) steps: BTreeMap<String, StepText>,
}

/// The text of a step in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepText {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) expect: String,
    pub(super) if_not: String,
}

/// A marker: its key, and its word in English and in Chinese.
type Marker = (&'static str, &'static str, &'static str);
const HEAD: &[Marker] = &[("when", "When", "何时"), ("exit", "Exit", "结束"), ("escalate", "Escalate", "升级")];
const STEP: &[Marker] = &[("expect", "Expect", "预期"), ("if_not", "If not", "否则")];

/// A heading with what follows it.
#[derive(Default)]
struct Section {
    line: usize,
    heading: String,
    body: String,
    marked: BTreeMap<&'static str, String>,
}

/// Reads a text file; `file` names it in errors.
pub(super) fn parse(file: &str, source: &str, lang: Lang) -> Result<Text, PlaybookError> {
    let problem = |line: usize, problem: String| PlaybookError::Text { file: file.to_owned(), line, problem };
    let mut sections = split(source.trim_start_matches('\u{feff}'), lang).into_iter();
    let mut head = sections.next().unwrap_or_default();
    if head.heading.is_empty() || head.body.is_empty() {
        return Err(problem(1, "begin with '# Title' and a paragraph that sums the playbook up".to_owned()));
    }
    let (mut phases, mut steps) = (BTreeMap::new(), BTreeMap::new());
    let take = |section: &mut Section, marker: &Marker| {
        let (key, en, zh) = marker;
        let missing = || problem(section.line, format!("'{}:' is missing in the section that begins here", lang.pick(en, zh)));
        section.marked.remove(key).filter(|text| !text.is_empty()).ok_or_else(missing)
    };
    let (when, exit, escalate) = (take(&mut head, &HEAD[0])?, take(&mut head, &HEAD[1])?, take(&mut head, &HEAD[2])?);
    for mut section in sections {
        let line = section.line;
        let Some((id, title)) = section.heading.split_once([':', '：']).map(|(id, title)| (id.trim().to_owned(), title.trim().to_owned())) else {
            return Err(problem(line, "write the heading as '## id: Title' or '## phase id: Title'".to_owned()));
        };
        let twice = || problem(line, format!("'{id}' has two sections"));
        if let Some(phase) = id.strip_prefix("phase ") {
            if phases.insert(phase.trim().to_owned(), title).is_some() {
                return Err(twice());
            }
            continue;
        }
        let step = StepText { title, expect: take(&mut section, &STEP[0])?, if_not: take(&mut section, &STEP[1])?, body: section.body };
        if step.body.is_empty() || step.title.is_empty() {
            return Err(problem(line, format!("'{id}' has no title or no text")));
        }
        if steps.insert(id.clone(), step).is_some() {
            return Err(twice());
        }
    }
    Ok(Text { title: head.heading, summary: head.body, when, exit, escalate, phases, steps })
}

/// Cuts the source at its headings. The first section is the head, under the one `# ` heading.
fn split(source: &str, lang: Lang) -> Vec<Section> {
    let mut sections = vec![Section { line: 1, ..Section::default() }];
    let mut key = None;
    let mut blank = false;
    for (number, line) in source.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end())) {
        let in_head = sections.len() == 1;
        let Some(section) = sections.last_mut() else { continue };
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { line: number, heading: heading.trim().to_owned(), ..Section::default() });
            key = None;
        } else if in_head && section.heading.is_empty() && line.starts_with("# ") {
            section.heading = line[2..].trim().to_owned();
        } else if let Some((marker, rest)) = marked(line, lang, if in_head { HEAD } else { STEP }) {
            section.marked.insert(marker, rest.to_owned());
            key = Some(marker);
        } else if line.is_empty() {
            blank = true;
            continue;
        } else {
            let text = key.map_or(&mut section.body, |key| section.marked.entry(key).or_default());
            if !text.is_empty() {
                text.push_str(if blank { "\n\n" } else { "\n" });
            }
            text.push_str(line);
        }
        blank = false;
    }
    sections
}

/// The marker a line begins with, and the rest of the line. The colon may be of either width.
fn marked<'a>(line: &'a str, lang: Lang, markers: &[Marker]) -> Option<(&'static str, &'a str)> {
    markers.iter().find_map(|(key, en, zh)| {
        let rest = line.strip_prefix(lang.pick(*en, *zh))?.strip_prefix([':', '：'])?;
        Some((*key, rest.trim()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const GOOD: &str =
        "# T\nSum.\n\nWhen: w\nExit: x\nEscalate: e\n\n## phase p: Phase\n\n## a: A: b\nOne.\ntwo.\n\nThree.\nExpect: good\nIf not: bad\nstill bad\n";

    #[test]
    fn reads_all_parts() {
        let text = parse("f", &format!("\u{feff}{}", GOOD.replace('\n', "\r\n")), Lang::En).unwrap();
        assert_eq!((text.title.as_str(), text.summary.as_str(), text.phases["p"].as_str()), ("T", "Sum.", "Phase"));
        assert_eq!((text.when.as_str(), text.exit.as_str(), text.escalate.as_str()), ("w", "x", "e"));
        let step = &text.steps["a"];
        assert_eq!((step.title.as_str(), step.body.as_str()), ("A: b", "One.\ntwo.\n\nThree."));
        assert_eq!((step.expect.as_str(), step.if_not.as_str()), ("good", "bad\nstill bad"));
    }

    #[test]
    fn chinese_markers_take_either_colon() {
        let zh = "# 题\n概述。\n何时：甲\n结束: 乙\n升级：丙\n## a： 步骤\n正文。\n预期：好\n否则: 坏\n";
        let text = parse("f", zh, Lang::Zh).unwrap();
        assert_eq!((text.when.as_str(), text.steps["a"].title.as_str(), text.steps["a"].if_not.as_str()), ("甲", "步骤", "坏"));
    }

    #[test]
    fn errors_name_file_and_line() {
        let bad = [
            ("", "f:1:"),
            (&GOOD.replace("Exit: x\n", ""), "'Exit:'"),
            (&GOOD.replace("Expect: good\n", ""), "f:10: 'Expect:'"),
            (&GOOD.replace("## a: A: b", "## a"), "f:10: write the heading"),
            (&format!("{GOOD}## a: again\nx\nExpect: y\nIf not: z\n"), "f:18: 'a' has two sections"),
        ];
        for (source, wanted) in bad {
            let error = parse("f", source, Lang::En).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error} should hold {wanted}");
        }
    }
}
