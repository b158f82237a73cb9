//! `check`

use std::time::Duration;

use clap::Args;

use super::{
    Exit, Failure, Out, Outcome,
    output::{cell, number, state},
    signals,
};
use crate::{
    flows::Services,
    health::{HealthError, Report, State},
    types::time::parse_duration,
};

/// The shortest interval of `--watch`.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which checks to run [default: all]
    names: Vec<String>,
    /// Repeat at this interval, such as 30s, until interrupted
    #[arg(long, value_name = "INTERVAL", value_parser = parse_duration)]
    watch: Option<Duration>,
    /// Show the last reports that were kept instead of checking, at most so many
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "20", conflicts_with = "watch")]
    history: Option<usize>,
}

pub(super) async fn run(args: &CheckArgs, services: &Services, out: &mut Out) -> Outcome {
    if args.history.is_some() && args.names.len() > 1 {
        return Err(Failure::usage("--history shows all checks or one: name at most one"));
    }
    if let Some(count) = args.history {
        return history(args, count, services, out).await;
    }
    loop {
        let report = services.health.check(&args.names).await.map_err(failure)?;
        show(&report, services, args.watch.is_some(), out)?;
        if args.watch.is_some() && !out.is_json() {
            out.line("")?;
        }
        let Some(interval) = args.watch else {
            return Ok(if report.state == State::Ok { Exit::Fine } else { Exit::Problem });
        };
        tokio::select! {
            () = tokio::time::sleep(interval.max(LEAST_INTERVAL)) => {}
            () = signals::asked_to_stop() => return Ok(Exit::Fine),
        }
    }
}

fn failure(error: HealthError) -> Failure {
    match error {
        HealthError::UnknownCheck { .. } => Failure::usage(error),
        HealthError::History(_) => Failure::could_not_run(error),
    }
}

/// What was seen before, newest first: one line a report, with the checks that were not ok.
async fn history(args: &CheckArgs, count: usize, services: &Services, out: &mut Out) -> Outcome {
    let reports = services.health.recent(&args.names, count).await.map_err(failure)?;
    if out.is_json() {
        out.json(services, &reports, false)?;
        return Ok(Exit::Fine);
    }
    let rows = reports.iter().map(|report| {
        let wrong = report.results.iter().filter(|r| r.state > State::Ok).map(|r| format!("{} {}: {}", r.name, r.state.name(), r.message));
        vec![cell(report.checked_at.to_string()), state(report.state), cell(services.clean_text(&wrong.collect::<Vec<_>>().join("; ")))]
    });
    out.table(&["When", "State", "What was not ok"], rows.collect())?;
    Ok(Exit::Fine)
}

fn show(report: &Report, services: &Services, compact: bool, out: &mut Out) -> std::io::Result<()> {
    if out.is_json() {
        return out.json(services, report, compact);
    }
    let rows = report.results.iter().map(|r| vec![cell(&r.name), state(r.state), cell(services.clean_text(&r.message)), number(r.duration_ms)]);
    out.table(&["Check", "State", "What", "ms"], rows.collect())?;
    for result in &report.results {
        for (name, text) in &result.untrusted {
            out.line(format!("  {} says of {name}: {}", result.name, crate::types::sanitise::sanitise_line(&services.clean_text(text))))?;
        }
    }
    if let Some(note) = &report.history_note {
        out.line(format!("not kept: {note}"))?;
    }
    let playbooks: Vec<&str> = report.results.iter().filter(|r| r.state > State::Unknown).filter_map(|r| r.playbook.as_deref()).collect();
    out.title(format!("{}: {} in {} ms ({})", report.host, report.state.name(), report.duration_ms, report.checked_at))?;
    match playbooks.first() {
        Some(id) => out.line(format!("next: opsmedic playbook show {id}")),
        None => Ok(()),
    }
}
