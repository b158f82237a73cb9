//! What the course of a log over time calls for: a rate that went up, a burst, errors that are new, silence.

use super::{Evidence, Findings, Priority, Recommendation, Seen, Sign, share};
use crate::logs::{
    insight::{
        spikes::{Silence, Spike},
        steps::Step,
    },
    time::{SECOND, show},
};
use crate::types::time::show_duration;

/// A rate that went up to so many times what it was is urgent. A multiple that people notice; no other source.
const URGENT_TIMES: f64 = 10.0;

/// What a rate is compared with where there were hardly any errors: one in ten minutes.
const HARDLY_ANY_PER_MINUTE: f64 = 0.1;

/// Of all errors: from here new ones are what the trouble consists of. No other source.
const MAINLY_NEW_PERCENT: f64 = 10.0;

pub(super) fn recommend(findings: &Findings<'_>) -> impl Iterator<Item = Recommendation> {
    // Where the rate went down last, it is over.
    let step = findings.steps.last().filter(|step| step.up).map(|step| rate_step(findings, step));
    let greatest = findings.spikes.iter().max_by(|a, b| (a.still_on, a.peak).cmp(&(b.still_on, b.peak)));
    let spike = greatest.map(|spike| error_spike(findings, spike));
    let new = findings.new_errors.filter(|seen| seen.count > 0).map(|seen| new_errors(findings, seen));
    let silence = findings.silence.map(|silence| fell_silent(findings, silence));
    [step, spike, new, silence].into_iter().flatten()
}

/// RFC 3339 of seconds since 1970.
fn moment(seconds: i64) -> String {
    show(seconds.saturating_mul(SECOND))
}

fn with_text(findings: &Findings<'_>, id: &str, priority: Priority, title: (&'static str, &'static str), text: String, evidence: Evidence) -> Recommendation {
    Recommendation { text, ..findings.recommendation(id, Sign::Course(id), priority, (title, ("", "")), evidence) }
}

fn rate_step(findings: &Findings<'_>, step: &Step) -> Recommendation {
    let urgent = step.after_per_minute >= URGENT_TIMES * step.before_per_minute.max(HARDLY_ANY_PER_MINUTE);
    let (at, before, after) = (moment(step.at), step.before_per_minute, step.after_per_minute);
    let evidence = Evidence {
        first_seen: Some(at.clone()),
        before_per_minute: Some(before),
        after_per_minute: Some(after),
        ..findings.evidence(Seen { first: None, ..findings.errors })
    };
    let text = findings.lang.pick(
        format!("Since {at} there are {after} errors a minute instead of {before}. Find what changed at that time (deployment, configuration, load, a dependency); undo it if it fits."),
        format!("自 {at} 起,每分钟错误数由 {before} 升至 {after}。请查明该时刻的变更(部署、配置、负载、依赖),若吻合则回退"),
    );
    let priority = if urgent { Priority::Critical } else { Priority::High };
    with_text(findings, "error_rate_step", priority, ("Error rate went up and stayed", "错误率持续升高"), text, evidence)
}

fn error_spike(findings: &Findings<'_>, spike: &Spike) -> Recommendation {
    let (from, to, errors, peak, typical) = (moment(spike.start), moment(spike.end), spike.errors, spike.peak, spike.typical);
    let times = (typical > 0).then_some(spike.times_typical);
    let evidence = Evidence { first_seen: Some(from.clone()), last_seen: Some(to.clone()), times_typical: times, ..findings.evidence(Seen::from(errors)) };
    let title = ("Burst of errors", "错误突增");
    let what = findings.lang.pick(
        "Look at the groups of errors of that time, and at what ran then (jobs, deployments, failovers).",
        "请查看该时段的错误分组,以及当时运行的任务、部署或切换",
    );
    if spike.still_on {
        let text = findings.lang.pick(
            format!("{errors} errors since {from}, at the peak {peak} in a bucket of the timeline where {typical} are usual, and not over at the end of what was read. {what}"),
            format!("自 {from} 起出现 {errors} 条错误,峰值时每个时间桶 {peak} 条(平常 {typical} 条),至读取末尾尚未结束。{what}"),
        );
        return with_text(findings, "error_spike", Priority::High, title, text, evidence);
    }
    let text = findings.lang.pick(
        format!("{errors} errors from {from} to {to}, at the peak {peak} in a bucket of the timeline where {typical} are usual; it is over. {what}"),
        format!("{from} 至 {to} 出现 {errors} 条错误,峰值时每个时间桶 {peak} 条(平常 {typical} 条),现已结束。{what}"),
    );
    let over = with_text(findings, "error_spike", Priority::Medium, title, text, evidence);
    Recommendation { issue_type: None, ..over }
}

fn new_errors(findings: &Findings<'_>, seen: Seen) -> Recommendation {
    let mainly = share(seen.count, findings.errors.count) >= MAINLY_NEW_PERCENT;
    let count = seen.count;
    let (in_groups, in_groups_zh) = match seen.groups {
        Some(1) => (" in 1 group".to_owned(), "(1 组)".to_owned()),
        Some(groups) => (format!(" in {groups} groups"), format!("({groups} 组)")),
        None => Default::default(),
    };
    let (since, since_zh) = seen.first.map(show).map_or_else(Default::default, |at| (format!(", the first at {at}"), format!(",首次出现于 {at}")));
    let text = findings.lang.pick(
        format!("{count} errors{in_groups} are of a kind that did not occur before the window{since}. Read them first, and compare that time with the last deployment, change of configuration and restart."),
        format!("{count} 条错误{in_groups_zh}在时间窗之前未曾出现{since_zh}。请优先查看,并与最近的部署、配置变更和重启时间对照"),
    );
    let priority = if mainly { Priority::High } else { Priority::Medium };
    with_text(findings, "new_errors", priority, ("New kinds of errors", "新出现的错误"), text, findings.evidence(seen))
}

fn fell_silent(findings: &Findings<'_>, silence: Silence) -> Recommendation {
    let from = moment(silence.from);
    let pause = (silence.longest_other > 0).then(|| show_duration(std::time::Duration::from_secs(silence.longest_other.unsigned_abs())));
    let compared = |words: &str| pause.as_ref().map_or_else(String::new, |pause| format!("{words}{pause}"));
    let evidence = Evidence { first_seen: Some(from.clone()), last_seen: silence.to.map(moment), ..findings.evidence(Seen::default()) };
    let title = ("The log went silent", "日志中断");
    let Some(to) = silence.to.map(moment) else {
        let text = findings.lang.pick(
            format!(
                "No records since {from}{}. Check that the service still runs, and that it still writes here (rotation, full disk, collector).",
                compared("; the longest pause before was ")
            ),
            format!("自 {from} 起没有任何记录{}。请确认服务仍在运行且仍写入此日志(轮转、磁盘已满、采集器)", compared(",此前最长间隔为 ")),
        );
        return with_text(findings, "silence", Priority::High, title, text, evidence);
    };
    let text = findings.lang.pick(
        format!("No records from {from} to {to}{}. Look for a restart, a hang or lost records in that time.", compared("; the longest other pause was ")),
        format!("{from} 至 {to} 没有任何记录{}。请排查该时段的重启、卡死或日志丢失", compared(",其他最长间隔为 ")),
    );
    let over = with_text(findings, "silence", Priority::Medium, title, text, evidence);
    Recommendation { issue_type: None, ..over }
}
