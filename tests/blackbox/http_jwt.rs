//! Signed tokens of an authorization server of the test's own.

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

use super::http_auth::Front;
use crate::support::{
    listening::{Listening, still_open},
    served::{Served, SseClient},
    skip::need,
    tls::openssl,
    tokens::bearer,
    wait_for,
    web::Web,
};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://ops.example.com/mcp";

/// A key of the authorization server.
struct Key {
    id: String,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    fn ec(id: &str) -> Self {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(der.as_ref()) }
    }

    /// An error where this machine has no `openssl`.
    fn rsa(id: &str, folder: &Path) -> Result<Self, String> {
        openssl(folder, &["genrsa", "-out", "rsa.pem", "2048"])?;
        openssl(folder, &["rsa", "-in", "rsa.pem", "-traditional", "-outform", "DER", "-out", "rsa.der"])?;
        openssl(folder, &["rsa", "-in", "rsa.pem", "-pubout", "-out", "rsa.pub"])?;
        Ok(Self { id: id.to_owned(), algorithm: Algorithm::RS256, private: EncodingKey::from_rsa_der(&fs::read(folder.join("rsa.der")).unwrap()) })
    }

    fn public(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }, claims, &self.private).unwrap()
    }
}

fn claims(scope: &str) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": get_current_timestamp() + 300, "scope": scope})
}

/// The server under test beside an authorization server that publishes what it is told.
struct Ground {
    front: Front,
    published: Arc<Mutex<Option<String>>>,
    server: Web,
}

impl Ground {
    fn publishing(keys: &[Value]) -> Self {
        let published: Arc<Mutex<Option<String>>> = Arc::default();
        let inside = published.clone();
        let server = Web::answering(move || inside.lock().unwrap().clone().map_or((500, String::new()), |keys| (200, keys)));
        let front = Front::new(&format!(
            "[http.auth]\ntokens_file = \"{{dir}}/tokens.toml\"\nmax_failures_per_minute = 1000\nresource = \"{AUDIENCE}\"\n[http.auth.jwt]\njwks_url = \"{}\"\n\
             issuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nalgorithms = [\"ES256\", \"RS256\"]\nretry_seconds = 1\n",
            server.url()
        ));
        let ground = Self { front, published, server };
        ground.publish(Some(keys));
        ground
    }

    fn publish(&self, keys: Option<&[Value]>) {
        *self.published.lock().unwrap() = keys.map(|keys| json!({ "keys": keys }).to_string());
    }

    fn serve(&self) -> Served {
        Served::start(&self.front.sandbox, &[])
    }
}

fn status(served: &Served, token: &str) -> u16 {
    served.modern(&[("Authorization", &format!("Bearer {token}"))], "tools/list", json!({})).status
}

#[test]
fn a_signed_token_may_what_its_scopes_say_on_every_transport() {
    let key = Key::ec("one");
    let ground = Ground::publishing(&[key.public()]);
    let served = ground.serve();
    let authorization = format!("Bearer {}", key.sign(&claims("openid read recover:rollback")));
    let headers = [("Authorization", authorization.as_str())];
    let params = json!({"name": "trigger_recovery", "arguments": {"issue_type": "service_unavailable", "target": "shop", "reason": "rehearsal"}});
    let mut sse = SseClient::open(&served, &headers);
    let refusals = [
        served.modern(&headers, "tools/call", params.clone()),
        served.session(&headers).request("tools/call", params.clone()),
        sse.post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params})),
    ];
    for reply in refusals {
        assert!(reply.status == 403 && reply.header("www-authenticate").unwrap().contains("scope=\"recover:restart_service\""), "{reply:?}");
    }
    assert!(sse.call("get_recovery", &json!({"target": "shop"})).is_object());
    assert!(ground.front.backend.received().is_empty(), "{:?}", ground.front.backend.received());
    let audit = ground.front.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).stdout;
    assert!(audit.contains("jwt:alice"), "{audit}");
    let metadata = served.request("GET", "/.well-known/oauth-protected-resource/mcp", &[], "");
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    assert_eq!(metadata["authorization_servers"], json!([ISSUER]));
    assert_eq!(ground.server.requests(), 1, "the keys are kept");
    assert_eq!(served.modern(&[("Authorization", &bearer("reader"))], "tools/list", json!({})).status, 200, "static tokens go on");
}

