//! Takes a request's body whole, within a size and a time.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
    middleware::Next,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::refuse;

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// Hands on a request whose body is there.
pub(super) async fn whole(limits: Limits, request: Request<Body>, next: Next) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits.bytes as u64) {
        return too_large(limits);
    }
    match tokio::time::timeout(limits.time, Limited::new(body, limits.bytes).collect()).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(limits),
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, "broken_body", "the body broke off", "send it again"),
        Err(_) => {
            let message = format!("the body was not there within {} s", limits.time.as_secs());
            closing(refuse(StatusCode::REQUEST_TIMEOUT, "slow_body", &message, "send it faster"))
        }
    }
}

fn too_large(limits: Limits) -> Response<Body> {
    let message = format!("the body has more than {} bytes", limits.bytes);
    closing(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message, "send less; http.max_body_bytes sets the limit"))
}

/// What is left of the body will not be read, so the connection cannot go on.
fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
