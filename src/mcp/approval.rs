//! Asks the person at the client whether an operation that waits may run, in both styles of the protocol: as a request of the server's up to
//! 2025-11-25, and as an `input_required` answer with a sealed state since 2026-07-28.
//!
//! What a yes is worth is decided by the configuration and by `recovery::Recovery::consent`, which is handed the answer; nothing here is kept that
//! could be used again. The model's arguments hold no such answer: there is no `confirm`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use rmcp::{
    Peer, RoleServer,
    model::{
        CallToolRequestParams, ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
        InputRequests, InputRequiredResult, ProtocolVersion, RequestStateCodec, RequestStateError, SealOptions,
    },
    service::{RequestContext, ServiceError},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    ToolError,
    running::{Hold, Running},
};
use crate::{
    flows::Services,
    recovery::{Actor, ElicitationApproves, Operation, State},
    types::{bound, ids::OperationId, sanitise::sanitise_line},
};

/// The key of our one question, and of the one field of its form.
const QUESTION: &str = "approval";
const FIELD: &str = "approve";
/// The older style holds a call open; no longer than this.
const HELD_OPEN: Duration = Duration::from_secs(120);
/// Who said no is not asked again at once: nobody is to be worn down by a model that repeats itself.
const LEFT_ALONE: Duration = Duration::from_secs(300);
/// A sealed state of ours is shorter.
const MOST_STATE_BYTES: usize = 2_048;
/// What a question shows of a call and of the caller's reason, in bytes.
const MOST_CALL_BYTES: usize = 200;
const MOST_REASON_BYTES: usize = 300;
/// The front of a digest that people compare, in hex digits.
const DIGEST_DIGITS: usize = 12;

/// What all calls of a process share.
pub(super) struct Approvals {
    /// None if the system gave no random key; then the newer style is not used.
    codec: Option<RequestStateCodec>,
    /// Operations that a person is being asked about right now, in the older style.
    asking: Mutex<BTreeSet<String>>,
    /// Until when who is not asked again about what.
    declined: Mutex<BTreeMap<String, Instant>>,
}

impl Default for Approvals {
    fn default() -> Self {
        let mut key = [0; RequestStateCodec::MIN_KEY_LENGTH];
        let filled = SystemRandom::new().fill(&mut key).is_ok();
        let codec = filled.then(|| RequestStateCodec::try_new(key).ok()).flatten();
        Self { codec, asking: Mutex::default(), declined: Mutex::default() }
    }
}

/// What is sealed, beside the expiry. Single use needs no number here: an operation waits once, and is agreed to once.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Sealed {
    operation: OperationId,
    digest: String,
}

/// How the person at the client can be asked.
#[derive(Clone)]
enum Way {
    /// Not at all.
    None,
    /// By a request of ours while the call waits.
    Request(Peer<RoleServer>),
    /// By an answer that the client repeats the call for.
    Result,
}

/// The person at the client, as a tool sees them.
#[derive(Clone)]
pub struct Person {
    way: Way,
    approvals: Arc<Approvals>,
    running: Running,
    timeout: Duration,
    /// The sealed state and the answer, where the client repeats a call with them.
    reply: Option<(String, Option<serde_json::Value>)>,
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// Nobody was.
    Not,
    /// A yes to this plan.
    Agreed {
        /// Of this operation.
        operation: OperationId,
        /// The plan's digest.
        digest: String,
    },
    /// A no.
    Declined {
        /// To this operation.
        operation: OperationId,
    },
    /// Neither; why, in words.
    NoAnswer(&'static str),
    /// The client asks, and repeats the call.
    Later(Box<InputRequiredResult>),
}

impl Person {
    /// By what a request and its connection say.
    pub(super) fn of(
        approvals: &Arc<Approvals>,
        services: &Services,
        context: &RequestContext<RoleServer>,
        request: &mut CallToolRequestParams,
        running: &Running,
    ) -> Self {
        let way = match services.recovery.elicitation_approves() {
            ElicitationApproves::Never => Way::None,
            _ => way(context, approvals.codec.is_some()),
        };
        let answer = request.input_responses.take().and_then(|mut responses| responses.remove(QUESTION));
        let reply = request.request_state.take().map(|state| (state, answer));
        Self { way, approvals: approvals.clone(), running: running.clone(), timeout: services.elicitation_timeout, reply }
    }

