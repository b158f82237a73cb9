//! Static bearer tokens from a file, read again when it changes. Only their digests stand there: what can be read with the file, in a backup or on a
//! screen, opens nothing, and no token has to be kept out of answers that came after this process began.
//!
//! A file that cannot be understood changes nothing: the tokens before it stay good, and the log says so. A file that is gone holds no token: taking
//! it away is how a person shuts everybody out at once. Files are best replaced by renaming a finished one over them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::{
    http::{
        StartError,
        files::{self, Stamp},
    },
    ports::Clock,
    recovery::Action,
    types::access::{Principal, Scope, TokenName},
};

/// How often the file is looked at, at the most; a token that is not known is a reason to look at once.
const LOOK: Duration = Duration::from_secs(1);
/// More are not compared within reason: each request is held against all.
const MOST: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: Option<String>,
    /// Refused, whatever it is.
    token: Option<IgnoredAny>,
    scopes: Vec<String>,
    expires: Option<toml::Value>,
}

/// The SHA-256 of a token: texts of any length become digests of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        Self(<Sha256 as sha2::Digest>::digest(token).into())
    }
}

/// A token that is good until it expires.
struct Token {
    digest: Digest,
    principal: Principal,
    expires: Option<Timestamp>,
}

struct State {
    tokens: Arc<[Token]>,
    /// What the file was like when it was last read, whatever came of it; none if it was not there.
    seen: Option<Stamp>,
    looked: Instant,
}

/// The tokens of a file.
pub(super) struct Tokens {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// Whether a token is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Good(Principal),
    Expired,
    Unknown,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (tokens, stamp) = load(path).map_err(|why| StartError::Tokens { path: path.to_owned(), why })?;
        if tokens.is_empty() {
            tracing::warn!(path = %path.display(), "the file of tokens holds none");
        }
        let state = State { tokens, seen: Some(stamp), looked: Instant::now() };
        Ok(Self { path: path.to_owned(), clock, state: Mutex::new(state) })
    }

    /// Whose token this is.
    pub(super) async fn find(&self, presented: &Digest) -> Found {
        self.look(LOOK).await;
        match self.compare(presented) {
            Found::Unknown => {
                self.look(Duration::ZERO).await;
                self.compare(presented)
            }
            found => found,
        }
    }

    /// Whether a token that was good is still this principal's, with the same scopes.
    pub(super) async fn holds(&self, known: &Digest, principal: &Principal) -> bool {
        self.look(LOOK).await;
        let tokens = self.state().tokens.clone();
        // Whoever holds it has it already: there is nothing left to guess.
        tokens.iter().any(|token| token.digest == *known && token.principal == *principal && !self.has_expired(token))
    }

    fn has_expired(&self, token: &Token) -> bool {
        token.expires.is_some_and(|expires| expires <= self.clock.now())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compare(&self, presented: &Digest) -> Found {
        let tokens = self.state().tokens.clone();
        let mut found = None;
        // Whole, and with all of them: time tells nothing of what is right.
        for token in tokens.iter() {
            if bool::from(token.digest.0.ct_eq(&presented.0)) {
                found = Some(token);
            }
        }
        match found {
            Some(token) if self.has_expired(token) => Found::Expired,
            Some(token) => Found::Good(token.principal.clone()),
            None => Found::Unknown,
        }
    }

    /// Looks whether the file changed, unless somebody did so within `pause`.
    async fn look(&self, pause: Duration) {
        let seen = {
            let mut state = self.state();
            if state.looked.elapsed() < pause {
                return;
            }
            state.looked = Instant::now();
            state.seen
        };
        let path = self.path.clone();
        // A file system may hang; a thread that answers others must not.
        let changed = tokio::task::spawn_blocking(move || match Stamp::of(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => seen.is_some().then_some(Err(None)),
            stamp if stamp.as_ref().ok() == seen.as_ref() => None,
            stamp => Some(load(&path).map_err(|why| Some((why, stamp.ok())))),
        });
        match changed.await {
            Ok(Some(Ok((tokens, stamp)))) => {
                tracing::info!(path = %self.path.display(), tokens = tokens.len(), "the file of tokens was read again");
                (self.state().tokens, self.state().seen) = (tokens, Some(stamp));
            }
            Ok(Some(Err(Some((why, stamp))))) => {
                tracing::error!(path = %self.path.display(), why, "the new file of tokens is not used; those before stay good");
                self.state().seen = stamp;
            }
            Ok(Some(Err(None))) => {
                tracing::error!(path = %self.path.display(), "the file of tokens is gone; no token is good until it is back");
                (self.state().tokens, self.state().seen) = (Arc::default(), None);
            }
            Ok(None) | Err(_) => {}
        }
    }
}

