//! `run_drill`

use super::{Argument, Prompt, Source, Text, nothing};

pub(super) const PROMPT: Prompt = Prompt {
    name: "run_drill",
    title: Text { en: "Run a drill", zh: "故障演练" },
    description: Text {
        en: "Rehearse an incident with the real tools up to the plan, and change nothing.",
        zh: "用真实工具演练一次事件处置，直到给出计划为止，不做任何改动。",
    },
    arguments: &[
        Argument {
            name: "issue_type",
            description: Text { en: "The trouble to rehearse.", zh: "要演练的故障类型。" },
            required: false,
            source: Source::Issue,
            free: false,
        },
        Argument {
            name: "target",
            description: Text { en: "The configured target to rehearse on.", zh: "用于演练的已配置目标。" },
            required: false,
            source: Source::Target,
            free: false,
        },
    ],
    text: Text { en: include_str!("../../../prompts/run_drill/en.md"), zh: include_str!("../../../prompts/run_drill/zh.md") },
    facts: nothing,
};
