//! What resources, prompts, completions and subscriptions share: what is kept for them, and how a request for them is answered.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer,
    model::{CacheScope, PaginatedRequestParams, ProtocolVersion},
    service::RequestContext,
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Hub, ToolError, kept::Kept, lanes::Lane};
use crate::flows::{Services, changes::Changes};

/// The longest that an answer may take; a store that is being written answers within seconds.
const DEADLINE: Duration = Duration::from_secs(30);
/// How many entries a page of a list has.
const PAGE: usize = 100;
/// How many `subscriptions/listen` requests may be open.
const MOST_LISTENING: usize = 2_048;
/// How long lists may be taken to be fresh, milliseconds: they change with the configuration, that is with a restart.
pub(super) const LIST_FRESH_MS: u64 = 60_000;

/// What the whole process has of it.
pub(super) struct Content {
    /// Full results behind shortened answers.
    pub(super) kept: Kept,
    /// Tells when what is on record changes.
    pub(super) changes: Arc<Changes>,
    /// Room for listeners.
    pub(super) listening: Semaphore,
}

impl Content {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self { kept: Kept::default(), changes: Changes::new(services), listening: Semaphore::new(MOST_LISTENING) }
    }
}

/// Errors that say that there is no such thing.
const NOT_FOUND: &[&str] = &["unknown_resource", "unknown_operation", "unknown_playbook", "unknown_target", "no_targets"];
/// Errors that say that the request is wrong.
const WRONG: &[&str] = &["invalid_input", "unknown_check", "unknown_prompt"];

/// An error in the protocol's form. The code for what is not there becomes that of the caller's revision on its way out.
pub(super) fn refusal(services: &Services, error: &ToolError) -> ErrorData {
    let (message, hint) = (services.clean_text(&error.message), services.clean_text(&error.hint));
    let data = Some(json!({ "code": error.code, "hint": hint }));
    let message = format!("{message}; {hint}");
    match error.code {
        code if NOT_FOUND.contains(&code) => ErrorData::resource_not_found(message, data),
        code if WRONG.contains(&code) => ErrorData::invalid_params(message, data),
        _ => ErrorData::internal_error(message, data),
    }
}

/// Does the work in the lane of calls, with a deadline, and answers for a defect too.
pub(super) async fn answer<T>(hub: &Hub, context: &RequestContext<RoleServer>, work: impl Future<Output = Result<T, ToolError>>) -> Result<T, ErrorData> {
    let work = AssertUnwindSafe(async {
        let _place = hub.lanes.enter(Lane::Calls).await?;
        work.await
    })
    .catch_unwind();
    let ended = tokio::select! {
        biased;
        () = context.ct.cancelled() => Err(ToolError::new("cancelled", "the request was cancelled", "ask again if it is still needed")),
        ended = tokio::time::timeout(DEADLINE, work) => match ended {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ToolError::new("internal", "the request failed by a defect", "the server goes on; report the defect with its log")),
            Err(_) => Err(ToolError::new("timed_out", format!("the request was not answered within {} s", DEADLINE.as_secs()), "ask again")),
        },
    };
    ended.map_err(|error| refusal(&hub.services, &error))
}

/// How long a result is fresh and for whom, in the revision that says so; none in those before.
pub(super) fn freshness(context: &RequestContext<RoleServer>, fresh_ms: u64) -> (Option<u64>, Option<CacheScope>) {
    // Revisions are dates, so their order is that of the texts.
    let says_so = context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    // What one caller may read, another may not: caches between must not share it.
    if says_so { (Some(fresh_ms), Some(CacheScope::Private)) } else { (None, None) }
}

/// A page of a list, and where the next begins.
///
/// # Errors
/// A cursor that is none of ours.
pub(super) fn page<T>(kind: &str, request: Option<PaginatedRequestParams>, all: Vec<T>) -> Result<(Vec<T>, Option<String>), ErrorData> {
    let cursor = |at: usize| BASE64_URL_SAFE_NO_PAD.encode(format!("{kind} {at}"));
    let begin = match request.and_then(|request| request.cursor) {
        None => 0,
        Some(given) => {
            let mut known = (PAGE..all.len()).step_by(PAGE);
            known.find(|at| cursor(*at) == given).ok_or_else(|| ErrorData::invalid_params("this cursor is none of this list; begin without one", None))?
        }
    };
    let next = (begin + PAGE < all.len()).then(|| cursor(begin + PAGE));
    Ok((all.into_iter().skip(begin).take(PAGE).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(cursor: Option<String>) -> Option<PaginatedRequestParams> {
        Some(PaginatedRequestParams::default().with_cursor(cursor))
    }

    #[test]
    fn pages_add_up_and_strange_cursors_are_refused() {
        let all: Vec<usize> = (0..250).collect();
        let (mut got, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let (page, next) = page("resources", from(cursor), all.clone()).expect("a page");
            got.extend(page);
            pages += 1;
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((got, pages), (all.clone(), 3));
        let (_, other) = page("prompts", None, all.clone()).expect("a page");
        for wrong in [other, Some(String::new()), Some("100".to_owned()), Some(BASE64_URL_SAFE_NO_PAD.encode("resources 7"))] {
            let error = page("resources", from(wrong), all.clone()).expect_err("no cursor of ours");
            assert_eq!(error.code, rmcp::model::ErrorCode::INVALID_PARAMS);
        }
        assert_eq!(page("resources", None, vec![1; PAGE]).expect("a page").1, None, "a full page is the last");
    }
}
