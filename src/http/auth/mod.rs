//! Who calls over HTTP: the credential of a request becomes a [`Principal`] that travels with it.
//!
//! **Invariant:** behind this check a request either has a principal that was proven, or it is for one of the few open paths; the credential
//! itself goes no further, and no log, answer or error repeats it.

mod bearer;
mod jwt;
mod keys;
mod lasting;
mod metadata;
mod settings;
mod throttle;
mod tokens;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};

pub use metadata::Challenges;
pub use settings::{AuthSettings, JwtSettings};

use self::{
    bearer::{Credential, credential},
    jwt::{Jwt, Refused, Signed},
    metadata::Metadata,
    throttle::Throttle,
    tokens::{Digest, Found, Tokens},
};
use tokio::time::Instant;

use super::{Outside, Peer, Settings, StartError, refuse};
use crate::types::access::{Principal, Scope};

/// What needs no credential: it tells nothing but that the server is there.
const OPEN: &[&str] = &["/healthz"];
/// Where scopes are a matter of what is asked for inside. Everything else needs `read`.
const MCP: &[&str] = &["/mcp", "/mcp/", "/sse", "/messages"];

/// What a principal was proven by: as much of a credential as tells whether it is still good, and not the credential.
enum Proof {
    /// A token of the file.
    Listed(Digest),
    /// A token of an authorization server.
    Signed(Signed),
}

/// Checks credentials.
pub struct Auth {
    tokens: Option<Tokens>,
    jwt: Option<Jwt>,
    retry_seconds: u64,
    throttle: Throttle,
    metadata: Metadata,
}

impl Auth {
    /// By the configuration; none where it says nothing of credentials.
    ///
    /// # Errors
    /// A file of tokens that cannot be used.
    pub fn new(settings: &Settings, address: SocketAddr, Outside(ports): &Outside) -> Result<Option<Arc<Self>>, StartError> {
        let Some(auth) = &settings.auth else { return Ok(None) };
        let tokens = auth.tokens_file.as_ref().map(|path| Tokens::read(path, ports.clock.clone())).transpose()?;
        let jwt = auth.jwt.as_ref().map(|jwt| Jwt::new(jwt, ports));
        if let Some(jwt) = &jwt {
            jwt.prepare();
        }
        let retry_seconds = auth.jwt.as_ref().map_or(1, |jwt| jwt.retry_seconds);
        let (throttle, metadata) = (Throttle::new(auth.max_failures_per_minute), Metadata::new(settings, address));
        Ok(Some(Arc::new(Self { tokens, jwt, retry_seconds, throttle, metadata })))
    }

    async fn verify(&self, token: &str) -> Result<(Principal, Proof), Refused> {
        if let Some(tokens) = &self.tokens {
            // Texts of any length become digests of one.
            let digest = Digest::of(token);
            match tokens.find(&digest).await {
                Found::Good(principal) => return Ok((principal, Proof::Listed(digest))),
                Found::Expired => return Err(Refused::Invalid("the token has expired")),
                Found::Unknown => {}
            }
        }
        match &self.jwt {
            Some(jwt) if Jwt::is_one(token) => jwt.verify(token).await.map(|(principal, signed)| (principal, Proof::Signed(signed))),
            _ => Err(Refused::Invalid("the token is not known")),
        }
    }

    /// Ready a few seconds after this does not prove this principal any more: the token is gone, may something else, or has expired.
    async fn gone(self: Arc<Self>, principal: Principal, proof: Proof) {
        loop {
            tokio::time::sleep(lasting::AGAIN).await;
            let holds = match (&proof, &self.tokens, &self.jwt) {
                (Proof::Listed(digest), Some(tokens), _) => tokens.holds(digest, &principal).await,
                (Proof::Signed(signed), _, Some(jwt)) => jwt.holds(signed).await,
                _ => false,
            };
            if !holds {
                tracing::info!(principal = principal.name, "a stream was ended, since its credential is no longer good");
                return;
            }
        }
    }

    /// Refuses a wrong credential, and counts it.
    fn wrong(&self, peer: IpAddr, why: &'static str) -> Response<Body> {
        let verdict = self.throttle.failed(peer, Instant::now());
        if verdict.worth_telling {
            let more = if verdict.wait.is_some() { "; further ones of this minute are not told" } else { "" };
            tracing::warn!(%peer, why, "a wrong credential was refused{more}");
        }
        let Some(wait) = verdict.wait else { return self.metadata.challenges().unauthorized(Some(why)) };
        let seconds = wait.as_secs().max(1);
        let message = format!("too many wrong credentials came from this address; wait {seconds} s");
        retry_after(refuse(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", &message, "send a good credential; those are still taken"), seconds)
    }
}

/// Lets pass who has proven who they are, with that proof in the place of the credential.
pub(super) async fn check<B, F>(auth: &Arc<Auth>, mut request: Request<B>, next: impl FnOnce(Request<B>) -> F) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    let path = request.uri().path();
    if let Some(document) = auth.metadata.answer(request.method(), path) {
        return document;
    }
    let open = OPEN.contains(&path);
    let inside = MCP.contains(&path);
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let verified = match credential(request.headers()) {
        _ if open => None,
        // No failure: this is how clients find out that, and where, they get one.
        Credential::None => return auth.metadata.challenges().unauthorized(None),
        Credential::Malformed => return auth.wrong(peer, "the credential is no bearer token"),
        Credential::Token(token) => Some(auth.verify(token).await),
    };
    request.headers_mut().remove(header::AUTHORIZATION);
    match verified {
        None => next(request).await,
        Some(Ok((principal, proof))) if inside || principal.scopes.allow(&Scope::read()) => {
            request.extensions_mut().insert(auth.metadata.challenges());
            request.extensions_mut().insert(principal.clone());
            let listens = lasting::listens(&request);
            let response = next(request).await;
            if listens { lasting::until(auth.clone().gone(principal, proof), response) } else { response }
        }
        Some(Ok(_)) => auth.metadata.challenges().forbidden(&[Scope::read()]),
        Some(Err(Refused::Invalid(why))) => auth.wrong(peer, why),
        Some(Err(Refused::Unavailable)) => {
            let message = "the keys of the authorization server cannot be fetched, so the token cannot be checked";
            retry_after(refuse(StatusCode::SERVICE_UNAVAILABLE, "no_keys", message, "send it again later"), auth.retry_seconds)
        }
    }
}

fn retry_after(mut response: Response<Body>, seconds: u64) -> Response<Body> {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
