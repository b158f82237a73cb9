//! `analyze_logs`

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Answer, LOOKS, Tool, input, output, parse};
use crate::{
    flows::{NextCall, Services, next},
    logs::{Access, Anchor, Report, Request},
    mcp::ToolError,
    types::lang::Lang,
};

/// The window over MCP when the caller names none (specification: the last hour).
const DEFAULT_SINCE: &str = "1h";

pub(super) const TOOL: Tool = Tool {
    name: "analyze_logs",
    title: "Analyze logs",
    description: include_str!("../../../tools/analyze_logs/description.md").trim_ascii(),
    hints: LOOKS,
    scope: "log files on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Report>,
    call: |services, arguments, caller| call(services, arguments, caller.cancel).boxed(),
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

async fn call(services: &Services, arguments: JsonObject, cancel: CancellationToken) -> Result<Answer, ToolError> {
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
    let report = services.logs.analyse(request, cancel, None).await?;
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
    Ok(Answer::new(headline, &report)?.next(elsewhere.into_iter().chain(playbook).chain(plan)))
}
