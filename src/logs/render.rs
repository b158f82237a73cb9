//! From counts to the report: picks the largest groups, looks at the timeline, redacts, cuts.

use super::{
    advice::{self, Findings, Recommendation, Seen},
    engine::PartOutcome,
    groups::{Class, Group, Grouped},
    insight::{
        correlate::{self, Activity, Scale},
        series::Dense,
        spikes::{self, Silence, Spike},
        steps::{self, Step},
    },
    mine,
    patterns::PatternSet,
    pulse::Pulse,
    report::{
        Baseline, Bucket, ChangePoint, FileReport, LevelCounts, MessageGroup, Related, Report, SilenceReport, SkippedFile, Span, SpikeReport, TimelineReport,
        WindowReport,
    },
    tally::{FileCounts, Matches, Plan, Tally},
    time::{Nanos, SECOND, show},
    timeline::Counts,
    window::{Anchor, Window},
};
use crate::types::{
    bound::cut,
    lang::Lang,
    redact::{self, Redactor},
    sanitise::sanitise_line,
    sparkline::{sparkline, squeezed},
};

/// Untrusted text is cut here, in bytes.
const LONGEST_UNTRUSTED_BYTES: usize = 300;

/// Loggers are cut here, in bytes.
const LONGEST_LOGGER_BYTES: usize = 64;

/// Groups in a report, by their class.
const LISTS: [(Class, &str, usize); 3] = [(Class::Error, "error", 10), (Class::Warning, "warning", 5), (Class::Suspect, "unlevelled", 5)];

/// A group's picture has at most so many columns.
const SPARKLINE_COLUMNS: usize = 40;

/// What the report says besides the counts.
pub(crate) struct Frame {
    pub(crate) anchor: Anchor,
    pub(crate) files: Vec<FileReport>,
    pub(crate) skipped_files: Vec<SkippedFile>,
    pub(crate) partial: Option<String>,
    pub(crate) span: Option<(Nanos, Nanos)>,
    /// Up to when there could have been records, if that is known.
    pub(crate) until: Option<Nanos>,
    pub(crate) set: PatternSet,
    pub(crate) lang: Lang,
}

/// Where records stand, for people.
pub(crate) struct Places<'a> {
    /// By index of the file.
    pub(crate) paths: Vec<&'a str>,
    pub(crate) parts: &'a [PartOutcome],
    /// Where reading of each file began.
    pub(crate) starts: Vec<u64>,
}

impl Places<'_> {
    /// File, line and text of a group's first message. The line is known where the file was read from its beginning.
    pub(crate) fn sample<'g>(&self, group: &'g Group) -> (&str, Option<u64>, &'g str) {
        let Some((place, sample)) = &group.sample else { return ("", None, "") };
        let file = place.file as usize;
        let whole = self.starts.get(file) == Some(&0);
        let line = self.parts.get(file).filter(|_| whole).map(|part| part.counts.line(place.block, place.line));
        (self.paths.get(file).copied().unwrap_or_default(), line, sample)
    }

    fn sum(&self, count: impl Fn(&FileCounts) -> u64) -> u64 {
        self.parts.iter().map(|part| count(&part.counts)).sum()
    }
}

/// The report of all that was counted, without a hint.
pub(crate) fn render(plan: &Plan, tally: Tally, places: &Places<'_>, frame: Frame) -> Report {
    let errors = tally.errors();
    let levels = LevelCounts::from(tally.levels);
    let in_window = tally.levels.iter().sum();
    let before = Before::new(&tally, &plan.window, frame.span);
    let (width, buckets) = tally.timeline.finish();
    let dense = Dense::new(i64::try_from(width.as_secs()).unwrap_or(i64::MAX), &buckets);
    let baseline = tally.before_span.map(|(first, last)| Baseline { records: tally.before, first: show(first), last: show(last) });
    let grouped: Grouped = tally.groups.finish();
    let suspects = tally.suspects;
    let lists = Lists { grouped: &grouped, dense: &dense, places, redactor: &plan.redactor, baseline: before };
    let [(top_errors, e), (top_warnings, w), (top_unlevelled, u)] =
        LISTS.map(|(class, name, most)| lists.list(class, name, most, [errors, levels.warning, suspects][class as usize]));
    let related =
        related(&dense, &top_errors.iter().chain(&top_warnings).chain(&top_unlevelled).map(|g| g.id.as_str()).collect::<Vec<_>>(), &[e, w, u].concat());
    let found = Found {
        spikes: spikes::spikes(&dense),
        steps: steps::steps(&dense),
        silence: spikes::silence(&dense, frame.until.map(|until| until.div_euclid(SECOND))),
    };
    let new = before.map(|before| new_errors(&grouped, before));
    let recommendations = recommend(plan, &tally.patterns, &dense, [in_window, errors], new, &found, &frame);
    let patterns = plan.patterns.names().iter().cloned().zip(tally.patterns.iter().map(|matches| matches.count)).collect();
    let rest = |total: u64, top: &[MessageGroup]| total - top.iter().map(|group| group.count).sum::<u64>();
    Report {
        window: WindowReport { from: plan.window.from.map(show), to: plan.window.to.map(show), anchor: frame.anchor },
        span: frame.span.map(|(first, last)| Span { first: show(first), last: show(last) }),
        files: frame.files,
        skipped_files: frame.skipped_files,
        total_records: places.sum(|counts| counts.records),
        records_in_window: in_window,
        without_timestamp: places.sum(|counts| counts.without_timestamp),
        levels,
        error_count: errors,
        warning_count: levels.warning,
        error_rate_percent: advice::share(errors, in_window),
        timeline: timeline(width.as_secs(), &buckets),
        spikes: found.spikes.into_iter().map(spike).collect(),
        change_points: found.steps.into_iter().map(change_point).collect(),
        silence: found.silence.map(silence),
        other_errors: rest(errors, &top_errors),
        error_groups: grouped.of(Class::Error).count() as u64,
        ungrouped_errors: grouped.other(Class::Error),
        other_warnings: rest(levels.warning, &top_warnings),
        other_unlevelled: rest(suspects, &top_unlevelled),
        top_errors,
        top_warnings,
        top_unlevelled,
        related,
        baseline,
        patterns,
        recommendations,
        partial: frame.partial,
        hint: None,
    }
}

