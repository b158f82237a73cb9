//! `analyze_logs`

use std::sync::Arc;

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Caller, LOOKS, Tool, input, output, parse};
use crate::{
    flows::{NextCall, Services, next},
    logs::{self, Access, Anchor, Report, Request},
    mcp::{CutRules, Moved, Progress, ToolError},
    types::lang::Lang,
};

/// The window over MCP when the caller names none (specification: the last hour).
const DEFAULT_SINCE: &str = "1h";

/// Of a report that is too long, the errors and what to do about them stay longest.
const CUT: CutRules = CutRules {
    first: &["timeline.buckets", "skipped_files", "files", "top_unlevelled", "top_warnings", "related", "top_errors", "recommendations"],
    moved: &[
        Moved { list: "top_errors", count: "count", to: "other_errors" },
        Moved { list: "top_warnings", count: "count", to: "other_warnings" },
        Moved { list: "top_unlevelled", count: "count", to: "other_unlevelled" },
    ],
};

pub(super) const TOOL: Tool = Tool {
    name: "analyze_logs",
    title: "Analyze logs",
    description: include_str!("../../../tools/analyze_logs/description.md").trim_ascii(),
    hints: LOOKS,
    scope: "log files on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Report>,
    call: |services, arguments, caller| call(services, arguments, caller).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Absolute paths, globs, or names of configured sources. Only inside the configured roots.
    #[schemars(length(min = 1, max = 100))]
    paths: Vec<String>,
    /// How far back, such as 30m, 2h or 7d; `all` for everything. Default 1h when from and to are absent.
    #[serde(default)]
    since: Option<String>,
    /// Beginning: 2026-11-20T10:00:00Z, 2026-11-20 10:00 (in the source's time zone), or how long before the anchor.
    #[serde(default)]
    from: Option<String>,
    /// End, inclusive, in the same forms.
    #[serde(default)]
    to: Option<String>,
    /// What relative times count from: now, or the end of the log.
    #[serde(default)]
    anchor: Anchor,
    /// Zone of times that carry none, such as Asia/Shanghai or UTC.
    #[serde(default)]
    timezone: Option<String>,
    /// Width of the timeline's buckets, such as 1m or 1h; default: the finest that gives at most 80.
    #[serde(default)]
    bucket: Option<String>,
    /// Language of the recommendations; default as configured.
    #[serde(default)]
    lang: Option<Lang>,
}

async fn call(services: &Services, arguments: JsonObject, caller: Caller) -> Result<Answer, ToolError> {
    let arguments: Arguments = parse(arguments)?;
    let roots = services.logs.settings().roots.clone();
    let unbounded = arguments.since.is_none() && arguments.from.is_none() && arguments.to.is_none();
    let request = Request {
        since: if unbounded { Some(DEFAULT_SINCE.to_owned()) } else { arguments.since },
        from: arguments.from,
        to: arguments.to,
        anchor: arguments.anchor,
        timezone: arguments.timezone,
        bucket: arguments.bucket,
        lang: arguments.lang.unwrap_or(services.lang),
        ..Request::new(arguments.paths, Access::Roots(roots))
    };
    let (paths, timezone) = (request.paths.clone(), request.timezone.clone());
    let report = services.logs.analyse(request, caller.cancel, reading(caller.progress)).await?;
    let headline = match &report.hint {
        Some(hint) => hint.clone(),
        None => {
            format!("{} records, {} errors ({} %), {} warnings", report.records_in_window, report.error_count, report.error_rate_percent, report.warning_count)
        }
    };
    let first = report.recommendations.first();
    let playbook = first.and_then(|r| r.playbook.as_deref()).map(next::playbook);
    let plan = next::plan(services, first.and_then(|r| r.issue_type));
    let elsewhere = report.hint.as_ref().map(|_| {
        let mut arguments = match &report.span {
            Some(span) => json!({ "paths": paths, "from": span.first, "to": span.last }),
            None => json!({ "paths": paths, "since": "all" }),
        };
        if let Some(timezone) = timezone {
            arguments["timezone"] = timezone.into();
        }
        NextCall::new("analyze_logs", arguments, "nothing is in the window; this sees what the log holds")
    });
    Ok(Answer::new(headline, &report)?.cut_first(CUT).next(elsewhere.into_iter().chain(playbook).chain(plan)))
}