fn load(path: &Path) -> Result<(Arc<[Token]>, Stamp), String> {
    let content = files::read(path)?;
    // Whoever can write it can give himself any scope.
    if content.mode & 0o002 != 0 {
        return Err(format!("everybody may write it; run: chmod o-w {}", path.display()));
    }
    // The parser's own message may repeat a value.
    let file: File = toml::from_str(&content.text).map_err(|error| {
        let line = error.span().map_or(1, |span| content.text[..content.text.floor_char_boundary(span.start)].matches('\n').count() + 1);
        format!("line {line}: not valid; a [[token]] has name, sha256, scopes, and if you like expires, and no other key")
    })?;
    if file.token.len() > MOST {
        return Err(format!("it has more than {MOST} tokens"));
    }
    let mut digests = BTreeSet::new();
    let mut tokens = Vec::with_capacity(file.token.len());
    for (at, entry) in file.token.into_iter().enumerate() {
        let token = parse(entry).map_err(|why| format!("token {}: {why}", at + 1))?;
        if !digests.insert(token.digest) {
            return Err(format!("token {}: the same token stands there twice", at + 1));
        }
        tokens.push(token);
    }
    Ok((tokens.into(), content.stamp))
}

fn parse(entry: Entry) -> Result<Token, String> {
    let name: TokenName = entry.name.parse().map_err(|why| format!("name: {why}"))?;
    if entry.token.is_some() {
        return Err("a token itself does not belong into the file; write sha256, as `opsmedic token NAME` prints it".to_owned());
    }
    let digest = entry.sha256.as_deref().and_then(unhex).ok_or("sha256: write 64 hex digits, as `opsmedic token NAME` prints them")?;
    let actions = Action::ALL.map(Action::name);
    let scopes = entry.scopes.iter().map(|text| Scope::parse(text, &actions)).collect::<Result<_, _>>().map_err(|why| format!("scopes: {why}"))?;
    let expires = entry.expires.map(|value| match value {
        toml::Value::Datetime(moment) => moment.to_string().parse::<Timestamp>().ok(),
        toml::Value::String(text) => text.parse().ok(),
        _ => None,
    });
    if expires == Some(None) {
        return Err("expires: write it as 2027-01-31T00:00:00Z".to_owned());
    }
    // The prefix keeps it apart from the subjects of an authorization server. It is not `token:`, behind which redaction would take the name for one.
    Ok(Token { digest: Digest(digest), principal: Principal { name: format!("client:{name}"), scopes }, expires: expires.flatten() })
}