#[test]
fn a_token_that_is_wrong_in_any_way_is_refused() {
    let (key, other) = (Key::ec("one"), Key::ec("one"));
    let ground = Ground::publishing(&[key.public()]);
    let rsa = need!(Key::rsa("two", ground.front.sandbox.dir()));
    ground.publish(Some(&[key.public(), rsa.public()]));
    let served = ground.serve();
    let good = claims("read");
    assert_eq!((status(&served, &key.sign(&good)), status(&served, &rsa.sign(&good))), (200, 200));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let now = get_current_timestamp();
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": "one"}).to_string());
    let body = URL_SAFE_NO_PAD.encode(good.to_string());
    let forged =
        |secret: &[u8]| encode(&Header { kid: Some("two".to_owned()), ..Header::new(Algorithm::HS256) }, &good, &EncodingKey::from_secret(secret)).unwrap();
    let unlisted = encode(&Header { kid: Some("two".to_owned()), ..Header::new(Algorithm::PS256) }, &good, &rsa.private).unwrap();
    let without_id = encode(&Header::new(Algorithm::ES256), &good, &key.private).unwrap();
    for (what, token) in [
        ("another signer", other.sign(&good)),
        ("audience", with("aud", json!("https://other.example.com"))),
        ("issuer", with("iss", json!("https://id.example.com.evil.example"))),
        ("expired", with("exp", json!(now - 60))),
        ("no expiry", with("exp", json!(null))),
        ("not yet", with("nbf", json!(now + 120))),
        ("no signature", format!("{none}.{body}.")),
        ("the public key as a secret, PEM", forged(&fs::read(ground.front.sandbox.path("rsa.pub")).unwrap())),
        ("the public key as a secret, JWK", forged(rsa.public().to_string().as_bytes())),
        ("an algorithm that is not listed", unlisted),
        ("no key id", without_id),
        ("an unknown key", Key { id: "three".to_owned(), ..Key::ec("x") }.sign(&good)),
        ("another key's id", Key { id: "two".to_owned(), ..Key::ec("x") }.sign(&good)),
        ("no token", "ey.ey.ey".to_owned()),
    ] {
        assert_eq!(status(&served, &token), 401, "{what}");
    }
}

#[test]
fn who_hangs_up_while_the_keys_are_fetched_shuts_nobody_out() {
    let key = Key::ec("one");
    let ground = Ground::publishing(&[key.public()]);
    let published = ground.published.clone();
    let served = ground.serve();
    assert!(wait_for(Duration::from_secs(5), || ground.server.requests() == 1), "they are fetched before anybody calls");
    // From here on, keys come late; the first caller does not wait for them.
    let new = Key::ec("new");
    ground.publish(Some(&[new.public()]));
    thread::sleep(Duration::from_millis(1_200));
    let authorization = format!("Bearer {}", new.sign(&claims("read")));
    let held = published.lock().unwrap();
    let mut stream = served.connect();
    stream.write_all(served.head("GET", "/nowhere", &[("Authorization", &authorization)], 0).as_bytes()).unwrap();
    assert!(wait_for(Duration::from_secs(5), || ground.server.requests() == 2), "nothing is fetched");
    drop(stream);
    thread::sleep(Duration::from_millis(300));
    drop(held);
    assert_eq!(status(&served, &new.sign(&claims("read"))), 200);
    assert_eq!(ground.server.requests(), 2);
}

#[test]
fn streams_that_listen_end_soon_after_their_token_does() {
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    let ground = Ground::publishing(&[old.public(), new.public()]);
    let served = ground.serve();
    let open = |key: &Key, claims: &Value| {
        let authorization = format!("Bearer {}", key.sign(claims));
        Listening::all(&served, &served.session(&[("Authorization", &authorization)]), &authorization)
    };
    let mut expiring = claims("read");
    // So that it counts as good for four seconds: clocks may differ by thirty.
    expiring["exp"] = json!(get_current_timestamp() - 26);
    let expire = open(&new, &expiring);
    let (withdrawn, stay) = (open(&old, &claims("read")), open(&new, &claims("read")));
    assert!(expire.iter().all(Listening::is_open), "it ended before its time");
    assert_eq!(still_open(&expire, Duration::from_secs(9)), [""; 0]);
    assert!(withdrawn.iter().chain(&stay).all(Listening::is_open), "the others are good");
    ground.publish(Some(&[new.public()]));
    status(&served, &Key::ec("stranger").sign(&claims("read")));
    assert_eq!(still_open(&withdrawn, Duration::from_secs(4)), [""; 0], "the key is published no more");
    assert_eq!(still_open(&stay, Duration::ZERO), stay.iter().map(|stream| stream.what).collect::<Vec<_>>());
}

#[test]
fn keys_are_rotated_and_without_any_nothing_is_told() {
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    let ground = Ground::publishing(&[]);
    ground.publish(None);
    let served = ground.serve();
    let good = claims("read");
    let reply = served.modern(&[("Authorization", &format!("Bearer {}", old.sign(&good)))], "tools/list", json!({}));
    assert!(reply.status == 503 && reply.header("retry-after") == Some("1"), "{reply:?}");
    assert_eq!(served.modern(&[("Authorization", &bearer("reader"))], "tools/list", json!({})).status, 200);
    ground.publish(Some(&[old.public()]));
    thread::sleep(Duration::from_millis(1_050));
    assert_eq!((status(&served, &old.sign(&good)), status(&served, &new.sign(&good))), (200, 401));
    ground.publish(Some(&[new.public()]));
    let asked = ground.server.requests();
    for _ in 0..20 {
        status(&served, &Key::ec("stranger").sign(&good));
    }
    assert!(ground.server.requests() <= asked + 2, "strangers make the server ask {} times", ground.server.requests() - asked);
    thread::sleep(Duration::from_millis(1_050));
    assert_eq!((status(&served, &new.sign(&good)), status(&served, &old.sign(&good))), (200, 401));
    ground.publish(None);
    assert_eq!(status(&served, &new.sign(&good)), 200, "kept while the other side is silent");
}
