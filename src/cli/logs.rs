//! `logs analyze` and `logs records`

use std::{borrow::Cow, io::Write as _, ops::ControlFlow, sync::Arc};

use clap::{Args, Subcommand};
use comfy_table::Cell;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{
    Exit, Failure, Out, Outcome,
    output::{cell, number},
    picture::{Column, Picture},
};
use crate::{
    flows::Services,
    logs::{Access, Anchor, Assigned, LogsError, MessageGroup, PatternSet, Progress, Report, Request, TemplatesRequest},
    types::{lang::Lang, time::show_duration},
};

#[derive(Debug, Subcommand)]
pub enum LogsCommand {
    /// Count levels and error patterns, group errors and warnings, find what is new and what stands out, and recommend
    #[command(alias = "analyse")]
    Analyze(AnalyzeArgs),
    /// Print how each record was parsed, as JSON lines
    Records(RecordsArgs),
    /// Find what messages have in common: a table of templates, or each line's template
    Templates(TemplatesArgs),
}

#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// Files, globs, or names of configured sources
    #[arg(required = true)]
    paths: Vec<String>,
    /// How far back from the anchor, such as 1h [default: the whole file]
    #[arg(long, conflicts_with = "from")]
    since: Option<String>,
    /// Beginning: a time, or how long before the anchor
    #[arg(long)]
    from: Option<String>,
    /// End, inclusive
    #[arg(long)]
    to: Option<String>,
    /// What relative times count from: now, or the end of the log
    #[arg(long, value_enum, default_value = "now")]
    anchor: AnchorArg,
    /// Zone of times that carry none, such as UTC or Asia/Shanghai [default: the source's, then the system's]
    #[arg(long)]
    timezone: Option<String>,
    /// Width of the timeline's buckets, such as 1h [default: the finest that gives at most 80]
    #[arg(long)]
    bucket: Option<String>,
    /// How the error patterns match: at token boundaries, or as in the specification
    #[arg(long, value_enum, default_value = "default")]
    patterns: PatternsArg,
    /// Threads that read and count, 1 to 16 [default: one a processor, 8 at most]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: Option<u8>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AnchorArg {
    Now,
    End,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PatternsArg {
    Default,
    Seed,
}

#[derive(Debug, Args)]
pub struct RecordsArgs {
    /// Files, globs, or names of configured sources
    #[arg(required = true)]
    paths: Vec<String>,
    /// Zone of times that carry none
    #[arg(long)]
    timezone: Option<String>,
}

#[derive(Debug, Args)]
pub struct TemplatesArgs {
    /// Files, globs, or names of configured sources
    #[arg(required = true)]
    paths: Vec<String>,
    /// Print one row a line: number, template id, template, separated by tabs
    #[arg(long)]
    assign: bool,
    /// Take each line as a message: look for no format
    #[arg(long)]
    message_only: bool,
    /// Rows of the table
    #[arg(long, default_value_t = 50, conflicts_with = "assign")]
    top: usize,
    /// Threads that read and count, 1 to 16 [default: one a processor, 8 at most]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: Option<u8>,
}

pub(super) async fn run(command: LogsCommand, services: &Services, lang: Lang, out: &mut Out) -> Outcome {
    match command {
        LogsCommand::Analyze(args) => analyze(args, services, lang, out).await,
        LogsCommand::Records(args) => records(&args, services, out),
        LogsCommand::Templates(args) => templates(args, services, out),
    }
}

fn failure(error: LogsError) -> Failure {
    match error {
        LogsError::NoPaths { .. } | LogsError::BadGlob { .. } | LogsError::BadWindow(_) | LogsError::BadBucket(_) | LogsError::BadTimezone { .. } => {
            Failure::usage(error)
        }
        other => Failure::could_not_run(other),
    }
}

