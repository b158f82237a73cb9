//! `review_health`

use super::{Argument, Prompt, Source, Text, nothing};

pub(super) const PROMPT: Prompt = Prompt {
    name: "review_health",
    title: Text { en: "Review health", zh: "健康巡检" },
    description: Text {
        en: "Look at how everything is right now, what is close to its limit, and what cannot be told.",
        zh: "查看当前整体状态、哪些接近阈值、哪些无法判断。",
    },
    arguments: &[Argument {
        name: "check",
        description: Text { en: "One health check; all of them without it.", zh: "只看这一项健康检查；省略则查看全部。" },
        required: false,
        source: Source::Check,
        free: false,
    }],
    text: Text { en: include_str!("../../../prompts/review_health/en.md"), zh: include_str!("../../../prompts/review_health/zh.md") },
    facts: nothing,
};