fn unhex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::ports::fake::FakeClock;

    const ALICE: &str = "alice-token-0123456789abcdef";
    const BOB: &str = "bob-token-0123456789abcdef";

    struct Ground {
        folder: tempfile::TempDir,
        clock: Arc<FakeClock>,
    }

    impl Ground {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("a folder"), clock: Arc::new(FakeClock::at("2026-11-24T12:00:00Z")) }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("tokens.toml")
        }

        /// As it should be done: a finished file is renamed.
        fn write(&self, text: &str, mode: u32) {
            let next = self.folder.path().join("next");
            fs::write(&next, text).expect("written");
            fs::set_permissions(&next, fs::Permissions::from_mode(mode)).expect("set");
            fs::rename(next, self.path()).expect("renamed");
        }

        fn read(&self) -> Result<Tokens, String> {
            Tokens::read(&self.path(), self.clock.clone()).map_err(|error| error.to_string())
        }
    }

    fn hex(token: &str) -> String {
        Digest::of(token).0.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn entry(name: &str, token: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"read\"]\n", hex(token))
    }

    async fn name(tokens: &Tokens, token: &str) -> Option<String> {
        match tokens.find(&Digest::of(token)).await {
            Found::Good(principal) => Some(principal.name),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_token_is_found_by_its_digest_with_its_scopes() {
        let ground = Ground::new();
        let bob = entry("bob", BOB).replace("[\"read\"]", "[\"read\", \"recover:restart_service\"]");
        ground.write(&(entry("alice", ALICE) + &bob), 0o640);
        let tokens = ground.read().expect("good");
        let Found::Good(bob) = tokens.find(&Digest::of(BOB)).await else { panic!("not found") };
        assert!(bob.name == "client:bob" && bob.scopes.allow(&Scope::recover("restart_service")) && !bob.scopes.allow(&Scope::recover("failover")));
        assert_eq!(name(&tokens, ALICE).await.as_deref(), Some("client:alice"));
        for wrong in [&ALICE[1..], &hex(ALICE), "", "x", &format!("{ALICE}=")] {
            assert_eq!(tokens.find(&Digest::of(wrong)).await, Found::Unknown, "{wrong}");
        }
    }

    #[tokio::test]
    async fn tokens_expire() {
        let ground = Ground::new();
        for expires in ["2026-11-24T13:00:00Z", "\"2026-11-24T13:00:00Z\"", "2026-11-24T14:00:00+01:00"] {
            ground.write(&(entry("alice", ALICE) + &format!("expires = {expires}\n")), 0o644);
            ground.clock.advance_seconds(0);
            let tokens = Tokens::read(&ground.path(), Arc::new(FakeClock::at("2026-11-24T12:59:59Z"))).expect("good");
            assert!(name(&tokens, ALICE).await.is_some(), "{expires}");
            let tokens = Tokens::read(&ground.path(), Arc::new(FakeClock::at("2026-11-24T13:00:00Z"))).expect("good");
            assert_eq!(tokens.find(&Digest::of(ALICE)).await, Found::Expired, "{expires}");
        }
    }

    #[tokio::test]
    async fn the_file_is_read_again_and_a_broken_one_changes_nothing() {
        let ground = Ground::new();
        ground.write(&entry("alice", ALICE), 0o600);
        let tokens = ground.read().expect("good");
        assert_eq!(name(&tokens, BOB).await, None);
        ground.write(&entry("bob", BOB), 0o600);
        assert!(name(&tokens, BOB).await.is_some(), "a token that is not known is a reason to look at once");
        assert_eq!(name(&tokens, ALICE).await, None);
        for (broken, mode) in [("[[token]]\nname = 1\n", 0o600), (&*entry("alice", ALICE), 0o606), ("x", 0o600)] {
            ground.write(broken, mode);
            assert_eq!(name(&tokens, ALICE).await, None, "{broken}");
            assert!(name(&tokens, BOB).await.is_some(), "{broken}");
        }
        fs::remove_file(ground.path()).expect("removed");
        assert_eq!(name(&tokens, ALICE).await, None);
        assert_eq!(name(&tokens, BOB).await, None, "no file, no token");
        ground.write(&entry("alice", ALICE), 0o600);
        assert!(name(&tokens, ALICE).await.is_some());
    }

    #[tokio::test]
    async fn a_token_that_was_taken_out_is_not_good_for_longer_than_a_second() {
        let ground = Ground::new();
        ground.write(&entry("alice", ALICE), 0o600);
        let tokens = ground.read().expect("good");
        ground.write(&entry("bob", BOB), 0o600);
        tokio::time::sleep(LOOK).await;
        assert_eq!(name(&tokens, ALICE).await, None);
    }

    #[tokio::test]
    async fn a_token_holds_while_it_stands_there_unchanged_and_has_not_expired() {
        let ground = Ground::new();
        let mut expiring = entry("alice", ALICE) + "expires = 2026-11-24T13:00:00Z\n";
        ground.write(&expiring, 0o600);
        let tokens = ground.read().expect("good");
        let alice = Digest::of(ALICE);
        let Found::Good(principal) = tokens.find(&alice).await else { panic!("not found") };
        assert!(tokens.holds(&alice, &principal).await);
        for (from, to) in [("[\"read\"]", "[]"), ("[]", "[\"read\"]"), ("alice", "other"), ("other", "alice")] {
            expiring = expiring.replace(from, to);
            ground.write(&expiring, 0o600);
            tokio::time::sleep(LOOK).await;
            assert_eq!(tokens.holds(&alice, &principal).await, to == "[\"read\"]" || to == "alice", "{to}");
        }
        ground.clock.advance_seconds(3_600);
        assert!(!tokens.holds(&alice, &principal).await, "it has expired");
    }

    #[test]
    fn what_is_wrong_is_refused_and_not_repeated() {
        let ground = Ground::new();
        let alice = entry("alice", ALICE);
        let plain = format!("[[token]]\nname = \"bob\"\ntoken = \"{BOB}\"\nscopes = [\"read\"]\n");
        for (text, mode, why) in [
            (plain, 0o600, "opsmedic token"),
            (alice.clone(), 0o602, "chmod o-w"),
            (alice.replace("read", "write"), 0o600, "unknown scope"),
            (alice.replace("alice", "a b"), 0o600, "name"),
            (alice.replace(&hex(ALICE), "abc"), 0o600, "64 hex digits"),
            (alice.replace("sha256", "#"), 0o600, "sha256"),
            (format!("{alice}token = \"{BOB}\"\n"), 0o600, "opsmedic token"),
            (format!("{alice}token = [\"{BOB}\"]\n"), 0o600, "opsmedic token"),
            (format!("{alice}{}", alice.replace("alice", "other")), 0o600, "twice"),
            (format!("{alice}expires = 5\n"), 0o600, "expires"),
            (format!("{alice}expires = \"soon\"\n"), 0o600, "expires"),
            (format!("{alice}\"{BOB}\" = 1\n"), 0o600, "line 5"),
            (format!("token = \"{BOB}\"\n"), 0o600, "line 1"),
            ((0..=MOST).map(|n| entry("x", &n.to_string())).collect(), 0o600, "more than 1000"),
        ] {
            ground.write(&text, mode);
            let error = ground.read().err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert!(error.contains(why) && !error.contains(&BOB[..8]) && !error.contains(&ALICE[..8]), "{error}");
        }
        fs::remove_file(ground.path()).expect("removed");
        assert!(ground.read().is_err());
    }
}
