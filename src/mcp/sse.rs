//! The transport of 2024-11-05, which many clients still speak: a stream of events at `/sse`, and a POST to `/messages` for every message.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, Request, State, rejection::QueryRejection},
    http::{Response, StatusCode, request::Parts},
    response::{
        IntoResponse as _, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures::{Stream, StreamExt as _, stream};
use rmcp::{
    RoleServer, ServerHandler, ServiceExt as _,
    model::{ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, ServerJsonRpcMessage},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::{Transport, streamable_http_server::session::SessionId},
};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{error::clean_error, sessions::Sessions, shape, streamable::owner};
use crate::http::{busy, refuse};

/// Messages that may wait in a session, each way.
const WAITING: usize = 64;
/// A sign of life for proxies that close silent streams.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where messages for a session go.
type Inboxes = Arc<Mutex<HashMap<String, mpsc::Sender<ClientJsonRpcMessage>>>>;

#[derive(Clone)]
struct Desk<H> {
    handler: H,
    sessions: Arc<Sessions>,
    inboxes: Inboxes,
    cut: CancellationToken,
}

/// The routes, for a handler that each session gets a clone of. `cut` ends every stream.
pub(super) fn router<H: ServerHandler + Clone>(handler: H, sessions: &Arc<Sessions>, cut: CancellationToken) -> Router {
    let desk = Desk { handler, sessions: sessions.clone(), inboxes: Inboxes::default(), cut };
    let routes = Router::new().route("/sse", get(open::<H>)).route("/messages", post(message::<H>));
    // The configuration's own limit was held before, on every route.
    routes.layer(DefaultBodyLimit::disable()).with_state(desk)
}

/// A session's end of the two channels.
struct Channels {
    inbox: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    outbox: mpsc::Sender<TxJsonRpcMessage<RoleServer>>,
}

impl Transport<RoleServer> for Channels {
    type Error = io::Error;

    fn send(&mut self, mut message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let outbox = self.outbox.clone();
        clean_error(&mut message);
        async move { outbox.send(message).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.inbox.recv().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inbox.close();
        Ok(())
    }
}

async fn open<H: ServerHandler + Clone>(State(desk): State<Desk<H>>, request: Request) -> Response<Body> {
    let id: SessionId = uuid::Uuid::new_v4().simple().to_string().into();
    let end = desk.cut.child_token();
    if desk.sessions.claim(&id, &owner(request.extensions()), Some(end.clone())).await.is_err() {
        return busy("there is no room for another session");
    }
    let (to_server, inbox) = mpsc::channel(WAITING);
    let (outbox, from_server) = mpsc::channel::<ServerJsonRpcMessage>(WAITING);
    desk.inboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_string(), to_server);
    tokio::spawn(run(desk.clone(), id.clone(), Channels { inbox, outbox }, end.clone()));
    Sse::new(events(&desk, id, from_server, end)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

async fn run<H: ServerHandler + Clone>(desk: Desk<H>, id: SessionId, channels: Channels, end: CancellationToken) {
    match desk.handler.clone().serve_with_ct(channels, end).await {
        Ok(running) => drop(running.waiting().await),
        Err(error) => tracing::debug!(%error, "a session did not begin"),
    }
    desk.inboxes.lock().unwrap_or_else(PoisonError::into_inner).remove(id.as_ref());
    desk.sessions.release(&id);
}

/// First where to send messages, then what the server says, until either side goes.
fn events<H>(
    desk: &Desk<H>,
    id: SessionId,
    mut from_server: mpsc::Receiver<ServerJsonRpcMessage>,
    end: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + use<H> {
    let first = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    // The client is gone when its stream is dropped, and then so is the session.
    let guard = end.clone().drop_guard();
    let messages = stream::poll_fn(move |context| from_server.poll_recv(context)).map(move |message| {
        let _held = &guard;
        let text = serde_json::to_string(&message).unwrap_or_default();
        Ok(Event::default().event("message").data(text))
    });
    let all = stream::once(async move { Ok(first) }).chain(messages).take_until(end.cancelled_owned());
    desk.sessions.stream(&id, Box::pin(all))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    session_id: String,
}

async fn message<H: ServerHandler + Clone>(
    State(desk): State<Desk<H>>,
    address: Result<Query<Address>, QueryRejection>,
    parts: Parts,
    body: Bytes,
) -> Response<Body> {
    let unknown = || refuse(StatusCode::NOT_FOUND, "no_session", "there is no such session", "open /sse; its first event names the address");
    let Ok(Query(Address { session_id })) = address else { return unknown() };
    if !desk.sessions.touch(&session_id, &owner(&parts.extensions)) {
        return unknown();
    }
    let Some(inbox) = desk.inboxes.lock().unwrap_or_else(PoisonError::into_inner).get(&session_id).cloned() else { return unknown() };
    let mut message = match shape::read(&body) {
        Ok(message) => message,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(error)).into_response(),
    };
    match &mut message {
        JsonRpcMessage::Request(request) => drop(request.request.extensions_mut().insert(parts)),
        JsonRpcMessage::Notification(notification) => drop(notification.notification.extensions_mut().insert(parts)),
        _ => {}
    }
    match inbox.try_send(message) {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(mpsc::error::TrySendError::Full(_)) => busy("this session has too many messages waiting"),
        Err(mpsc::error::TrySendError::Closed(_)) => unknown(),
    }
}
