//! What a failure to get an answer says about the health of the other side. One place, so that all remote checks agree.
//!
//! Nothing answers, or not in time, or not in the protocol: down. Something answers but we could not look (TLS, a cap, our own settings): unknown.

use crate::engines::net::WireError;
use crate::ports::http::HttpError;

use super::settings::TimeoutMs;
use super::{Reading, Scope, State};

/// The reading after a failed HTTP request.
pub(super) fn of_http(error: &HttpError, timeout: TimeoutMs) -> Reading {
    let state = match error {
        HttpError::Dns
        | HttpError::Connect
        | HttpError::ConnectTimeout(_)
        | HttpError::Timeout(_)
        | HttpError::Protocol
        | HttpError::Tls(_)
        | HttpError::TlsBroken(_) => State::Down,
        HttpError::BadRequest(_) | HttpError::BodyTooLarge(_) => State::Unknown,
    };
    let message = match error {
        HttpError::Timeout(_) => format!("no complete answer within {} ms", timeout.ms()),
        other => other.to_string(),
    };
    Reading::new(state, Scope::Remote, message)
}

/// The reading after a failed call of an engine. An error that the server answered is the caller's to judge first; here it is down.
pub(super) fn of_wire(error: &WireError, timeout: TimeoutMs) -> Reading {
    let state = match error {
        WireError::Dns | WireError::Connect | WireError::Timeout(_) | WireError::Protocol | WireError::Server { .. } => State::Down,
        WireError::Url(_) | WireError::Tls(_) | WireError::TooMuch(_) => State::Unknown,
    };
    let message = match error {
        WireError::Timeout(_) => format!("{error} ({} ms)", timeout.ms()),
        other => other.to_string(),
    };
    let reading = Reading::new(state, Scope::Remote, message);
    match error {
        WireError::Server { code, message } => reading.untrusted("error_code", code).untrusted("error", message),
        _ => reading,
    }
}
