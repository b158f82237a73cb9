//! Takes a request's body whole, within a size and a time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{Request, Response, StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use hyper::body::Body as HttpBody;

use super::refuse;

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// A request whose body is there.
///
/// # Errors
/// What to answer: it is too large, came too slowly or broke off.
pub(super) async fn whole<B>(limits: Limits, request: Request<B>) -> Result<(Parts, Bytes), Response<Body>>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits.bytes as u64) {
        return Err(too_large(limits));
    }
    match tokio::time::timeout(limits.time, Limited::new(body, limits.bytes).collect()).await {
        Ok(Ok(body)) => Ok((parts, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limits)),
        Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "broken_body", "the body broke off", "send it again")),
        Err(_) => {
            let message = format!("the body was not there within {} s", limits.time.as_secs());
            Err(closing(refuse(StatusCode::REQUEST_TIMEOUT, "slow_body", &message, "send it faster")))
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
