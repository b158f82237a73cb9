//! Streamable HTTP at `/mcp`: without sessions for 2026-07-28, with them for the revisions before it.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, Response, StatusCode},
    middleware::{self, Next},
    response::IntoResponse as _,
};
use rmcp::{
    ServerHandler,
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage},
    transport::{StreamableHttpServerConfig, StreamableHttpService},
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    error::clean_body,
    sessions::{CALL, CallOf, Manager, Sessions},
    shape,
};
use crate::{
    http::{busy, refuse},
    types::access::Principal,
};

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// The route, for a handler that each session gets a clone of. `cut` ends every stream.
pub(super) fn router<H: ServerHandler + Clone>(handler: H, sessions: &Arc<Sessions>, cut: CancellationToken) -> Router {
    // Host, origin and the size of a body were checked before, on every route.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_max_request_body_bytes(usize::MAX)
        .with_json_response(true)
        .with_cancellation_token(cut);
    let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(Manager(sessions.clone())), config);
    let sessions = sessions.clone();
    Router::new().nest_service("/mcp", service).layer(middleware::from_fn(move |request, next| with_caller(sessions.clone(), request, next)))
}

/// Who sent a request.
pub(super) fn owner(extensions: &http::Extensions) -> String {
    extensions.get::<Principal>().map_or_else(|| Principal::anonymous().name, |principal| principal.name.clone())
}

/// Tells the sessions whose request this is, keeps others' sessions out of reach, and turns a lack of room into what clients understand.
async fn with_caller(sessions: Arc<Sessions>, request: Request, next: Next) -> Response<Body> {
    let owner = owner(request.extensions());
    let named = request.headers().get(SESSION);
    if named.is_some_and(|id| !id.to_str().is_ok_and(|id| sessions.touch(id, &owner))) {
        return refuse(StatusCode::NOT_FOUND, "no_session", "there is no such session", "begin a new one with initialize");
    }
    let (parts, body) = request.into_parts();
    // It is in memory whole, and no larger than is allowed.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Err(error) = shape::bounded(&body) {
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    let begins = !parts.headers.contains_key(SESSION) && parts.method == Method::POST && initializes(&body);
    // Before the protocol's crate gets it, which takes a full house for an error of its own and logs each refusal as one.
    let mut place = None;
    if begins {
        let Ok(taken) = sessions.place(&owner).await else { return no_room() };
        place = Some(taken);
    }
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let call = Arc::new(CallOf { owner, place: Mutex::new(place), full: AtomicBool::new(false) });
    let ends = request.method() == Method::DELETE;
    let mut response = CALL.scope(call.clone(), next.run(request)).await;
    if call.full.load(Ordering::Relaxed) {
        return no_room();
    }
    if ends && response.status() == StatusCode::ACCEPTED {
        // The session is gone when this is said; the Python SDK complains to its user about a mere "accepted".
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    // The protocol's crate says so in words only, and of a body that is no message as of one that is not called JSON.
    let unread = response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE;
    match unread.then(|| shape::read(&body).err()).flatten() {
        Some(error) => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
        None if response.status().is_client_error() => harmless(response).await,
        None => response,
    }
}

/// A refusal of the protocol's crate, which may repeat what was sent.
async fn harmless(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(clean_body(&body)))
}

fn no_room() -> Response<Body> {
    busy("there is no room for another session")
}

/// As much of a message as tells whether reading it whole is worth it.
#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow)]
    method: Cow<'m, str>,
}

/// Whether a message is a valid request to begin a session.
fn initializes(body: &[u8]) -> bool {
    // Of what cannot be told so, such as a method named twice, reading tells.
    let may_be = serde_json::from_slice::<Message<'_>>(body).map_or(true, |message| message.method == "initialize");
    let begins =
        |message: ClientJsonRpcMessage| matches!(message, JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::InitializeRequest(_)));
    may_be && shape::read(body).is_ok_and(begins)
}
