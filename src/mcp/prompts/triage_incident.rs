//! `triage_incident`

use std::future::ready;

use futures::FutureExt as _;

use super::{Argument, Fact, Facts, Prompt, Source, Text};

pub(super) const PROMPT: Prompt = Prompt {
    name: "triage_incident",
    title: Text { en: "Triage an incident", zh: "事件分诊" },
    description: Text {
        en: "Find out what is wrong, how bad it is and what to do next, from measurements rather than guesses.",
        zh: "以测量而非猜测为依据，弄清出了什么问题、有多严重、下一步做什么。",
    },
    arguments: &[
        Argument {
            name: "symptoms",
            description: Text { en: "What was seen, by whom and since when, in your words.", zh: "谁在何时看到了什么，用自己的话描述。" },
            required: true,
            source: Source::Free,
            free: true,
        },
        Argument {
            name: "service",
            description: Text { en: "The service or configured target that seems to be affected.", zh: "疑似受影响的服务或已配置的目标。" },
            required: false,
            source: Source::Target,
            free: true,
        },
    ],
    text: Text { en: include_str!("../../../prompts/triage_incident/en.md"), zh: include_str!("../../../prompts/triage_incident/zh.md") },
    facts: |services, given| {
        // A configured name is ours, and the calls that follow want it; any other is somebody's word.
        let target = given.get("service").and_then(|name| services.recovery.target(name).ok()).map(|target| target.name.to_string());
        ready(Ok(Facts::from([("target", Fact::Plain(target.into()))]))).boxed()
    },
};
