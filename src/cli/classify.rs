//! `classify`

use std::io::{BufRead, BufReader};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Exit, Failure, Out, Outcome,
    output::{cell, number, severity, word},
};
use crate::{
    flows::Services,
    incident::{BusinessImpact, Evidence, Policy, Verdict},
    types::{lang::Lang, severity::Severity},
};

#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// Share of requests that fail, percent
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    error_rate: Option<f64>,
    /// Response time, milliseconds
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    response_time: Option<f64>,
    /// Availability, percent
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    availability: Option<f64>,
    /// Number of users affected
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    affected_users: Option<i64>,
    /// How much the business feels it
    #[arg(long, value_enum)]
    business_impact: Option<ImpactArg>,
    /// What people see, in their words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// guarded or quorum [default: as configured]
    #[arg(long)]
    policy: Option<Policy>,
    /// Read JSON lines from a file or stdin, write a JSON line for each
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-",
        conflicts_with_all = ["error_rate", "response_time", "availability", "affected_users", "business_impact", "description"])]
    batch: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ImpactArg {
    None,
    Low,
    Medium,
    High,
    Critical,
}

impl From<ImpactArg> for BusinessImpact {
    fn from(impact: ImpactArg) -> Self {
        match impact {
            ImpactArg::None => Self::None,
            ImpactArg::Low => Self::Low,
            ImpactArg::Medium => Self::Medium,
            ImpactArg::High => Self::High,
            ImpactArg::Critical => Self::Critical,
        }
    }
}

pub(super) fn run(args: ClassifyArgs, services: &Services, lang: Lang, out: &mut Out) -> Outcome {
    if let Some(path) = &args.batch {
        return batch(path, args.policy, services, lang, out);
    }
    let evidence = Evidence {
        error_rate_percent: args.error_rate,
        response_time_ms: args.response_time,
        availability_percent: args.availability,
        affected_users: args.affected_users,
        business_impact: args.business_impact.map(Into::into),
        description: args.description,
    };
    let verdict = services.classifier.classify_by(args.policy, &evidence, lang).map_err(Failure::usage)?;
    if out.is_json() {
        out.json(services, &verdict, false)?;
    } else {
        show(&verdict, lang, out)?;
    }
    Ok(if verdict.severity == Severity::P3 && verdict.determined { Exit::Fine } else { Exit::Problem })
}

fn show(verdict: &Verdict, lang: Lang, out: &mut Out) -> std::io::Result<()> {
    let hits =
        verdict.rules.iter().filter(|r| r.hit).map(|r| vec![severity(r.severity), cell(&r.rule), number(r.value.map(|v| v.to_string()).unwrap_or_default())]);
    let hits: Vec<_> = hits.collect();
    if !hits.is_empty() {
        out.table(&lang.pick(["Level", "Rule that hit", "Value"], ["级别", "命中的规则", "数值"]), hits)?;
    }
    for contradiction in &verdict.contradictions {
        out.line(format!("{} ({}): {}", lang.pick("contradiction", "矛盾"), contradiction.between.join(", "), contradiction.text))?;
    }
    for missing in &verdict.missing_evidence {
        out.line(format!("{} {}: {}", lang.pick("missing", "缺少"), missing.input, missing.how))?;
    }
    for change in &verdict.would_change {
        out.line(lang.pick(format!("would be {} if {}", change.severity, change.if_true), format!("若 {}，则为 {}", change.if_true, change.severity)))?;
    }
    out.title(verdict.why.as_str())?;
    let confidence = word(&verdict.confidence);
    let (team, minutes, by) = (verdict.response_team.join(", "), verdict.sla_minutes, &verdict.respond_by);
    out.line(lang.pick(
        format!("confidence {confidence}; {team} respond within {minutes} min, by {by}"),
        format!("置信度 {confidence}；由 {team} 在 {minutes} 分钟内响应，截止 {by}"),
    ))?;
    out.line(format!("{}: opsmedic playbook show {}", lang.pick("next", "下一步"), verdict.playbook))
}

/// One JSON line for each; a row that cannot be judged gives an `error` and the others go on.
fn batch(path: &str, policy: Option<Policy>, services: &Services, lang: Lang, out: &mut Out) -> Outcome {
    let input: Box<dyn BufRead> = if path == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(path).map_err(|e| Failure::could_not_run(format!("{path}: {e}")))?;
        Box::new(BufReader::new(file))
    };
    let (mut block, mut wrong) = (String::new(), 0u64);
    for (number, line) in (1u64..).zip(input.split(b'\n')) {
        let line = line.map_err(|e| Failure::could_not_run(format!("{path}: line {number}: {e}")))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = str::from_utf8(&line).map_err(|_| "not UTF-8".to_owned());
        let mut answer = text.and_then(|line| row(line, policy, services, lang)).unwrap_or_else(|error| {
            wrong += 1;
            json!({ "line": number, "error": error })
        });
        services.clean(&mut answer);
        block.push_str(&answer.to_string());
        block.push('\n');
        if block.len() > 1 << 16 {
            out.raw(block.as_bytes())?;
            block.clear();
        }
    }
    out.raw(block.as_bytes())?;
    if wrong > 0 {
        return Err(Failure::new(Exit::Usage, format!("{wrong} lines could not be judged; each has an \"error\" in the output")));
    }
    Ok(Exit::Fine)
}

/// A row may carry an `id`, which is given back, and the `severity` that somebody expects, which is not read.
fn row(line: &str, policy: Option<Policy>, services: &Services, lang: Lang) -> Result<Value, String> {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let id = object.remove("id");
    object.remove("severity");
    let evidence: Evidence = serde_json::from_value(object.into()).map_err(|e| e.to_string())?;
    let verdict = services.classifier.classify_by(policy, &evidence, lang).map_err(|e| e.to_string())?;
    let mut answer = serde_json::to_value(verdict).map_err(|e| e.to_string())?;
    if let Some(id) = id {
        answer["id"] = id;
    }
    Ok(answer)
}
