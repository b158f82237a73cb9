//! Refusals in the one shape that every client of ours can read: a JSON-RPC error without id.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::json;

/// The JSON-RPC code of a request that was refused before it was one.
const REFUSED: i64 = -32_600;

/// An answer that refuses: status, and in words what went wrong and what to do.
pub fn refuse(status: StatusCode, code: &str, message: &str, hint: &str) -> Response<Body> {
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": REFUSED, "message": message, "data": { "code": code, "hint": hint } } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether an answer is a stream of events, which may go on for ever.
pub(super) fn is_stream(response: &Response<Body>) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// A refusal for lack of room: come back in a second.
pub fn busy(message: &str) -> Response<Body> {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", message, "wait a second and send it again");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
