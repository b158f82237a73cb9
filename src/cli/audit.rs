//! `audit show|verify`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Exit, Failure, Out, Outcome, output::cell};
use crate::{
    flows::Services,
    recovery::AuditLine,
    types::{ids::OperationId, sanitise::sanitise_line},
};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the newest lines: who asked for what, what was decided, how it ended
    Show {
        /// Only this operation's
        #[arg(long)]
        operation: Option<OperationId>,
        /// How many at the most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Check that no line was changed, left out or moved
    Verify {
        /// A head hash that was kept elsewhere; the audit must contain it as its last line or go on from it
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

pub(super) async fn run(command: AuditCommand, services: &Services, out: &mut Out) -> Outcome {
    match command {
        AuditCommand::Show { operation, limit } => show(operation.as_ref(), limit, services, out).await,
        AuditCommand::Verify { head } => verify(head.as_deref(), services, out).await,
    }
}

fn as_json(line: &AuditLine) -> Value {
    let event: Value = serde_json::from_str(&line.text).unwrap_or_else(|_| Value::String(line.text.clone()));
    let at = jiff::Timestamp::from_millisecond(line.at_ms).map(|at| at.to_string()).unwrap_or_default();
    json!({ "number": line.number, "at": at, "event": event, "previous": line.previous, "hash": line.hash })
}

async fn show(operation: Option<&OperationId>, limit: u32, services: &Services, out: &mut Out) -> Outcome {
    let lines = services.recovery.audit(operation, limit).await.map_err(Failure::could_not_run)?;
    if out.is_json() {
        for line in &lines {
            out.json(services, &as_json(line), true)?;
        }
        return Ok(Exit::Fine);
    }
    let rows = lines.iter().map(|line| {
        let at = jiff::Timestamp::from_millisecond(line.at_ms).map(|at| at.to_string()).unwrap_or_default();
        let Some(event) = line.event() else { return vec![cell(line.number.to_string()), cell(at), cell("not of this version")] };
        let what = [event.operation_id.map(|id| id.to_string()), event.target.map(|t| t.to_string()), event.action.map(|a| a.to_string())];
        let what: Vec<String> = what.into_iter().flatten().collect();
        let detail = sanitise_line(&services.clean_text(&event.detail)).into_owned();
        [line.number.to_string(), at, event.who.to_string(), event.event, what.join(" "), detail].map(cell).to_vec()
    });
    out.table(&["#", "At", "Who", "Event", "On", "Detail"], rows.collect())?;
    Ok(Exit::Fine)
}

async fn verify(head: Option<&str>, services: &Services, out: &mut Out) -> Outcome {
    if head.is_some_and(|head| head.len() != 64 || !head.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))) {
        return Err(Failure::usage("--head takes a head as `audit verify` prints it: 64 lower-case hex digits"));
    }
    let mut verified = services.recovery.verify_audit().await.map_err(Failure::could_not_run)?;
    if let Some(head) = head
        && verified.head != head
        && !known(head, services).await?
    {
        verified.intact = false;
        verified.problems.push("no line has the given head's hash: the audit was rewritten or cut".to_owned());
    }
    if out.is_json() {
        out.json(services, &verified, false)?;
    } else {
        for problem in &verified.problems {
            out.line(problem)?;
        }
        let word = if verified.intact { "intact" } else { "NOT intact" };
        out.title(format!("{word}: {} lines; head {}", verified.lines, verified.head))?;
    }
    Ok(if verified.intact { Exit::Fine } else { Exit::Problem })
}

async fn known(head: &str, services: &Services) -> Result<bool, Failure> {
    let lines = services.recovery.audit(None, u32::MAX).await.map_err(Failure::could_not_run)?;
    Ok(lines.iter().any(|line| line.hash == head))
}
