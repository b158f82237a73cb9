//! What a caller may do: each call needs scopes, which follow from the tool and, where something is acted on, from what would be done.
//!
//! Held twice: before dispatch, as HTTP says no, and again where the tool is called, for every transport. Nothing is called outside to find out what
//! a call needs: the actions are those of the configuration, whether their pre-checks would let them run right now or not.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response},
    middleware::{self, Next},
};
use http_body_util::BodyExt as _;
use rmcp::model::JsonObject;
use serde::Deserialize;

use super::{
    Hub, ToolError, Transport,
    tools::{self, Caller, Tool, trigger_recovery, undo_recovery},
};
use crate::{
    flows::Services,
    http::Challenges,
    recovery::{Action, Actor, Operation, RecoveryError, State, TriggerRequest},
    types::{
        access::{Principal, Scope, Scopes},
        ids::OperationId,
        issue::IssueType,
    },
};

/// Requests that only look, beside tools.
const LOOKS: &[&str] = &["resources/", "prompts/", "completion/", "subscriptions/"];

/// What a call needs.
enum Needed {
    /// All of these.
    All(Vec<Scope>),
    /// To act at all: what would be done cannot be told, and so will not be done.
    Some(Scope),
}

impl Needed {
    /// Nothing for whoever has it, else all of it: a client that asks for a better token asks for exactly these.
    fn unless(self, scopes: &Scopes) -> Vec<Scope> {
        match self {
            Self::All(needed) if needed.iter().all(|scope| scopes.allow(scope)) => Vec::new(),
            Self::All(needed) => needed,
            Self::Some(_) if scopes.act() => Vec::new(),
            Self::Some(scope) => vec![scope],
        }
    }
}

/// The scopes for these actions; to act at all where there are none.
fn to_do(actions: impl IntoIterator<Item = Action>) -> Needed {
    let mut scopes: Vec<Scope> = actions.into_iter().map(|action| Scope::recover(action.name())).collect();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() { Needed::Some(Scope::recover("*")) } else { Needed::All(scopes) }
}

fn text<'a>(arguments: Option<&'a JsonObject>, key: &str) -> Option<&'a str> {
    arguments?.get(key)?.as_str()
}

async fn needed(services: &Services, tool: &Tool, arguments: Option<&JsonObject>) -> Needed {
    if tool.hints.read_only {
        return Needed::All(vec![Scope::read()]);
    }
    match tool.name {
        "trigger_recovery" => to_trigger(services, arguments),
        "undo_recovery" => to_undo(services, arguments).await,
        _ => Needed::All(vec![Scope::recover("*")]),
    }
}

/// Read as the tool itself reads it: what does not fit there is refused there.
fn to_trigger(services: &Services, arguments: Option<&JsonObject>) -> Needed {
    let wanted = trigger_recovery::wanted(arguments.cloned().unwrap_or_default());
    match wanted.map(|(issue, target)| services.recovery.may_come_to(issue, &target)) {
        Some(Ok(actions)) => to_do(actions),
        _ => to_do([]),
    }
}

async fn to_undo(services: &Services, arguments: Option<&JsonObject>) -> Needed {
    let Some(id) = undo_recovery::wanted(arguments.cloned().unwrap_or_default()) else { return to_do([]) };
    match services.recovery.get(&id).await {
        Ok(operation) => to_do(undone(&operation)),
        Err(RecoveryError::UnknownOperation(_)) => to_do([]),
        // What is taken back cannot be told, and may be told a moment later.
        Err(_) => Needed::All(vec![Scope::recover("*")]),
    }
}

/// What an undo would take back: the last action; of an operation that may go on, any of its actions may be that in a moment.
fn undone(operation: &Operation) -> Vec<Action> {
    match operation.to_undo() {
        Some(attempt) if matches!(operation.state, State::Succeeded | State::FailedVerification) => vec![attempt.action],
        _ => operation.plan.runnable().map(|step| step.action).chain(operation.attempts.iter().map(|attempt| attempt.action)).collect(),
    }
}

