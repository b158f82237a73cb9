//! Tokens signed by keys of the test's own, against a server of keys that the test scripts.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;

use super::*;
use crate::ports::{
    fake::{FakeClock, FakeExec},
    http::{Http, HttpError, Request, Response},
};

/// Publishes what the test says and counts who asks.
#[derive(Default)]
struct Publisher {
    document: Mutex<Option<String>>,
    asked: AtomicUsize,
    /// How long an answer takes.
    delay: Mutex<Duration>,
}

#[async_trait]
impl Http for Publisher {
    async fn send(&self, _request: &Request) -> Result<Response, HttpError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let delay = *self.delay.lock().expect("no panic");
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let document = self.document.lock().expect("no panic").clone().ok_or(HttpError::Connect)?;
        Ok(Response { status: 200, headers: Vec::new(), body: document.into_bytes(), elapsed: Duration::ZERO })
    }
}

/// A key with its id.
struct Pair {
    id: String,
    algorithm: Algorithm,
    private: EncodingKey,
    /// Where the crate cannot tell it.
    public: Option<Value>,
}

impl Pair {
    fn ec(id: &str) -> Self {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(der.as_ref()), public: None }
    }

    fn ed(id: &str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let x = URL_SAFE_NO_PAD.encode(Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key").public_key());
        let public = Some(json!({"kty": "OKP", "crv": "Ed25519", "x": x}));
        Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, private: EncodingKey::from_ed_der(der.as_ref()), public }
    }

    fn public(&self) -> Value {
        let of_crate = || serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).expect("a public key")).expect("JSON");
        let mut jwk = self.public.clone().unwrap_or_else(of_crate);
        jwk["kid"] = json!(self.id);
        jwk
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.private).expect("signed")
    }
}

struct Ground {
    publisher: Arc<Publisher>,
    clock: Arc<FakeClock>,
    jwt: Jwt,
}

impl Ground {
    fn publishing(keys: &[Value]) -> Self {
        let settings = "jwks_url = \"https://id.example.com/keys\"\nissuer = \"https://id.example.com\"\naudience = \"https://ops.example.com/mcp\"\n\
                        algorithms = [\"ES256\", \"EdDSA\", \"RS256\"]\nrefresh_seconds = 600\nretry_seconds = 30\n";
        let publisher = Arc::new(Publisher::default());
        let clock = Arc::new(FakeClock::at("2026-11-24T12:00:00Z"));
        let ports = Ports { clock: clock.clone(), exec: Arc::new(FakeExec::default()), http: publisher.clone() };
        let ground = Self { jwt: Jwt::new(&toml::from_str(settings).expect("settings"), &ports), publisher, clock };
        ground.publish(keys);
        ground
    }

    fn publish(&self, keys: &[Value]) {
        *self.publisher.document.lock().expect("no panic") = Some(json!({ "keys": keys }).to_string());
    }

    fn fall_silent(&self) {
        *self.publisher.document.lock().expect("no panic") = None;
    }

    fn asked(&self) -> usize {
        self.publisher.asked.load(Ordering::Relaxed)
    }

    async fn verify(&self, token: &str) -> Result<Principal, Refused> {
        self.jwt.verify(token).await.map(|(principal, _)| principal)
    }