async fn analyze(args: AnalyzeArgs, services: &Services, lang: Lang, out: &mut Out) -> Outcome {
    let request = Request {
        since: args.since,
        from: args.from,
        to: args.to,
        anchor: match args.anchor {
            AnchorArg::Now => Anchor::Now,
            AnchorArg::End => Anchor::End,
        },
        patterns: match args.patterns {
            PatternsArg::Default => PatternSet::Default,
            PatternsArg::Seed => PatternSet::Seed,
        },
        timezone: args.timezone,
        bucket: args.bucket,
        threads: args.threads.map(usize::from),
        lang,
        ..Request::new(args.paths, Access::Anyone)
    };
    let cancel = CancellationToken::new();
    let bar = progress_bar();
    let shown = bar.clone();
    let report = Arc::new(move |progress: Progress| {
        shown.set_length(progress.total_bytes);
        shown.set_position(progress.bytes);
    });
    let analysis = services.logs.analyse(request, cancel.clone(), Some(report));
    let interrupted = async {
        // Ctrl-C stops reading; what was read until then is shown.
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
        std::future::pending::<()>().await;
    };
    let result = tokio::select! {
        result = analysis => result,
        () = interrupted => unreachable!("never ready"),
    };
    bar.finish_and_clear();
    let report = result.map_err(failure)?;
    if out.is_json() {
        out.json(services, &report, false)?;
    } else {
        show(&report, services, out)?;
    }
    Ok(if report.error_count > 0 || !report.skipped_files.is_empty() { Exit::Problem } else { Exit::Fine })
}

/// On stderr, and only if that is a terminal.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(report: &Report, services: &Services, out: &mut Out) -> std::io::Result<()> {
    show_files(report, services, out)?;
    show_counts(report, out)?;
    let patterns: Vec<Vec<Cell>> = report.patterns.iter().filter(|(_, n)| **n > 0).map(|(name, n)| vec![cell(name), number(n)]).collect();
    if !patterns.is_empty() {
        out.table(&["Pattern", "Records"], patterns)?;
    }
    show_groups("Errors", "errors", (&report.top_errors, report.other_errors), services, out)?;
    show_groups("Warnings", "warnings", (&report.top_warnings, report.other_warnings), services, out)?;
    show_groups("No level", "records without a level that match an error pattern", (&report.top_unlevelled, report.other_unlevelled), services, out)?;
    show_insight(report, out)?;
    for advice in &report.recommendations {
        out.line(format!("[{}] {}: {}", advice.priority.name(), advice.title, advice.text))?;
        if let Some(id) = &advice.playbook {
            out.line(format!("        next: opsmedic playbook show {id}"))?;
        }
    }
    out.title(format!(
        "{} records, {} errors ({} %), {} warnings",
        report.records_in_window, report.error_count, report.error_rate_percent, report.warning_count
    ))?;
    let clean = |text: &str| services.clean_text(text);
    if let Some(note) = &report.partial {
        out.line(clean(note))?;
    }
    let Some(hint) = &report.hint else { return Ok(()) };
    let window = report.span.as_ref().map_or_else(|| "--since all".to_owned(), |span| format!("--from {} --to {}", span.first, span.last));
    let paths = report.files.iter().map(|f| shell_word(&f.untrusted_path)).take(3).collect::<Vec<_>>().join(" ");
    out.line(clean(&format!("{hint}. This would see it: opsmedic logs analyze {paths} {window}")))
}

/// The text as one word for a POSIX shell: the command is made to be copied, and anybody may have named the file.
fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./@%+=:,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")).into() }
}

fn show_files(report: &Report, services: &Services, out: &mut Out) -> std::io::Result<()> {
    let clean = |text: &str| services.clean_text(text);
    let files = report.files.iter().map(|f| {
        let span = [&f.first, &f.last].into_iter().flatten().cloned().collect::<Vec<_>>().join(" .. ");
        let format = f.packing.as_ref().map_or_else(|| f.format.clone(), |packing| format!("{} ({packing})", f.format));
        vec![cell(clean(&f.untrusted_path)), cell(format), number(f.records), number(f.in_window), cell(span)]
    });
    out.table(&["File", "Format", "Records", "In window", "Span"], files.collect())?;
    for file in &report.files {
        if file.skipped_bytes > 0 && file.bytes > 0 {
            let (read, all) = (HumanBytes(file.bytes), HumanBytes(file.bytes + file.skipped_bytes));
            out.line(format!("of {} only what the window needs was read: {read} of {all}", clean(&file.untrusted_path)))?;
        }
        if let Some(note) = &file.note {
            out.line(format!("note on {}: {}", clean(&file.untrusted_path), clean(note)))?;
        }
    }
    if let Some(before) = &report.baseline {
        out.line(format!("NEW is what does not occur in the {} records read of the time before, {} to {}", before.records, before.first, before.last))?;
    }
    for skipped in &report.skipped_files {
        out.line(format!("skipped {}: {}", clean(&skipped.untrusted_path), clean(&skipped.reason)))?;
    }
    Ok(())
}