    /// Whether they can be asked.
    pub fn reachable(&self) -> bool {
        !matches!(self.way, Way::None)
    }

    /// Keeps the call open until it is known whether they are asked.
    pub fn hold(&self) -> Hold {
        self.running.hold()
    }

    /// Asks whether an operation that waits may run, if they can be asked and their answer counts for its plan.
    pub async fn ask(&self, services: &Services, operation: &Operation, who: &Actor) -> Asked {
        if operation.state != State::Planned || !self.reachable() || !services.recovery.elicitation_approves().covers(&operation.plan) {
            return Asked::Not;
        }
        if self.approvals.left_alone(&subject(operation, who)) {
            return Asked::NoAnswer("this was declined in the client a moment ago, and is not asked there again yet");
        }
        let form = form(question(services, operation));
        let sealed = Sealed { operation: operation.operation_id.clone(), digest: operation.plan.digest.clone() };
        match &self.way {
            Way::None => Asked::Not,
            Way::Request(peer) => self.request(peer, form, sealed).await,
            Way::Result => match self.approvals.seal(&sealed, who, self.timeout) {
                Some(state) => {
                    let requests = InputRequests::from([(QUESTION.to_owned(), InputRequest::Elicitation(ElicitRequest::new(form)))]);
                    Asked::Later(Box::new(InputRequiredResult::new(Some(requests), Some(state))))
                }
                None => Asked::Not,
            },
        }
    }

    /// The answer that a repeated call brings; none for a call that repeats nothing.
    ///
    /// # Errors
    /// A state that is not ours, not this caller's, or too old. Nothing was called.
    pub fn reply(&self, who: &Actor) -> Result<Option<Asked>, ToolError> {
        let Some((state, answer)) = &self.reply else { return Ok(None) };
        let Sealed { operation, digest } = self.approvals.open(state, who)?;
        let Some(answer) = answer.as_ref().and_then(|answer| ElicitResult::deserialize(answer).ok()) else {
            return Err(ToolError::new(
                "approval_answer_missing",
                format!("the call repeats a question, but brings no answer under {QUESTION}"),
                "send the person's answer as inputResponses, or call without requestState; nothing was called",
            ));
        };
        Ok(Some(judge(&answer, operation, digest)))
    }

    async fn request(&self, peer: &Peer<RoleServer>, form: ElicitRequestParams, sealed: Sealed) -> Asked {
        let Some(_one) = self.approvals.ask_once(&sealed.operation) else {
            return Asked::NoAnswer("a person is being asked about it in the client already");
        };
        let answer = peer.create_elicitation_with_timeout(form, Some(self.timeout.min(HELD_OPEN))).await;
        match answer {
            Ok(answer) => judge(&answer, sealed.operation, sealed.digest),
            Err(ServiceError::Timeout { .. }) => Asked::NoAnswer("the person in the client did not answer in time"),
            Err(error) => {
                tracing::info!(%error, "the client did not ask");
                Asked::NoAnswer("the client did not ask the person")
            }
        }
    }

    /// A no is remembered for a while.
    pub fn declined(&self, operation: &Operation, who: &Actor) {
        self.approvals.leave_alone(subject(operation, who));
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("reachable", &self.reachable()).finish_non_exhaustive()
    }
}

impl Approvals {
    fn seal(&self, sealed: &Sealed, who: &Actor, ttl: Duration) -> Option<String> {
        let codec = self.codec.as_ref()?;
        codec.seal_json_with(sealed, &SealOptions::new().associated_data(caller(who).as_bytes()).ttl(ttl)).ok()
    }

    fn open(&self, state: &str, who: &Actor) -> Result<Sealed, ToolError> {
        let again = "call trigger_recovery again without requestState; nothing was called";
        let foreign = || ToolError::new("approval_state_invalid", "this requestState was not made by this server for this caller", again);
        let codec = self.codec.as_ref().filter(|_| state.len() <= MOST_STATE_BYTES).ok_or_else(foreign)?;
        codec.open_json_with(state, caller(who).as_bytes()).map_err(|error| match error {
            RequestStateError::Expired => ToolError::new("approval_expired", "the answer came too late", again),
            _ => {
                tracing::warn!(%who, "a requestState that is not ours was refused");
                foreign()
            }
        })
    }

