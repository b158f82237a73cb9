//! `opsmedic://reports/{id}`

use futures::FutureExt as _;

use super::{Body, JSON, Reading, Resource, ToolError, constant, unlisted};
use crate::mcp::completions::Source;

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://reports/{id}{?part}",
    name: "report",
    title: "Full result",
    description: "The full result behind a shortened answer, whose full_result names it. A long one comes in parts, each naming the next. \
                  Kept for 30 minutes, for the caller that got the answer.",
    mime_type: JSON,
    variables: &[("id", Source::Report), ("part", Source::Free)],
    fresh_ms: 0,
    list: unlisted,
    topic: constant,
    read: |reading| async move { read(&reading) }.boxed(),
};

fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let id = reading.value("id").unwrap_or_default();
    let whole = reading.hub.content.kept.get(reading.owner, id).ok_or_else(|| {
        let hint = "make the call again: its answer names a new one in full_result";
        ToolError::new("unknown_resource", "no such result is kept; results go after 30 minutes, and when the server ends", hint)
    })?;
    let part = reading.value("part").map_or(Ok(1), str::parse::<usize>);
    let part = part.map_err(|_| ToolError::new("unknown_resource", "part is a number, from 1", "leave part out for the first"))?;
    Ok(Body::Kept { id: id.to_owned(), whole, part })
}