fn show_counts(report: &Report, out: &mut Out) -> std::io::Result<()> {
    let l = &report.levels;
    out.line(format!(
        "critical {}  error {}  warning {}  notice {}  info {}  debug {}  trace {}  no level {}  no time {}",
        l.critical, l.error, l.warning, l.notice, l.info, l.debug, l.trace, l.none, report.without_timestamp
    ))?;
    picture(report).iter().try_for_each(|line| out.line(line))?;
    let width = show_duration(std::time::Duration::from_secs(report.timeline.bucket_seconds));
    if report.timeline.buckets.is_empty() { Ok(()) } else { out.line(format!("in buckets of {width}")) }
}

fn picture(report: &Report) -> Vec<String> {
    let seconds = |text: &str| text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let buckets: Vec<Column> = report.timeline.buckets.iter().map(|b| Column { start: seconds(&b.start), records: b.total, errors: b.errors }).collect();
    let spikes: Vec<(i64, i64)> = report.spikes.iter().map(|spike| (seconds(&spike.start), seconds(&spike.end))).collect();
    let steps: Vec<i64> = report.change_points.iter().map(|step| seconds(&step.at)).collect();
    let width = i64::try_from(report.timeline.bucket_seconds).unwrap_or(i64::MAX);
    Picture { width, buckets: &buckets, spikes: &spikes, steps: &steps }.lines()
}

fn show_groups(title: &str, what: &str, (groups, other): (&[MessageGroup], u64), services: &Services, out: &mut Out) -> std::io::Result<()> {
    let clean = |text: &str| services.clean_text(text);
    let row = |group: &MessageGroup| {
        let about = if group.approximate { "about " } else { "" };
        let new = if group.new == Some(true) { "\nNEW" } else { "" };
        let trace = group.untrusted_trace.as_ref().map_or_else(String::new, |trace| format!("\n{}", clean(trace)));
        let place = group.line.map_or_else(|| format!("{} byte {}", group.untrusted_file, group.offset), |line| format!("{}:{line}", group.untrusted_file));
        vec![
            number(format!("{about}{}{new}", group.count)),
            number(format!("{:.1} %", group.share_percent)),
            cell(format!("{}{trace}", clean(&group.untrusted_template))),
            cell(&group.sparkline),
            cell(clean(&place)),
        ]
    };
    if !groups.is_empty() {
        out.table(&[title, "Share", "Message", "Over time", "First at"], groups.iter().map(row).collect())?;
    }
    if other > 0 {
        out.line(format!("and {other} {what} in other groups"))?;
    }
    Ok(())
}

fn show_insight(report: &Report, out: &mut Out) -> std::io::Result<()> {
    for spike in &report.spikes {
        let still = if spike.still_on { ", and it may go on" } else { "" };
        out.line(format!(
            "spike: {} errors from {} to {}{still}; {} at the peak, {} are usual",
            spike.errors, spike.start, spike.end, spike.peak, spike.typical
        ))?;
    }
    for step in &report.change_points {
        out.line(format!("change: from {} to {} errors a minute at {}", step.before_per_minute, step.after_per_minute, step.at))?;
    }
    if let Some(silence) = &report.silence {
        let to = silence.to.as_deref().unwrap_or("now");
        out.line(format!("silence: no records from {} to {to}; otherwise {} s at most", silence.from, silence.longest_other_seconds))?;
    }
    for link in &report.related {
        out.line(match link.lead_seconds {
            0.0 => format!("together: {} and {} rise at once", link.earlier, link.later),
            lead => format!("together: {} starts {lead} s before {}", link.earlier, link.later),
        })?;
    }
    Ok(())
}

