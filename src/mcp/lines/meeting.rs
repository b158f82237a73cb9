//! Answers calls on the spot, once caller and server found together.

use std::sync::Arc;

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, RequestId},
    service::TxJsonRpcMessage,
};

use crate::{
    mcp::{
        Hub,
        direct::{self, Way},
    },
    types::access::Principal,
};

/// How far caller and server are with finding together. The protocol's crate decides; this only looks on.
pub(super) enum Meeting {
    /// Nothing was said yet.
    Begun,
    /// This request came first.
    Asked(RequestId, Way),
    /// Its handshake was answered, and not yet confirmed.
    Answered,
    /// They are.
    Done(Way),
    /// In no way that is known here.
    Odd,
}

impl Meeting {
    /// A message that goes to the protocol's crate.
    pub(super) fn received(&mut self, message: &ClientJsonRpcMessage) {
        match (&self, message) {
            // These open nothing: a handshake may still follow, and so may a call.
            (Self::Begun, JsonRpcMessage::Request(first)) if matches!(first.request, ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_)) => {}
            (Self::Begun, JsonRpcMessage::Request(first)) => {
                let hello = matches!(first.request, ClientRequest::InitializeRequest(_));
                *self = Self::Asked(first.id.clone(), if hello { Way::Handshake } else { Way::PerCall });
            }
            (Self::Answered, JsonRpcMessage::Notification(told)) if matches!(told.notification, ClientNotification::InitializedNotification(_)) => {
                *self = Self::Done(Way::Handshake);
            }
            _ => {}
        }
    }

    /// A message that comes from there.
    pub(super) fn sent(&mut self, message: &TxJsonRpcMessage<RoleServer>) {
        let Self::Asked(first, way) = &self else { return };
        *self = match (message, way) {
            (JsonRpcMessage::Response(answer), Way::Handshake) if answer.id == *first => Self::Answered,
            (JsonRpcMessage::Response(answer), Way::PerCall) if answer.id == *first => Self::Done(Way::PerCall),
            (JsonRpcMessage::Error(_), _) => Self::Odd,
            _ => return,
        };
    }
}

/// Answers for one caller.
pub(super) struct Answerer {
    pub(super) hub: Arc<Hub>,
    pub(super) caller: Principal,
}

impl Answerer {
    /// Writes the line that answers this message; none if it must go the usual way.
    pub(super) fn answer(&self, way: Way, message: &[u8], out: &mut Vec<u8>) -> Option<()> {
        direct::answer(&self.hub, &self.caller, way, None, message, out)?;
        out.push(b'\n');
        Some(())
    }
}
