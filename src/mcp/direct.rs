//! Answers a call on the spot where that is all there is to it: a tool that needs nothing but memory, called in the plainest way. The protocol's
//! crate starts a task, channels and a copy of the message for each call, which takes longer than such a tool.
//!
//! **Invariant:** what is answered here is answered as the usual way answers it. Whatever is out of the ordinary (another spelling, a header that does
//! not fit, an error, an answer that must be cut, a full house) goes the usual way, which alone knows how to refuse.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use rmcp::model::{ClientCapabilities, Implementation, ProtocolVersion};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Hub, answer, shape, tools};
use crate::types::{
    access::{Principal, Scope},
    sanitise::is_plain,
};

/// How caller and server found together, which shows in calls and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a handshake, as in the revisions before 2026-07-28.
    Handshake,
    /// Each call says for itself what it speaks.
    PerCall,
}

/// A call in its plainest form; anything more, and it goes the usual way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'m> {
    jsonrpc: &'m str,
    #[serde(borrow)]
    id: &'m RawValue,
    method: &'m str,
    #[serde(borrow)]
    params: Params<'m>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params<'m> {
    name: &'m str,
    #[serde(borrow)]
    arguments: &'m RawValue,
    #[serde(borrow, rename = "_meta", default)]
    meta: Option<Meta<'m>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta<'m> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", default)]
    version: Option<&'m str>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", default)]
    capabilities: Option<ClientCapabilities>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo", default)]
    client: Option<Implementation>,
    /// Allows to tell how far a call is, which nobody does of one that is over at once.
    #[serde(borrow, rename = "progressToken", default)]
    progress: Option<&'m RawValue>,
}

impl Way {
    fn fits(self, meta: Option<&Meta<'_>>) -> bool {
        if meta.and_then(|meta| meta.progress).is_some_and(|token| !is_plain_id(token.get())) {
            return false;
        }
        match self {
            Self::Handshake => meta.is_none_or(|meta| meta.version.is_none() && meta.capabilities.is_none() && meta.client.is_none()),
            Self::PerCall => meta.is_some_and(|meta| meta.version == Some(ProtocolVersion::V_2026_07_28.as_str()) && meta.capabilities.is_some()),
        }
    }
}

/// Writes the answer to a call as it goes out; writes nothing and gives none if it must go the usual way. `announced`: the tool's name in the headers,
/// which must be the called one.
pub(super) fn answer(hub: &Hub, caller: &Principal, way: Way, announced: Option<&[u8]>, message: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let begun = Instant::now();
    let call: Call<'_> = serde_json::from_slice(message).ok()?;
    let tool = tools::find(call.params.name).filter(|tool| announced.is_none_or(|name| name == tool.name.as_bytes()))?;
    let at_once = tool.at_once?;
    let plain = call.jsonrpc == "2.0" && call.method == "tools/call" && is_plain_id(call.id.get()) && way.fits(call.params.meta.as_ref());
    if !plain || shape::bounded(message).is_err() || !caller.scopes.allow(&Scope::read()) {
        return None;
    }
    let _place = hub.lanes.enter_at_once(tool.lane())?;
    let work = || answer::at_once(&hub.services, tool.scope, &at_once(&hub.services, call.params.arguments.get()).ok()?).ok();
    // What panics does so again on the usual way, and is answered there.
    let finished = catch_unwind(AssertUnwindSafe(work)).ok()??;
    hub.count(tool.name, None, begun.elapsed());
    write(call.id.get(), way, &finished, out);
    Some(())
}

/// Whether an id is written in the only way in which it can be.
fn is_plain_id(id: &str) -> bool {
    match id.as_bytes() {
        [b'"', inner @ .., b'"'] => !inner.contains(&b'\\'),
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn write(id: &str, way: Way, finished: &answer::Finished, out: &mut Vec<u8>) {
    let answer::Finished { structure, text } = finished;
    out.reserve(structure.len() + text.len() + text.len() / 16 + 256);
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    put(r#"{"jsonrpc":"2.0","id":"#);
    put(id);
    put(r#","result":{"#);
    if way == Way::PerCall {
        put(r#""resultType":"complete","#);
    }
    put(r#""content":[{"type":"text","text":"#);
    put_string(text, out);
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    put(r#"}],"structuredContent":"#);
    put(structure);
    put(r#","isError":false}}"#);
}

/// A text as JSON writes it. Most have nothing to escape but ends of lines, and then all between is copied at once.
fn put_string(text: &str, out: &mut Vec<u8>) {
    if !is_plain(text) {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    let (bytes, mut begin) = (text.as_bytes(), 0);
    out.push(b'"');
    for at in memchr::memchr3_iter(b'\n', b'"', b'\\', bytes) {
        out.extend_from_slice(&bytes[begin..at]);
        let escaped = if bytes[at] == b'\n' { b'n' } else { bytes[at] };
        out.extend_from_slice(&[b'\\', escaped]);
        begin = at + 1;
    }
    out.extend_from_slice(&bytes[begin..]);
    out.push(b'"');
}

/// The answer to a request over HTTP; none if it must go the usual way.
pub(super) fn over_http(hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
    if parts.method != Method::POST || parts.uri.path() != "/mcp" || !are_plain(&parts.headers) {
        return None;
    }
    let caller = parts.extensions.get::<Principal>().cloned().unwrap_or_else(Principal::anonymous);
    let name = parts.headers.get("mcp-name")?.as_bytes();
    let mut answered = Vec::new();
    answer(hub, &caller, Way::PerCall, Some(name), body, &mut answered)?;
    let mut response = Response::new(Body::from(answered));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

/// Whether the headers of a request announce a call in the plainest way.
fn are_plain(headers: &HeaderMap) -> bool {
    let only = |name: &str, value: &str| {
        let mut all = headers.get_all(name).iter();
        all.next().is_some_and(|first| first == value) && all.next().is_none()
    };
    only(header::CONTENT_TYPE.as_str(), "application/json")
        && only("mcp-protocol-version", ProtocolVersion::V_2026_07_28.as_str())
        && only("mcp-method", "tools/call")
        && accepts_both(headers)
        && headers.get_all("mcp-name").iter().count() == 1
        && !headers.keys().any(|name| name.as_str().starts_with("mcp-param-") || name.as_str() == "mcp-session-id")
}

fn accepts_both(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(header::ACCEPT).iter();
    let (Some(kinds), None) = (all.next().and_then(|kinds| kinds.to_str().ok()), all.next()) else { return false };
    let has = |wanted: &str| kinds.split(',').any(|kind| kind.trim() == wanted);
    !kinds.contains(';') && has("application/json") && has("text/event-stream")
}

#[cfg(test)]
mod tests;