/// Whether a caller may call a tool so. What would have acted is put on record.
pub(super) async fn check(services: &Services, caller: &Caller, tool: &Tool, arguments: Option<&JsonObject>) -> Result<(), ToolError> {
    if caller.principal.scopes.everything() {
        return Ok(());
    }
    let lacking = needed(services, tool, arguments).await.unless(&caller.principal.scopes);
    if lacking.is_empty() {
        return Ok(());
    }
    let refusal = RecoveryError::NotPermitted { known: caller.principal != Principal::anonymous(), scopes: lacking };
    record(services, caller.actor(services), tool, arguments, &refusal).await;
    Err(refusal.into())
}

async fn record(services: &Services, who: Actor, tool: &Tool, arguments: Option<&JsonObject>, refusal: &RecoveryError) {
    let issue = text(arguments, "issue_type").and_then(|issue| issue.parse::<IssueType>().ok());
    let operation = text(arguments, "operation_id").and_then(|id| id.parse::<OperationId>().ok());
    match (tool.name, issue, operation) {
        ("trigger_recovery", Some(issue_type), _) => {
            let word = |key| text(arguments, key).unwrap_or_default().to_owned();
            let request = TriggerRequest {
                issue_type,
                target: word("target"),
                reason: word("reason"),
                idempotency_key: None,
                who,
                unattended: false,
                may: Scopes::default(),
                client_asks: false,
            };
            services.recovery.audit_refusal(&request, refusal).await;
        }
        ("undo_recovery", _, Some(id)) => services.recovery.audit_undo_refusal(&id, &who, refusal).await,
        _ => tracing::info!(tool = tool.name, code = refusal.code(), "a call was refused"),
    }
}

/// The routes of a transport, behind a look whether the caller may have what it asks for. Only callers that were proven to be somebody are looked at: without
/// credentials, the tool itself answers.
pub(super) fn permitted(routes: Router, hub: &Arc<Hub>, via: Transport) -> Router {
    let services = hub.services.clone();
    routes.layer(middleware::from_fn(move |request, next| before_dispatch(services.clone(), via, request, next)))
}

/// As much of a message as tells what it asks for.
#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow)]
    method: Cow<'m, str>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    name: Option<String>,
    arguments: Option<JsonObject>,
}

async fn before_dispatch(services: Arc<Services>, via: Transport, request: Request<Body>, next: Next) -> Response<Body> {
    let (challenges, principal) = (request.extensions().get::<Challenges>(), request.extensions().get::<Principal>());
    let (Some(challenges), Some(principal)) = (challenges.cloned(), principal.cloned()) else { return next.run(request).await };
    if principal.scopes.everything() || request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // It was taken whole before, so that this neither waits nor fails.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let lacking = lacking(&services, &principal, via, &body).await;
    if lacking.is_empty() { next.run(Request::from_parts(parts, Body::from(body))).await } else { challenges.forbidden(&lacking) }
}

/// The scopes that a message needs, if its sender has not all of them. What cannot be read needs none: it is refused further in.
async fn lacking(services: &Services, principal: &Principal, via: Transport, body: &[u8]) -> Vec<Scope> {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else { return Vec::new() };
    let scopes = &principal.scopes;
    if LOOKS.iter().any(|prefix| message.method.starts_with(prefix)) {
        return Needed::All(vec![Scope::read()]).unless(scopes);
    }
    let Some(Params { name: Some(name), arguments }) = message.params.filter(|_| message.method == "tools/call") else { return Vec::new() };
    let Some(tool) = tools::find(&name) else { return Vec::new() };
    let lacking = needed(services, tool, arguments.as_ref()).await.unless(scopes);
    if !lacking.is_empty() {
        let refusal = RecoveryError::NotPermitted { known: true, scopes: lacking.clone() };
        record(services, tools::actor(services, via, principal, None), tool, arguments.as_ref(), &refusal).await;
    }
    lacking
}
