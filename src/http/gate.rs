//! What every request passes, in this order: host and origin, credentials, the body, and then what is served.
//!
//! One after another in one future, rather than as layers around a router: those are copied and allocated for each request, which cost more than the checks.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, request::Parts},
};
use hyper::{body::Body as HttpBody, service::Service as _};
use hyper_util::service::TowerToHyperService;

use super::{
    Auth, Settings, auth,
    body::{self, Limits},
    busy,
    guard::{self, Guard},
};

/// Answers a request whose body is there, if it can at once; what gives none is answered by the routes.
pub type AtOnce = Arc<dyn Fn(&Parts, &Bytes) -> Option<Response<Body>> + Send + Sync>;

/// What is served, behind every check that does not depend on it.
pub struct Gate {
    guard: Guard,
    auth: Option<Arc<Auth>>,
    limits: Limits,
    at_once: Option<AtOnce>,
    routes: TowerToHyperService<Router>,
}

impl Gate {
    /// These routes behind all checks; that of credentials is one where there is something to check them.
    pub fn new(auth: Option<Arc<Auth>>, routes: Router, settings: &Settings, address: SocketAddr) -> Self {
        let limits = Limits { bytes: settings.max_body_bytes, time: settings.body_timeout() };
        Self { guard: Guard::new(settings, address), auth, limits, at_once: None, routes: TowerToHyperService::new(routes) }
    }

    /// The same, with this asked before the routes.
    #[must_use]
    pub fn asking_first(self, at_once: AtOnce) -> Self {
        Self { at_once: Some(at_once), ..self }
    }

    /// The answer to a request.
    pub(super) async fn pass<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        guard::check(&self.guard, request, |request| self.known(request)).await
    }

    async fn known<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &self.auth {
            Some(auth) => auth::check(auth, request, |request| self.whole(request)).await,
            None => self.whole(request).await,
        }
    }

    async fn whole<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = match body::whole(self.limits, request).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        match self.at_once.as_ref().and_then(|answer| answer(&parts, &body)) {
            Some(answer) => answer,
            None => {
                let Ok(response) = self.routes.call(Request::from_parts(parts, Body::from(body))).await;
                response
            }
        }
    }
}

/// Who answers on a connection.
#[derive(Clone)]
pub(super) enum Answers {
    /// What is served.
    Gate(Arc<Gate>),
    /// Nobody: there are too many connections.
    Busy,
}

impl Answers {
    pub(super) async fn to<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self {
            Self::Gate(gate) => gate.pass(request).await,
            Self::Busy => busy("there are too many connections"),
        }
    }
}
