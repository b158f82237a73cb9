//! Fills a target's values into a playbook, and writes it as Markdown for people.
//!
//! Chooses among the commands by what is known of the target. Values come from the configuration; they are quoted for a shell all the
//! same, because commands are there to be pasted. Prose is not a template.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    model::{Arg, Command, CountedFrom, Phase, Platform, Playbook, PlaybookError, Risk, Step, StepKind},
    template,
    text::{StepText, Text},
};
use crate::types::lang::Lang;

/// What is known of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The target's name; also the variable `target`.
    pub target: Option<String>,
    /// Its values, by variable: `unit`, `namespace`, `health_url` and so on.
    pub values: BTreeMap<String, String>,
}

impl Facts {
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).or(self.target.as_ref().filter(|_| name == "target")).map(String::as_str)
    }

    fn on(&self, platform: Platform) -> bool {
        platform.marks().is_empty() || platform.marks().iter().any(|name| self.get(name).is_some())
    }
}

/// A phase of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RenderedPhase {
    /// Its id, to which steps refer.
    pub id: String,
    /// Its title.
    pub title: String,
    /// From when the minutes are counted.
    pub counted_from: CountedFrom,
    /// Its first minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_minute: Option<u32>,
    /// The minute by which it should be over; none where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_minute: Option<u32>,
}

/// A step with its text and commands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RenderedStep {
    /// Its id, to which other steps refer.
    pub id: String,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub kind: StepKind,
    /// How much it can harm.
    pub risk: Risk,
    /// Whether a person must agree first.
    pub approval: bool,
    /// How long to give it.
    pub timeout_seconds: u32,
    /// What to do and why.
    pub text: String,
    /// What a good result looks like.
    pub expect: String,
    /// What any other result means, and where to go.
    pub if_not: String,
    /// Commands to copy.
    pub commands: Vec<Command>,
    /// The tool of this server that does the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Arguments for the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<BTreeMap<String, Arg>>,
    /// The next step, `done` or `escalate` after success; none means the following step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_pass: Option<String>,
    /// The next step, `done` or `escalate` otherwise; none means the following step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_fail: Option<String>,
    /// The step that takes this one back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
}

/// A playbook in one language, for one target or for none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RenderedPlaybook {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub summary: String,
    /// The symptoms that lead to it.
    pub when: String,
    /// When it is over.
    pub exit: String,
    /// When to call for help, and whom.
    pub escalate: String,
    /// The language of the texts; differs from the one asked for where a user's playbook has only one.
    pub lang: Lang,
    /// The target whose values are filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its phases; empty where it has none.
    pub phases: Vec<RenderedPhase>,
    /// Its steps, in order.
    pub steps: Vec<RenderedStep>,
    /// Variables that stand as `<name>` in the commands and arguments shown, because no value is known.
    pub missing_values: Vec<String>,
}

/// Fills in the values.
pub(super) fn render(playbook: &Playbook, lang: Lang, facts: &Facts) -> Result<RenderedPlaybook, PlaybookError> {
    let Some((lang, text)) = playbook.text(lang) else {
        return Err(PlaybookError::Folder { path: playbook.id.clone().into(), problem: "has no text".to_owned() });
    };
    let mut filler = Filler { facts, missing: BTreeSet::new() };
    let steps = playbook.steps.iter().filter_map(|step| Some((step, text.steps.get(&step.id)?)));
    let steps = steps.map(|(step, words)| filler.step(step, words)).collect::<Result<_, _>>();
    let steps = steps.map_err(|source| PlaybookError::Render { playbook: playbook.id.clone(), source: Box::new(source) })?;
    Ok(RenderedPlaybook {
        id: playbook.id.clone(),
        title: text.title.clone(),
        summary: text.summary.clone(),
        when: text.when.clone(),
        exit: text.exit.clone(),
        escalate: text.escalate.clone(),
        lang,
        target: facts.target.clone(),
        phases: playbook.phases.iter().map(|phase| render_phase(phase, text)).collect(),
        steps,
        missing_values: filler.missing.into_iter().collect(),
    })
}

fn render_phase(phase: &Phase, text: &Text) -> RenderedPhase {
    RenderedPhase {
        id: phase.id.clone(),
        title: text.phases.get(&phase.id).cloned().unwrap_or_default(),
        counted_from: phase.counted_from,
        from_minute: phase.from_minute,
        to_minute: phase.to_minute,
    }
}