/// What the timeline shows.
struct Found {
    spikes: Vec<Spike>,
    steps: Vec<Step>,
    silence: Option<Silence>,
}

/// Errors of groups that did not occur before the window.
fn new_errors(grouped: &Grouped, before: Before) -> Seen {
    let mut seen = Seen { groups: Some(0), ..Seen::default() };
    for (_, group) in grouped.of(Class::Error).filter(|(_, group)| before.is_new(group) == Some(true)) {
        seen.count += group.count;
        seen.first = [seen.first, group.first].into_iter().flatten().min();
        seen.last = seen.last.max(group.last);
        seen.groups = seen.groups.map(|groups| groups + 1);
    }
    seen
}

fn recommend(
    plan: &Plan,
    patterns: &[Matches],
    dense: &Dense,
    [records, errors]: [u64; 2],
    new_errors: Option<Seen>,
    found: &Found,
    frame: &Frame,
) -> Vec<Recommendation> {
    let of_pattern = |name: &str| {
        let at = plan.patterns.names().iter().position(|known| known == name);
        at.map_or_else(Seen::default, |at| {
            let Matches { count, grave, span, pulse } = &patterns[at];
            if frame.set == PatternSet::Default && *grave == 0 {
                return Seen::default();
            }
            Seen {
                count: *count,
                first: span.map(|span| span.0),
                last: span.map(|span| span.1),
                rising: span.map(|_| steps::rising(&series(dense, pulse))),
                groups: None,
            }
        })
    };
    let findings = Findings {
        new_errors,
        spikes: &found.spikes,
        steps: &found.steps,
        silence: found.silence,
        ..Findings::new(frame.set, frame.lang, records, errors.into(), &of_pattern)
    };
    advice::recommend(&findings)
}

fn series(dense: &Dense, pulse: &Pulse) -> Vec<u64> {
    let starts: Vec<i64> = (0..dense.counts.len()).map(|bucket| dense.time(bucket)).collect();
    pulse.series(dense.width, &starts)
}

/// What the lists of groups are made of.
struct Lists<'a> {
    grouped: &'a Grouped,
    dense: &'a Dense,
    places: &'a Places<'a>,
    redactor: &'a Redactor,
    baseline: Option<Before>,
}

/// How long was looked at before the window, and how long in it.
#[derive(Debug, Clone, Copy)]
struct Before {
    before: Nanos,
    within: Nanos,
}

/// A group that occurs at the same rate all the time would have occurred so often in what was read of the time before: by chance, not at
/// all once in twenty times (e^-3).
const LEAST_EXPECTED: f64 = 3.0;

impl Before {
    /// Of a stretch before the window, and the window as far as it has records.
    fn new(tally: &Tally, window: &Window, span: Option<(Nanos, Nanos)>) -> Option<Self> {
        let (first, _) = tally.before_span?;
        let from = window.from?;
        let last = span.map_or(from, |(_, last)| window.to.map_or(last, |to| to.min(last)));
        Some(Self { before: from.saturating_sub(first), within: last.saturating_sub(from).max(SECOND) })
    }

    /// Whether the group did not occur before the window; none where too little was read of that time to say.
    fn is_new(self, group: &Group) -> Option<bool> {
        let expected = group.count as f64 * self.before as f64 / self.within as f64;
        if group.before > 0 { Some(false) } else { (expected >= LEAST_EXPECTED).then_some(true) }
    }
}

/// A group over time: its first moment, and its counts.
type Course = (Option<Nanos>, Vec<u64>);

