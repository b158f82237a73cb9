//! The keys that an authorization server publishes: fetched when they are needed, kept, and fetched anew for a key that is not known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::JwtSettings;
use crate::ports::{
    Ports,
    http::{HttpUrl, Request},
};

/// The largest document.
const MAX_BYTES: usize = 256 * 1_024;
/// The most keys that are taken from it.
const MAX_KEYS: usize = 100;
/// How long fetching may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Keys that could not be fetched anew for so long are not believed any more.
const TOO_OLD: Duration = Duration::from_secs(86_400);
/// Shorter RSA keys can be broken.
const LEAST_RSA_BITS: usize = 2_048;

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// One key.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    /// The one algorithm that it is for, where that is said.
    algorithm: Option<String>,
}

impl Key {
    /// Whether a signature by this algorithm may be verified with it.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == family(algorithm) && self.algorithm.as_ref().is_none_or(|named| *named == format!("{algorithm:?}"))
    }
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

/// Keys by their ids, as they were at a moment.
struct Set {
    keys: HashMap<String, Vec<Arc<Key>>>,
    /// By the clock that nobody can set.
    at: Duration,
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The server does not publish it.
    Unknown,
    /// The server could not be asked.
    Unavailable,
}

/// The keys of one server.
pub(super) struct Keys {
    ports: Ports,
    url: HttpUrl,
    refresh: Duration,
    retry: Duration,
    set: RwLock<Option<Arc<Set>>>,
    asking: Mutex<Asking>,
}

/// How asking for the keys goes. One does, in a task of its own that no caller can break off, and all who need keys wait for it.
#[derive(Default)]
struct Asking {
    /// When it was last done, by the clock that nobody can set.
    ended: Option<Duration>,
    /// Fires when that which was begun last is over, whatever came of it.
    over: Option<CancellationToken>,
}

impl Keys {
    pub(super) fn new(settings: &JwtSettings, ports: &Ports) -> Arc<Self> {
        Arc::new(Self {
            ports: ports.clone(),
            url: settings.jwks_url.clone(),
            refresh: Duration::from_secs(settings.refresh_seconds),
            retry: Duration::from_secs(settings.retry_seconds),
            set: RwLock::default(),
            asking: Mutex::default(),
        })
    }

    /// The key of this id, for this algorithm.
    pub(super) async fn find(self: &Arc<Self>, id: &str, algorithm: Algorithm) -> Result<Arc<Key>, NoKey> {
        match self.known(id, algorithm) {
            Some((key, age)) if age < self.refresh => return Ok(key),
            // Nobody waits for what is only to be renewed.
            Some((key, age)) if age < TOO_OLD => {
                self.ask();
                return Ok(key);
            }
            _ => {
                if let Some(over) = self.ask() {
                    over.cancelled().await;
                }
            }
        }
        match self.known(id, algorithm) {
            Some((key, age)) if age < TOO_OLD => Ok(key),
            _ if self.set().is_some_and(|set| self.now().saturating_sub(set.at) < TOO_OLD) => Err(NoKey::Unknown),
            _ => Err(NoKey::Unavailable),
        }
    }

    /// Since boot.
    fn now(&self) -> Duration {
        Duration::from_millis(self.ports.clock.moment().uptime_ms.try_into().unwrap_or_default())
    }

    fn set(&self) -> Option<Arc<Set>> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self, id: &str, algorithm: Algorithm) -> Option<(Arc<Key>, Duration)> {
        let set = self.set()?;
        let key = set.keys.get(id)?.iter().find(|key| key.is_for(algorithm))?;
        Some((key.clone(), self.now().saturating_sub(set.at)))
    }

    /// Asks for the keys, unless that was done a moment ago: whoever sends tokens must not make this server ask as often. Gives what fires when it is
    /// over.
    pub(super) fn ask(self: &Arc<Self>) -> Option<CancellationToken> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(over) = asking.over.as_ref().filter(|over| !over.is_cancelled()) {
            return Some(over.clone());
        }
        if asking.ended.is_some_and(|at| self.now().saturating_sub(at) < self.retry) {
            return None;
        }
        let (keys, over) = (self.clone(), CancellationToken::new());
        asking.over = Some(over.clone());
        let guard = over.clone().drop_guard();
        tokio::spawn(async move {
            let _guard = guard;
            keys.renew().await;
            keys.asking.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(keys.now());
        });
        Some(over)
    }

    async fn renew(&self) {
        match self.fetch().await {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::warn!(server = self.url.server(), "the authorization server publishes no key that can be used");
                }
                *self.set.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(Set { keys, at: self.now() }));
            }
            Err(why) => tracing::warn!(server = self.url.server(), why, "the keys of the authorization server could not be fetched"),
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Vec<Arc<Key>>>, String> {
        let answer = self.ports.http.send(&Request::get(self.url.expose(), TIMEOUT, MAX_BYTES)).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let document: Document = serde_json::from_slice(&answer.body).map_err(|_| "the answer is no JSON object with a list of keys")?;
        let mut keys: HashMap<String, Vec<Arc<Key>>> = HashMap::new();
        // One that cannot be used does not spoil the others.
        for (id, key) in document.keys.into_iter().take(MAX_KEYS).filter_map(usable) {
            keys.entry(id).or_default().push(Arc::new(key));
        }
        Ok(keys)
    }
}

/// A public key that may verify signatures, with its id.
fn usable(value: serde_json::Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let id = common.key_id.clone().filter(|id| !id.is_empty())?;
    let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let strong = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => URL_SAFE_NO_PAD.decode(&rsa.n).is_ok_and(|n| bits(&n) >= LEAST_RSA_BITS),
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => true,
        // A shared secret is none that may be published.
        AlgorithmParameters::OctetKey(_) => false,
    };
    let decoding = (signs && verifies && strong).then(|| DecodingKey::from_jwk(&jwk).ok())??;
    Some((id, Key { decoding, algorithm: common.key_algorithm.map(|algorithm| algorithm.to_string()) }))
}

fn bits(number: &[u8]) -> usize {
    let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
