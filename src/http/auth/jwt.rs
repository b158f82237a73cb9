//! Signed tokens of an authorization server.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    JwtSettings,
    keys::{Keys, NoKey},
};
use crate::{
    ports::Ports,
    recovery::Action,
    types::{
        access::{Principal, Scope, Scopes},
        sanitise::sanitise_line,
    },
};

/// Clocks may differ by so much, seconds.
const LEEWAY: u64 = 30;
/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 200;

/// What is read of a token beside what the crate checks.
#[derive(Deserialize)]
struct Claims {
    /// The crate would also take a list.
    iss: String,
    sub: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Why a token is not good. The texts are ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not.
    Invalid(&'static str),
    /// That cannot be told, for want of keys.
    Unavailable,
}

/// As much of a verified token as tells whether it is still good.
#[derive(Debug, PartialEq)]
pub(super) struct Signed {
    key: String,
    algorithm: Algorithm,
    /// Seconds since 1970, as the claim says it.
    expires: f64,
}

/// Verifies tokens.
pub(super) struct Jwt {
    algorithms: Vec<Algorithm>,
    issuer: String,
    validation: Validation,
    scope_claim: String,
    keys: Arc<Keys>,
}

impl Jwt {
    pub(super) fn new(settings: &JwtSettings, ports: &Ports) -> Self {
        let algorithms = settings.parsed_algorithms();
        let mut validation = Validation::default();
        validation.algorithms.clone_from(&algorithms);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[&settings.audience]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self { algorithms, issuer: settings.issuer.clone(), validation, scope_claim: settings.scope_claim.clone(), keys: Keys::new(settings, ports) }
    }

    /// Asks for the keys, so that they are there before the first token is.
    pub(super) fn prepare(&self) {
        self.keys.ask();
    }

    /// Whether a token looks like one of these: three parts, of which the first begins like a JSON object.
    pub(super) fn is_one(token: &str) -> bool {
        token.starts_with("ey") && token.matches('.').count() == 2
    }

    /// Who the token speaks of, and how to tell later whether it is still good.
    pub(super) async fn verify(&self, token: &str) -> Result<(Principal, Signed), Refused> {
        let header = decode_header(token).map_err(|_| Refused::Invalid("the token cannot be read"))?;
        // Before anything is fetched for it.
        if !self.algorithms.contains(&header.alg) {
            return Err(Refused::Invalid("the token is signed by an algorithm that is not accepted"));
        }
        // What must be understood and is not makes a token invalid (RFC 7515); here nothing beyond the standard is.
        if header.crit.is_some() {
            return Err(Refused::Invalid("the token asks for what this server does not know"));
        }
        let id = header.kid.ok_or(Refused::Invalid("the token does not say which key signed it"))?;
        let key = self.keys.find(&id, header.alg).await.map_err(|none| match none {
            NoKey::Unknown => Refused::Invalid("the token is signed by a key that is not known"),
            NoKey::Unavailable => Refused::Unavailable,
        })?;
        // Only the algorithm that its header names and the key is for.
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Claims>(token, &key.decoding, &validation).map_err(|error| Refused::Invalid(in_words(error.kind())))?.claims;
        if claims.iss != self.issuer {
            return Err(Refused::Invalid("the token is of another issuer"));
        }
        let subject_fits = !claims.sub.is_empty() && claims.sub.len() <= MAX_SUBJECT && sanitise_line(&claims.sub) == claims.sub;
        if !subject_fits {
            return Err(Refused::Invalid("the token's subject cannot be used"));
        }
        // It is there, or the token would not have been taken for good.
        let expires = claims.rest.get("exp").and_then(Value::as_f64).ok_or(Refused::Invalid("the token is not valid"))?;
        // The prefix keeps it apart from the names of static tokens.
        let principal = Principal { name: format!("jwt:{}", claims.sub), scopes: scopes(claims.rest.get(&self.scope_claim)) };
        Ok((principal, Signed { key: id, algorithm: header.alg, expires }))
    }

    /// Whether a token that was good still is: it has not expired, by the clock that it was verified by, and its key was not withdrawn.
    pub(super) async fn holds(&self, signed: &Signed) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "exact for as long as there are clocks")]
        let expired = signed.expires < jsonwebtoken::get_current_timestamp().saturating_sub(LEEWAY) as f64;
        // Where the keys cannot be fetched, nothing says that this one was withdrawn.
        !expired && !matches!(self.keys.find(&signed.key, signed.algorithm).await, Err(NoKey::Unknown))
    }
}

/// The scopes of a claim; those of other services are none of ours.
fn scopes(claim: Option<&Value>) -> Scopes {
    let actions = Action::ALL.map(Action::name);
    let texts: Vec<&str> = match claim {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().filter_map(|text| Scope::parse(text, &actions).ok()).collect()
}

fn in_words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token does not hold yet",
        ErrorKind::InvalidAudience => "the token is for another service",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, aud, iss, sub",
        _ => "the token is not valid",
    }
}

#[cfg(test)]
mod tests;
