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
mod gate;
mod guard;
mod listen;
mod reply;
mod settings;
mod stall;
mod tls;

pub use auth::{Auth, AuthSettings, Challenges, JwtSettings};
pub use error::StartError;
pub use gate::{AtOnce, Gate};
use listen::Peer;
pub use listen::{Door, End, serve};
pub use reply::{busy, refuse};
pub use settings::Settings;
pub use tls::{Tls, TlsSettings};

/// What this face needs of the outside: the clock, and a way to fetch keys.
pub struct Outside(pub crate::ports::Ports);