struct Filler<'a> {
    facts: &'a Facts,
    missing: BTreeSet<String>,
}

impl Filler<'_> {
    fn step(&mut self, step: &Step, words: &StepText) -> Result<RenderedStep, minijinja::Error> {
        let mut commands = Vec::new();
        for command in choose(&step.commands, self.facts) {
            commands.push(Command { platform: command.platform, run: self.fill(command.run.trim(), template::shell_quote)? });
        }
        let mut args = None;
        for (name, arg) in step.args.iter().flatten() {
            let arg = match arg {
                Arg::Text(text) => Arg::Text(self.fill(text, str::to_owned)?),
                Arg::List(texts) => Arg::List(texts.iter().map(|text| self.fill(text, str::to_owned)).collect::<Result<_, _>>()?),
                other => other.clone(),
            };
            args.get_or_insert_with(BTreeMap::new).insert(name.clone(), arg);
        }
        Ok(RenderedStep {
            id: step.id.clone(),
            phase: step.phase.clone(),
            title: words.title.clone(),
            kind: step.kind,
            risk: step.risk,
            approval: step.approval,
            timeout_seconds: step.timeout_seconds,
            text: words.body.clone(),
            expect: words.expect.clone(),
            if_not: words.if_not.clone(),
            commands,
            tool: step.tool.clone(),
            args,
            on_pass: step.on_pass.clone(),
            on_fail: step.on_fail.clone(),
            rollback: step.rollback.clone(),
        })
    }

    fn fill(&mut self, source: &str, quote: fn(&str) -> String) -> Result<String, minijinja::Error> {
        let mut values = BTreeMap::new();
        for name in variables(source) {
            let value = self.facts.get(&name).map(quote);
            let value = value.unwrap_or_else(|| {
                self.missing.insert(name.clone());
                format!("<{name}>")
            });
            values.insert(name, value);
        }
        template::fill(source, &values)
    }
}

/// The commands to show. With a target: those whose values are all known; failing that, those of its platforms; failing that, all
/// but those of a runtime that it is not on (`kubectl` is no use for a systemd unit; its database may just not be written down).
fn choose<'a>(commands: &'a [Command], facts: &Facts) -> Vec<&'a Command> {
    let known = |command: &&Command| facts.on(command.platform) && variables(&command.run).iter().all(|name| facts.get(name).is_some());
    let fits = |command: &&Command| facts.on(command.platform);
    if facts.target.is_none() {
        return commands.iter().collect();
    }
    let on_a_runtime = Platform::RUNTIMES.into_iter().any(|platform| facts.on(platform));
    let thinkable = |command: &&Command| !(on_a_runtime && Platform::RUNTIMES.contains(&command.platform));
    let first_some = |chosen: Vec<&'a Command>| (!chosen.is_empty()).then_some(chosen);
    first_some(commands.iter().filter(known).collect())
        .or_else(|| first_some(commands.iter().filter(fits).collect()))
        .unwrap_or_else(|| commands.iter().filter(thinkable).collect())
}

/// The variables of a template that has been checked when it was loaded.
fn variables(source: &str) -> BTreeSet<String> {
    template::variables(source).unwrap_or_default()
}

/// The playbook as Markdown, in its own language.
pub fn to_markdown(playbook: &RenderedPlaybook) -> String {
    let lang = playbook.lang;
    let colon = lang.pick(": ", "：");
    let mut out = format!("# {}\n\n{}\n\n", playbook.title, playbook.summary);
    let mut fact = |word: &str, text: &str| {
        let _ = writeln!(out, "- **{word}**{colon}{text}");
    };
    fact(lang.pick("When", "何时"), &playbook.when);
    fact(lang.pick("Over when", "结束条件"), &playbook.exit);
    fact(lang.pick("Escalate", "升级"), &playbook.escalate);
    if let Some(target) = &playbook.target {
        fact(lang.pick("Target", "目标"), target);
    }
    if !playbook.missing_values.is_empty() {
        let names: Vec<String> = playbook.missing_values.iter().map(|name| format!("`<{name}>`")).collect();
        fact(lang.pick("Fill in yourself", "需自行填写"), &names.join(lang.pick(", ", "、")));
    }
    let mut phase_now = None;
    for (index, step) in playbook.steps.iter().enumerate() {
        if step.phase.is_some() && step.phase != phase_now {
            phase_now.clone_from(&step.phase);
            if let Some(phase) = playbook.phases.iter().find(|phase| Some(&phase.id) == step.phase.as_ref()) {
                let _ = write!(out, "\n## {}{}\n", phase.title, time_box(phase, lang));
            }
        }
        step_markdown(&mut out, index + 1, step, lang);
    }
    out
}

