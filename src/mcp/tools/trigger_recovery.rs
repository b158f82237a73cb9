//! `trigger_recovery`: the one tool that changes something.

use std::time::Duration;

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::{task::JoinError, time::Instant};

use super::{Answer, Caller, Hints, Tool, input, output, parse};
use crate::{
    flows::{NextCall, Services, next},
    mcp::{Asked, Progress, ToolError},
    recovery::{Operation, RecoveryError, State, TriggerRequest},
    types::{ids::OperationId, issue::IssueType},
};

/// The longest that a call waits before it gives a handle: some hosts drop calls after 30 s while the server goes on. Less than 25 s, so that the
/// handle is there within them.
pub(super) const WAIT: Duration = Duration::from_secs(24);

pub(super) const TOOL: Tool = Tool {
    name: "trigger_recovery",
    title: "Trigger recovery",
    description: include_str!("../../../tools/trigger_recovery/description.md").trim_ascii(),
    hints: Hints { read_only: false, destructive: true, idempotent: false, open_world: true },
    scope: "targets configured on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Operation>,
    call: |services, arguments, caller| call(services, arguments, caller).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What is to be mended.
    issue_type: IssueType,
    /// A configured target, exactly; plan_recovery and get_recovery name them.
    target: String,
    /// What you saw and why this should help; a person reads it. 1 to 1000 bytes.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
    /// The same key and arguments never act twice, so repeat it when you repeat the call. 1 to 128 visible ASCII characters.
    #[serde(default)]
    #[schemars(length(min = 1, max = 128))]
    idempotency_key: Option<String>,
}

/// What is to be mended, and on which target, if the arguments are any that this tool takes.
pub(in crate::mcp) fn wanted(arguments: JsonObject) -> Option<(IssueType, String)> {
    parse::<Arguments>(arguments).ok().map(|arguments| (arguments.issue_type, arguments.target))
}

async fn call(services: &Services, arguments: JsonObject, caller: Caller) -> Result<Answer, ToolError> {
    let Arguments { issue_type, target, reason, idempotency_key } = parse(arguments)?;
    let held = caller.person.hold();
    let who = caller.actor(services);
    let client_asks = caller.person.reachable();
    let request =
        TriggerRequest { issue_type, target, reason, idempotency_key, who: who.clone(), may: caller.principal.scopes.clone(), unattended: false, client_asks };
    let (asked, stands) = match caller.person.reply(&who)? {
        Some(reply) => (reply, None),
        None => {
            let stands = begin(services, &request).await?;
            (caller.person.ask(services, &stands, &who).await, Some(stands))
        }
    };
    let unanswered = if let Asked::NoAnswer(why) = asked { Some(why) } else { None };
    let operation = match asked {
        Asked::Later(ask) => return Ok(Answer::asking(ask)),
        Asked::Agreed { operation, digest } => {
            let recovery = services.recovery.clone();
            kept(tokio::spawn(async move { recovery.consent(&operation, &digest, &request).await }).await)?
        }
        Asked::Declined { operation } => {
            let recovery = services.recovery.clone();
            let closed = kept(tokio::spawn(async move { recovery.decline(&operation, &request).await }).await)?;
            caller.person.declined(&closed, &who);
            closed
        }
        Asked::Not | Asked::NoAnswer(_) => match stands {
            Some(stands) => stands,
            None => begin(services, &request).await?,
        },
    };
    drop(held);
    let id = &operation.operation_id;
    let mut operation = telling(services, &caller.progress, id, services.recovery.follow(id, Instant::now() + WAIT)).await?;
    if let (Some(why), State::Planned) = (unanswered, operation.state) {
        operation.message = format!("{why}, so it {}", operation.message);
    }
    answer(&operation)
}

fn answer(operation: &Operation) -> Result<Answer, ToolError> {
    let headline = format!("{}: {} on {}: {}", operation.state.name(), operation.issue_type, operation.target, operation.message);
    let follow = NextCall::new("get_recovery", json!({ "operation_id": operation.operation_id }), "where it stands");
    let look = operation.state.is_final().then(next::health);
    let more = if operation.state == State::Succeeded { None } else { Some(follow) };
    Ok(Answer::new(headline, operation)?.next(more.into_iter().chain(look)))
}

/// The operation that now stands for the call. In a task of its own: a client that goes away must not cut off the recording of what was begun.
async fn begin(services: &Services, request: &TriggerRequest) -> Result<Operation, ToolError> {
    let (recovery, request) = (services.recovery.clone(), request.clone());
    kept(tokio::spawn(async move { recovery.trigger(request, Duration::ZERO).await }).await)
}

fn kept(joined: Result<Result<Operation, RecoveryError>, JoinError>) -> Result<Operation, ToolError> {
    Ok(joined.map_err(|_| ToolError::new("internal", "the recovery was cut off", "look at get_recovery before anything else"))??)
}

/// Waits for something, and meanwhile tells how an operation goes to who wants to know.
pub(super) async fn telling<T>(services: &Services, progress: &Progress, id: &OperationId, wait: impl Future<Output = T>) -> T {
    let tell = progress.operation(services);
    tokio::select! {
        biased;
        done = wait => done,
        never = services.recovery.tell_changes(id, &tell), if progress.wanted() => match never {},
    }
}
