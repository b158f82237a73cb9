//! `drill`

use clap::{Args, Subcommand};

use super::{Exit, Failure, Out, Outcome, signals};
use crate::flows::drill;

#[derive(Debug, Args)]
pub struct DrillArgs {
    #[command(subcommand)]
    part: Option<Part>,
}

/// Parts of the drill that are processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// The service that is broken and mended
    #[command(hide = true)]
    Victim {
        /// The drill's folder
        folder: std::path::PathBuf,
    },
    /// Ends the service and starts it anew
    #[command(hide = true)]
    Restart {
        /// The drill's folder
        folder: std::path::PathBuf,
    },
}

pub(super) async fn run(args: &DrillArgs, out: &mut Out) -> Outcome {
    match &args.part {
        Some(Part::Victim { folder }) => drill::victim::run(folder).await.map(|()| Exit::Fine).map_err(Failure::could_not_run),
        Some(Part::Restart { folder }) => drill::victim::restart(folder).await.map(|()| Exit::Fine).map_err(Failure::could_not_run),
        None => rehearse(out).await,
    }
}

async fn rehearse(out: &mut Out) -> Outcome {
    let mut steps = Vec::new();
    let json = out.is_json();
    let mut tell = |step: drill::Step| {
        if !json {
            let mark = if step.passed { "ok  " } else { "FAIL" };
            // A reader that went away must not stop the drill before it has cleaned up.
            let _ = out.title(format!("{mark} {:>5.1} s  {}", step.at_seconds, step.title));
            for line in &step.saw {
                let _ = out.line(format!("              {}", crate::types::sanitise::sanitise_line(line)));
            }
        }
        steps.push(step);
    };
    let ended = drill::run(&mut tell, signals::asked_to_stop()).await;
    if json {
        out.line(serde_json::to_string_pretty(&steps).map_err(Failure::could_not_run)?)?;
    }
    match ended {
        Ok(()) => Ok(Exit::Fine),
        Err(drill::DrillError::Saw { .. }) if json => Ok(Exit::Problem),
        Err(error @ drill::DrillError::Saw { .. }) => Err(Failure::new(Exit::Problem, error.to_string())),
        Err(error) => Err(Failure::could_not_run(error)),
    }
}