    async fn refuses(&self, token: &str) -> &'static str {
        match self.verify(token).await {
            Err(Refused::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn claims() -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": "https://id.example.com", "aud": "https://ops.example.com/mcp", "sub": "alice", "exp": now + 300, "nbf": now - 5,
        "scope": "openid read recover:restart_service recover:unheard_of",
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

#[tokio::test]
async fn a_good_token_of_each_kind_gives_its_subject_and_scopes() {
    let (ec, ed) = (Pair::ec("one"), Pair::ed("two"));
    let ground = Ground::publishing(&[json!({"kty": "unheard of"}), ec.public(), ed.public()]);
    for pair in [&ec, &ed] {
        let principal = ground.verify(&pair.sign(&claims())).await.expect("good");
        assert_eq!(principal.name, "jwt:alice");
        assert_eq!(principal.scopes, Scopes::from_iter([Scope::read(), Scope::recover("restart_service")]));
    }
    let list = ec.sign(&with("scope", json!(["read", 5, "recover:*"])));
    assert!(ground.verify(&list).await.expect("good").scopes.everything());
    for nothing in [json!(null), json!({"read": true}), json!("READ  admin"), json!("")] {
        let token = ec.sign(&with("scope", nothing.clone()));
        assert_eq!(ground.verify(&token).await.expect("good").scopes, Scopes::default(), "{nothing}");
    }
    let audiences = ec.sign(&with("aud", json!(["other", "https://ops.example.com/mcp"])));
    assert!(ground.verify(&audiences).await.is_ok());
    assert_eq!(ground.asked(), 1, "the keys are kept");
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let pair = Pair::ec("one");
    let ground = Ground::publishing(&[pair.public()]);
    let now = get_current_timestamp();
    for (key, value, why) in [
        ("aud", json!("https://other.example.com/mcp"), "another service"),
        ("aud", json!([]), "another service"),
        ("aud", json!(null), "lacks"),
        ("iss", json!("https://id.example.com/"), "another issuer"),
        ("iss", json!(["https://id.example.com"]), "not valid"),
        ("iss", json!(null), "not valid"),
        ("exp", json!(now - 31), "expired"),
        ("exp", json!(null), "lacks"),
        ("exp", json!("never"), "lacks"),
        ("nbf", json!(now + 60), "not hold yet"),
        ("nbf", json!("soon"), "not valid"),
        ("sub", json!(""), "subject"),
        ("sub", json!("a\nb"), "subject"),
        ("sub", json!("a".repeat(201)), "subject"),
        ("sub", json!(null), "not valid"),
    ] {
        let said = ground.refuses(&pair.sign(&with(key, value.clone()))).await;
        assert!(said.contains(why), "{key} {value}: {said}");
    }
    assert!(ground.verify(&pair.sign(&with("exp", json!(now - 20)))).await.is_ok(), "clocks differ a little");
}

#[tokio::test]
async fn wrong_heads_and_signatures_are_refused() {
    let (pair, other) = (Pair::ec("one"), Pair::ec("one"));
    let ground = Ground::publishing(&[pair.public()]);
    assert!(ground.refuses(&other.sign(&claims())).await.contains("signature"));
    let good = pair.sign(&claims());
    let (head, rest) = good.split_once('.').expect("parts");
    let (body, signature) = rest.split_once('.').expect("parts");
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let swapped = format!("{head}.{}.{signature}", encoded(with("sub", json!("root"))));
    assert!(ground.refuses(&swapped).await.contains("signature"));
    for none in ["none", "None", "NONE", "nOnE"] {
        let head = encoded(json!({"alg": none, "kid": "one"}));
        for token in [format!("{head}.{body}."), format!("{head}.{body}.{signature}")] {
            assert!(ground.refuses(&token).await.contains("cannot be read"), "{none}");
        }
    }
    // The public key as if it were a shared secret, in every form in which somebody could have taken it for one.
    let public = pair.public();
    let texts = [public.to_string(), public["x"].as_str().expect("text").to_owned()];
    let hmac = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    for secret in texts {
        let forged = encode(&hmac, &claims(), &EncodingKey::from_secret(secret.as_bytes())).expect("signed");
        assert!(ground.refuses(&forged).await.contains("algorithm"));
    }
    let header = |change: fn(&mut Header)| {
        let mut header = pair.header();
        change(&mut header);
        encode(&header, &claims(), &pair.private).expect("signed")
    };
    assert!(ground.refuses(&header(|h| h.kid = None)).await.contains("which key"));
    assert!(ground.refuses(&header(|h| h.crit = Some(vec!["exp".to_owned()]))).await.contains("does not know"));
    for broken in ["ey..", "ey.ey.ey", &format!("{head}.{body}"), &format!("{good}.")] {
        ground.refuses(broken).await;
    }
}

#[tokio::test]
async fn a_key_is_used_for_what_it_is_for_only() {
    let pair = Pair::ec("one");
    let published = |key: &str, value: Value| {
        let mut jwk = pair.public();
        jwk[key] = value;
        jwk
    };
    let secret = json!({"kty": "oct", "kid": "one", "k": URL_SAFE_NO_PAD.encode("a secret that is none")});
    let weak = json!({"kty": "RSA", "kid": "one", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB"});
    for useless in
        [published("use", json!("enc")), published("key_ops", json!(["sign"])), published("alg", json!("ES384")), published("kid", json!("two")), secret, weak]
    {
        let ground = Ground::publishing(std::slice::from_ref(&useless));
        assert!(ground.refuses(&pair.sign(&claims())).await.contains("not known"), "{useless}");
    }
    for fine in [published("use", json!("sig")), published("key_ops", json!(["verify"])), published("alg", json!("ES256"))] {
        assert!(Ground::publishing(std::slice::from_ref(&fine)).verify(&pair.sign(&claims())).await.is_ok(), "{fine}");
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_and_strangers_cannot_make_the_server_ask_often() {
    let (old, new) = (Pair::ec("one"), Pair::ec("two"));
    let ground = Ground::publishing(&[old.public()]);
    assert!(ground.verify(&old.sign(&claims())).await.is_ok());
    ground.publish(&[new.public()]);
    for n in 0..50 {
        let stranger = Pair::ec(&format!("stranger {n}"));
        assert!(ground.refuses(&stranger.sign(&claims())).await.contains("not known"));
    }
    assert_eq!(ground.asked(), 1, "asked a moment ago");
    ground.clock.advance_seconds(30);
    assert!(ground.verify(&new.sign(&claims())).await.is_ok());
    assert!(ground.refuses(&old.sign(&claims())).await.contains("not known"), "it is published no more");
    assert_eq!(ground.asked(), 2);
}

#[tokio::test]
async fn a_token_holds_until_it_expires_or_its_key_is_withdrawn() {
    let (pair, new) = (Pair::ec("one"), Pair::ec("two"));
    let ground = Ground::publishing(&[pair.public()]);
    let signed = async |expires: Value| ground.jwt.verify(&pair.sign(&with("exp", expires))).await.expect("good").1;
    let now = get_current_timestamp();
    #[expect(clippy::cast_precision_loss, reason = "exact for as long as there are clocks")]
    let half_past = now as f64 - 29.5;
    let (long, short) = (signed(json!(now + 300)).await, signed(json!(half_past)).await);
    assert!(ground.jwt.holds(&long).await && ground.jwt.holds(&short).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ground.jwt.holds(&long).await && !ground.jwt.holds(&short).await, "clocks differ a little, and no more");
    ground.fall_silent();
    ground.clock.advance_seconds(86_500);
    assert!(ground.jwt.holds(&long).await, "nothing says that the key was withdrawn");
    ground.publish(&[new.public()]);
    ground.clock.advance_seconds(30);
    assert!(!ground.jwt.holds(&long).await, "it is published no more");
}

#[tokio::test]
async fn kept_keys_outlive_a_silent_server_for_a_day_and_without_keys_nothing_is_told() {
    let pair = Pair::ec("one");
    let ground = Ground::publishing(&[pair.public()]);
    ground.fall_silent();
    assert_eq!(ground.verify(&pair.sign(&claims())).await, Err(Refused::Unavailable));
    assert_eq!(ground.verify(&pair.sign(&claims())).await, Err(Refused::Unavailable));
    assert_eq!(ground.asked(), 1);
    ground.publish(&[pair.public()]);
    ground.clock.advance_seconds(30);
    assert!(ground.verify(&pair.sign(&claims())).await.is_ok());
    ground.fall_silent();
    ground.clock.advance_seconds(86_000);
    assert!(ground.verify(&pair.sign(&claims())).await.is_ok(), "used while they are renewed");
    tokio::task::yield_now().await;
    assert_eq!(ground.asked(), 3, "in the background");
    ground.clock.advance_seconds(400);
    assert_eq!(ground.verify(&pair.sign(&claims())).await, Err(Refused::Unavailable));
}

#[tokio::test]
async fn who_hangs_up_while_keys_are_fetched_takes_them_from_nobody() {
    let pair = Pair::ec("one");
    let ground = Ground::publishing(&[pair.public()]);
    *ground.publisher.delay.lock().expect("no panic") = Duration::from_millis(200);
    let token = pair.sign(&claims());
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(10), ground.verify(&token)).await.is_err(), "it is not there yet");
    }
    assert!(ground.verify(&token).await.is_ok());
    assert_eq!(ground.asked(), 1, "one for all");
}

#[tokio::test]
async fn the_time_to_the_next_look_counts_from_the_end_of_the_last() {
    let pair = Pair::ec("one");
    let ground = Ground::publishing(&[]);
    ground.jwt.prepare();
    assert!(ground.refuses(&pair.sign(&claims())).await.contains("not known"));
    assert_eq!(ground.asked(), 1, "waits for what was begun");
    ground.publish(&[pair.public()]);
    ground.clock.advance_seconds(29);
    assert!(ground.refuses(&pair.sign(&claims())).await.contains("not known"));
    ground.clock.advance_seconds(1);
    assert!(ground.verify(&pair.sign(&claims())).await.is_ok());
}