fn time_box(phase: &RenderedPhase, lang: Lang) -> String {
    let Some(to) = phase.to_minute else { return String::new() };
    let from = phase.from_minute.unwrap_or(0);
    let (from, to, unit) = if to.is_multiple_of(60) && from.is_multiple_of(60) && to > 120 {
        (from / 60, to / 60, lang.pick("h", "小时"))
    } else {
        (from, to, lang.pick("min", "分钟"))
    };
    let since = match phase.counted_from {
        CountedFrom::Detection => "",
        CountedFrom::Resolution => lang.pick(" after resolution", "，自故障解决起"),
    };
    format!(" [{from}-{to} {unit}{since}]")
}

fn step_markdown(out: &mut String, number: usize, step: &RenderedStep, lang: Lang) {
    let colon = lang.pick(": ", "：");
    let approval = if step.approval { lang.pick(" | needs approval", " | 需审批") } else { "" };
    let (kind, risk) = (kind_word(step.kind, lang), risk_word(step.risk, lang));
    let _ = write!(out, "\n### {number}. {} (`{}`)\n\n{kind} | {risk}{approval} | {} s\n\n{}\n", step.title, step.id, step.timeout_seconds, step.text);
    for command in &step.commands {
        let label = if command.platform == Platform::Any { String::new() } else { format!("{}{}\n", command.platform.name(), lang.pick(":", "：")) };
        let _ = write!(out, "\n{label}```sh\n{}\n```\n", command.run);
    }
    if let Some(tool) = &step.tool {
        let _ = write!(out, "\n- {}{colon}`{tool}`{}", lang.pick("Tool", "工具"), args_text(step.args.as_ref()));
    }
    let _ = write!(out, "\n- {}{colon}{}", lang.pick("Expect", "预期"), step.expect);
    let _ = writeln!(out, "\n- {}{colon}{}", lang.pick("If not", "否则"), step.if_not);
    let ways = [(lang.pick("passed", "通过"), &step.on_pass), (lang.pick("failed", "未通过"), &step.on_fail), (lang.pick("undo", "撤回"), &step.rollback)];
    let ways: Vec<String> = ways.iter().filter_map(|(word, next)| Some(format!("{word} -> `{}`", next.as_ref()?))).collect();
    if !ways.is_empty() {
        let _ = writeln!(out, "- {}{colon}{}", lang.pick("Next", "下一步"), ways.join(lang.pick("; ", "；")));
    }
}

fn args_text(args: Option<&BTreeMap<String, Arg>>) -> String {
    let text = |(name, arg): (&String, &Arg)| match arg {
        Arg::Text(text) => format!(" `{name}={text}`"),
        Arg::List(texts) => format!(" `{name}=[{}]`", texts.join(", ")),
        Arg::Number(number) => format!(" `{name}={number}`"),
        Arg::Flag(flag) => format!(" `{name}={flag}`"),
    };
    args.into_iter().flatten().map(text).collect()
}

fn kind_word(kind: StepKind, lang: Lang) -> &'static str {
    match kind {
        StepKind::Observe => lang.pick("observe", "观察"),
        StepKind::Decide => lang.pick("decide", "决策"),
        StepKind::Act => lang.pick("act", "操作"),
        StepKind::Verify => lang.pick("verify", "验证"),
        StepKind::Comm => lang.pick("communicate", "通报"),
    }
}

fn risk_word(risk: Risk, lang: Lang) -> &'static str {
    match risk {
        Risk::Read => lang.pick("changes nothing", "只读"),
        Risk::Reversible => lang.pick("reversible", "可撤回"),
        Risk::Disruptive => lang.pick("DISRUPTIVE", "有业务影响"),
        Risk::Destructive => lang.pick("DESTRUCTIVE", "不可恢复"),
    }
}
