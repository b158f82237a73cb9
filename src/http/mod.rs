//! The HTTP face's ground: listening, time limits, who may call. What is served comes as a router from elsewhere.
//!
//! A request goes one way: connection (caps, timers) -> host and origin -> credentials -> body (cap, time limit) -> the router.
//!
//! **Invariant:** nothing of a request's body is read before its host and origin were found good and its credentials were checked.

mod body;
mod guard;
mod listen;
mod reply;
mod settings;
mod stall;

use std::sync::Arc;

use axum::{Router, middleware};

pub use listen::{End, serve};
pub use reply::{busy, refuse};
pub use settings::Settings;

/// The router behind every check that does not depend on what it serves.
pub fn guarded(routes: Router, settings: &Settings, address: std::net::SocketAddr) -> Router {
    let guard = Arc::new(guard::Guard::new(settings, address));
    let limits = body::Limits { bytes: settings.max_body_bytes, time: settings.body_timeout() };
    routes
        .layer(middleware::from_fn(move |request, next| body::whole(limits, request, next)))
        .layer(middleware::from_fn(move |request, next| guard::check(guard.clone(), request, next)))
}