/// How the analyser tells how far it is; a file's name may be an attacker's, so it is not told.
fn reading(progress: Progress) -> Option<Arc<dyn Fn(logs::Progress) + Send + Sync>> {
    let told = progress.clone();
    let tell = move |read: logs::Progress| {
        let mib = |bytes: u64| bytes >> 20;
        let message = format!("{} of {} MiB read", mib(read.bytes), mib(read.total_bytes));
        told.report(usize::try_from(read.bytes).unwrap_or(usize::MAX), usize::try_from(read.total_bytes).ok(), message);
    };
    progress.wanted().then(|| Arc::new(tell) as _)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::CUT;
    use crate::mcp::budget::fit;

    fn list(items: u64, item: impl Fn(u64) -> Value) -> Value {
        (0..items).map(item).collect()
    }

    fn report() -> Value {
        let group = |i| json!({ "id": format!("E{i}"), "count": 100 - i, "untrusted_sample": "s".repeat(300), "untrusted_template": "t".repeat(300) });
        json!({
            "timeline": { "bucket_seconds": 60, "buckets": list(80, |i| json!({ "start": format!("2026-11-20T10:{i:02}:00Z"), "total": 9, "errors": 9 })) },
            "skipped_files": list(30, |i| json!({ "untrusted_path": format!("/var/log/app/skipped-{i}.bin"), "reason": "it is binary: ".repeat(8) })),
            "files": list(62, |i| json!({ "untrusted_path": format!("/var/log/app/read-{i}.log"), "format": "plain", "records": i, "note": "n".repeat(150) })),
            "error_count": 1_000,
            "top_errors": list(10, group),
            "other_errors": 45,
            "top_warnings": list(10, group),
            "other_warnings": 0,
            "top_unlevelled": list(10, group),
            "related": list(5, |i| json!({ "earlier": format!("E{i}"), "later": "E9" })),
            "recommendations": list(4, |i| json!({ "title": format!("advice {i}"), "text": "r".repeat(200) })),
        })
    }

    fn counted(report: &Value, list: &str, other: &str) -> u64 {
        let groups = report[list].as_array().expect("a list").iter().map(|group| group["count"].as_u64().expect("a count"));
        groups.sum::<u64>() + report[other].as_u64().unwrap_or(0)
    }

    #[test]
    fn errors_stay_longest_and_sums_still_add_up() {
        let whole = report();
        for (budget, errors) in [(24_576, 10), (16_384, 10), (12_288, 10), (10_240, 9), (4_096, 1)] {
            let mut object = whole.as_object().expect("an object").clone();
            let cuts = fit(&mut object, budget, CUT);
            object.insert("truncated".to_owned(), json!(cuts));
            let cut = Value::Object(object);
            assert!(cut.to_string().len() <= budget, "{budget}: {cut:#}");
            assert!(cut["top_errors"].as_array().expect("a list").len() >= errors, "{budget}: {cut:#}");
            assert!(errors == 1 || cut["recommendations"] == whole["recommendations"], "{budget}: {cut:#}");
            for (list, other) in [("top_errors", "other_errors"), ("top_warnings", "other_warnings"), ("top_unlevelled", "other_unlevelled")] {
                assert_eq!(counted(&cut, list, other), counted(&whole, list, other), "{budget}: {cut:#}");
            }
        }
    }

    #[test]
    fn each_list_goes_before_the_next_is_touched() {
        for budget in (4_096..40_000).step_by(500) {
            let whole = report();
            let mut cut = whole.as_object().expect("an object").clone();
            fit(&mut cut, budget, CUT);
            let cut = Value::Object(cut);
            let items = |report: &Value, path: &str| report.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_array).map_or(0, Vec::len);
            let untouched = CUT.first.iter().skip_while(|path| items(&cut, path) == 1).skip(1);
            untouched.for_each(|path| assert_eq!(items(&cut, path), items(&whole, path), "{budget}: {path}"));
        }
    }
}