    fn ask_once(self: &Arc<Self>, id: &OperationId) -> Option<Once> {
        let fresh = self.asking.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_string());
        fresh.then(|| Once(self.clone(), id.to_string()))
    }

    fn leave_alone(&self, subject: String) {
        self.declined.lock().unwrap_or_else(PoisonError::into_inner).insert(subject, Instant::now() + LEFT_ALONE);
    }

    fn left_alone(&self, subject: &str) -> bool {
        let mut declined = self.declined.lock().unwrap_or_else(PoisonError::into_inner);
        declined.retain(|_, until| *until > Instant::now());
        declined.contains_key(subject)
    }
}

/// One question at a time about an operation.
struct Once(Arc<Approvals>, String);

impl Drop for Once {
    fn drop(&mut self) {
        self.0.asking.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

fn way(context: &RequestContext<RoleServer>, can_seal: bool) -> Way {
    // A client that names neither form nor URL means forms.
    let form = |client: &ClientCapabilities| client.elicitation.as_ref().is_some_and(|e| e.form.is_some() || e.url.is_none());
    let modern = context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    match modern {
        true if can_seal && context.client_capabilities().as_ref().is_some_and(form) => Way::Result,
        // Only a connection that stays can carry a request of ours: its handshake says so, a single request does not.
        false if context.peer.peer_info().is_some_and(|client| form(&client.capabilities)) => Way::Request(context.peer.clone()),
        _ => Way::None,
    }
}

/// Whose the sealed state is; `local` can be nobody else's name, since others' begin differently.
fn caller(who: &Actor) -> String {
    who.principal.as_ref().map_or_else(|| "local".to_owned(), |principal| format!("principal {principal}"))
}

fn subject(operation: &Operation, who: &Actor) -> String {
    format!("{} {} {}", operation.issue_type, operation.target, caller(who))
}

/// Only an accepted form in which the box was ticked is a yes.
fn judge(answer: &ElicitResult, operation: OperationId, digest: String) -> Asked {
    let ticked = answer.content.as_ref().and_then(|content| content.get(FIELD)).and_then(serde_json::Value::as_bool);
    match (&answer.action, ticked) {
        (ElicitationAction::Accept, Some(true)) => Asked::Agreed { operation, digest },
        (ElicitationAction::Accept, Some(false)) | (ElicitationAction::Decline, _) => Asked::Declined { operation },
        (ElicitationAction::Accept, None) => Asked::NoAnswer("the client's answer says neither yes nor no"),
        _ => Asked::NoAnswer("the person in the client closed the question without an answer"),
    }
}

fn form(message: String) -> ElicitRequestParams {
    let title = "Approve and run this plan";
    let schema = ElicitationSchema::builder()
        .required_bool_property(FIELD, |field| field.title(title).description("Yes runs the plan once, now. No ends the operation; nothing is called."))
        .build_unchecked();
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema }
}

/// What the person decides on: facts of ours first, the caller's own words last, on one line, in quotes, and named as what they are.
fn question(services: &Services, operation: &Operation) -> String {
    let line = |text: &str, most: usize| sanitise_line(&bound::cut(&services.clean_text(text), most)).into_owned();
    let plan = &operation.plan;
    let steps = plan.runnable().enumerate().map(|(n, step)| {
        let call = line(step.call.as_deref().unwrap_or("-"), MOST_CALL_BYTES);
        let risk = format!("{:?}", step.action.risk()).to_lowercase();
        format!("{}. {} ({risk}): {call}", n + 1, step.action)
    });
    let reason = line(&operation.untrusted_reason, MOST_REASON_BYTES).replace('"', "'");
    format!(
        "opsmedic on {} asks for approval of a recovery.\nTarget: {} (policy {})\nIssue: {}\nActions, in this order until the target is well:\n{}\n\
         Operation: {}, plan {}\nWaits until: {}\nThe caller's words, not checked: \"{reason}\"",
        line(&services.host, MOST_CALL_BYTES),
        operation.target,
        format!("{:?}", plan.policy).to_lowercase(),
        operation.issue_type,
        steps.collect::<Vec<_>>().join("\n"),
        operation.operation_id,
        plan.digest.get(..DIGEST_DIGITS).unwrap_or(&plan.digest),
        operation.expires_at,
    )
}

#[cfg(test)]
mod tests;
