//! `tools`

use super::{Exit, Failure, Out, Outcome, output::cell};
use crate::mcp::{describe, tools::ALL};

pub(super) fn run(out: &mut Out) -> Outcome {
    if out.is_json() {
        let tools: Vec<_> = ALL.iter().map(|tool| describe(tool)).collect();
        out.line(serde_json::to_string_pretty(&tools).map_err(Failure::could_not_run)?)?;
        return Ok(Exit::Fine);
    }
    let rows = ALL.iter().map(|tool| {
        let hints = tool.hints;
        let kind = if hints.read_only { "reads" } else { "acts" };
        let first = tool.description.split('.').next().unwrap_or_default();
        vec![cell(tool.name), cell(kind), cell(first)]
    });
    out.table(&["Tool", "", "For"], rows.collect())?;
    Ok(Exit::Fine)
}
