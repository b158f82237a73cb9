//! The HTTP face's ground: listening, time limits, who may call. What is served comes as a router from elsewhere.
//!
//! A request goes one way: connection (caps, timers, TLS) -> host and origin -> credentials -> body (cap, time limit) -> the router.
//!
//! **Invariant:** nothing of a request's body is read before its host and origin were found good and its credentials were checked.

mod auth;
mod body;
mod error;
mod files;
mod flight;
mod guard;
mod listen;
mod reply;
mod settings;
mod stall;
mod tls;

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, middleware};

pub use auth::{Auth, AuthSettings, Challenges, JwtSettings};
pub use error::StartError;
use listen::Peer;
pub use listen::{Door, End, serve};
pub use reply::{busy, refuse};
pub use settings::Settings;
pub use tls::{Tls, TlsSettings};

/// What this face needs of the outside: the clock, and a way to fetch keys.
pub struct Outside(pub crate::ports::Ports);

/// The router behind every check that does not depend on what it serves; that of credentials is one where there is something to check them.
pub fn guarded(auth: Option<Arc<Auth>>, routes: Router, settings: &Settings, address: SocketAddr) -> Router {
    let guard = Arc::new(guard::Guard::new(settings, address));
    let limits = body::Limits { bytes: settings.max_body_bytes, time: settings.body_timeout() };
    let mut routes = routes.layer(middleware::from_fn(move |request, next| body::whole(limits, request, next)));
    if let Some(auth) = auth {
        routes = routes.layer(middleware::from_fn(move |request, next| auth::check(auth.clone(), request, next)));
    }
    routes.layer(middleware::from_fn(move |request, next| guard::check(guard.clone(), request, next)))
}