impl Lists<'_> {
    /// The largest groups of a class, and how each goes over the time of the timeline.
    fn list(&self, class: Class, name: &str, most: usize, total: u64) -> (Vec<MessageGroup>, Vec<Course>) {
        let group = |(nth, (template, group)): (usize, &(String, Group))| {
            let series = series(self.dense, &group.pulse);
            (self.group(format!("{name}-{}", nth + 1), template, group, total, &series), (group.first, series))
        };
        self.grouped.of(class).take(most).enumerate().map(group).unzip()
    }

    fn group(&self, id: String, template: &str, group: &Group, total: u64, series: &[u64]) -> MessageGroup {
        let (file, line, sample) = self.places.sample(group);
        let text = |text: &str| presentable(text, self.redactor, LONGEST_UNTRUSTED_BYTES);
        MessageGroup {
            id,
            count: group.count,
            share_percent: advice::share(group.count, total),
            approximate: group.approximate,
            new: self.baseline.and_then(|baseline| baseline.is_new(group)),
            first_seen: group.first.map(show),
            last_seen: group.last.map(show),
            level: group.level,
            sparkline: sparkline(squeezed(series, SPARKLINE_COLUMNS).into_iter()),
            untrusted_loggers: loggers(group, self.redactor),
            untrusted_file: file.to_owned(),
            offset: group.place().map_or(0, |place| place.offset),
            line,
            untrusted_template: shown_template(template, sample, self.redactor, LONGEST_UNTRUSTED_BYTES),
            untrusted_sample: text(sample),
            untrusted_trace: group.trace.as_deref().map(|trace| text(&String::from_utf8_lossy(trace))),
        }
    }
}

/// Text from a log as it may be shown: redacted, harmless to look at, and only then cut.
pub(crate) fn presentable(text: &str, redactor: &Redactor, most_bytes: usize) -> String {
    cut(&sanitise_line(&redactor.redact(text)), most_bytes)
}

/// A template as it may be shown. Masking tears secrets so that their shape is no longer known; but what a template keeps stands in the
/// sample, too, so where that holds a secret, the template is made of the redacted sample instead.
pub(crate) fn shown_template(template: &str, sample: &str, redactor: &Redactor, most_bytes: usize) -> String {
    let redacted = redactor.redact(sample);
    if !redacted.contains(redact::MASK) {
        return presentable(template, redactor, most_bytes);
    }
    let mut masked = Vec::new();
    mine::mask(redacted.as_bytes(), &mut masked);
    presentable(&String::from_utf8_lossy(&masked), redactor, most_bytes)
}

fn loggers(group: &Group, redactor: &Redactor) -> Vec<String> {
    let mut loggers: Vec<_> = group.loggers.iter().collect();
    loggers.sort();
    loggers.into_iter().map(|(_, logger)| presentable(&String::from_utf8_lossy(logger), redactor, LONGEST_LOGGER_BYTES)).collect()
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default()
}

fn timeline(bucket_seconds: u64, buckets: &[(i64, Counts)]) -> TimelineReport {
    let bucket = |(at, c): &(i64, Counts)| Bucket { start: moment(*at), total: c.total, errors: c.errors, warnings: c.warnings };
    TimelineReport { bucket_seconds, buckets: buckets.iter().map(bucket).collect() }
}

fn spike(spike: Spike) -> SpikeReport {
    let Spike { start, end, peak_at, peak, errors, typical, still_on, .. } = spike;
    SpikeReport { start: moment(start), end: moment(end), peak_at: moment(peak_at), peak, errors, typical, still_on }
}

fn change_point(step: Step) -> ChangePoint {
    ChangePoint { at: moment(step.at), before_per_minute: step.before_per_minute, after_per_minute: step.after_per_minute }
}

fn silence(silence: Silence) -> SilenceReport {
    SilenceReport { from: moment(silence.from), to: silence.to.map(moment), longest_other_seconds: silence.longest_other.unsigned_abs() }
}

fn related(dense: &Dense, ids: &[&str], courses: &[Course]) -> Vec<Related> {
    let totals: Vec<u64> = dense.counts.iter().map(|counts| counts.total).collect();
    let scale = Scale { start: dense.start.saturating_mul(SECOND), width: dense.width.saturating_mul(SECOND), totals: &totals };
    // Groups without times have no course.
    let timed: Vec<usize> = (0..courses.len()).filter(|at| courses[*at].0.is_some()).collect();
    let activity = |at: &usize| {
        let (first, series) = &courses[*at];
        Activity { first: first.unwrap_or_default(), count: series.iter().sum(), series }
    };
    let activities: Vec<Activity<'_>> = timed.iter().map(activity).collect();
    let link = |link: correlate::Link| Related {
        earlier: ids[timed[link.earlier]].to_owned(),
        later: ids[timed[link.later]].to_owned(),
        lead_seconds: (link.lead / 1_000_000) as f64 / 1_000.0,
        strength: link.strength,
    };
    correlate::links(scale, &activities).into_iter().map(link).collect()
}