/// Collects what is written and hands it on in large pieces.
struct Pieces<'o> {
    out: &'o mut Out,
    block: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl<'o> Pieces<'o> {
    const BYTES: usize = 1 << 16;

    fn new(out: &'o mut Out) -> Self {
        Self { out, block: Vec::with_capacity(2 * Self::BYTES), failed: None }
    }

    /// Breaks off when what is behind stdout is gone.
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> ControlFlow<()> {
        self.failed = self.failed.take().or_else(|| write(&mut self.block).err());
        if self.block.len() >= Self::BYTES {
            self.failed = self.failed.take().or_else(|| self.out.raw(&self.block).err());
            self.block.clear();
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Hands on the rest. Files that were not read are told on stderr: stdout is for programs.
    fn finish(self, skipped: &[String], services: &Services) -> Outcome {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.out.raw(&self.block)?;
        for reason in skipped {
            writeln!(std::io::stderr(), "skipped {}", services.clean_text(reason))?;
        }
        Ok(if skipped.is_empty() { Exit::Fine } else { Exit::Problem })
    }
}

fn records(args: &RecordsArgs, services: &Services, out: &mut Out) -> Outcome {
    let mut pieces = Pieces::new(out);
    let mut skipped = Vec::new();
    for path in &args.paths {
        let mut each = |record: crate::logs::RecordOut| {
            pieces.push(|block| {
                serde_json::to_writer(&mut *block, &record)?;
                block.push(b'\n');
                Ok(())
            })
        };
        skipped.extend(services.logs.records(path, args.timezone.as_deref(), &mut each).map_err(failure)?);
    }
    pieces.finish(&skipped, services)
}

fn templates(args: TemplatesArgs, services: &Services, out: &mut Out) -> Outcome {
    let request = TemplatesRequest { paths: args.paths, message_only: args.message_only, threads: args.threads.map(usize::from) };
    if args.assign {
        let mut pieces = Pieces::new(out);
        let mut each = |row: Assigned<'_>| pieces.push(|block| writeln!(block, "{}\t{}\t{}", row.line, row.id, row.template));
        let skipped = services.logs.assign(&request, &mut each).map_err(failure)?;
        return pieces.finish(&skipped, services);
    }
    let report = services.logs.templates(&request).map_err(failure)?;
    if out.is_json() {
        out.json(services, &report, false)?;
        return Ok(Exit::Fine);
    }
    let clean = |text: &str| services.clean_text(text);
    let rows = report.templates.iter().take(args.top).map(|t| {
        let about = if t.approximate { "about " } else { "" };
        vec![
            number(t.id),
            number(format!("{about}{}", t.count)),
            number(format!("{:.1} %", t.share_percent)),
            cell(clean(&t.untrusted_template)),
            cell(clean(&format!("{}:{}", t.untrusted_file, t.line.unwrap_or_default()))),
        ]
    });
    out.table(&["Id", "Records", "Share", "Template", "First at"], rows.collect())?;
    report.notes.iter().try_for_each(|note| out.line(clean(note)))?;
    let hidden = report.templates.len().saturating_sub(args.top);
    let more = if hidden > 0 { format!("; {hidden} more with --top {}", report.templates.len()) } else { String::new() };
    out.title(format!("{} records, {} templates{more}", report.records, report.templates.len()))?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_for_a_shell() {
        for (path, word) in [
            ("/var/log/app-1.log", "/var/log/app-1.log"),
            ("a@b%c+d=e:f,g", "a@b%c+d=e:f,g"),
            ("/var/log/my app.log", "'/var/log/my app.log'"),
            ("$(reboot).log", "'$(reboot).log'"),
            ("it's", r"'it'\''s'"),
            ("~/x", "'~/x'"),
            ("ü", "'ü'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }
}
