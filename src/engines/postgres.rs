//! PostgreSQL: connects, and reads how busy the server is.
//!
//! A server that means harm is bounded three ways: all it may send is [`RECEIVE_CAP_BYTES`]; a single message is refused by its length header; a sign-in that asks
//! for excessive password hashing is refused before it is computed. Runs no statement that a caller supplies and changes nothing.
//!
//! TLS follows libpq's `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`, `sslrootcert`). Client certificates, `.pgpass` and environment
//! variables of libpq are not read; SCRAM is done without channel binding.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_util::task::AbortOnDropHandle;

use super::net::{Address, Allowance, Duplex, Inspect, Limited, Stage, Verify, WireError, dial, tls, within};
use crate::types::secret::Secret;

/// All that a server may send over one connection. A sign-in takes about 500 bytes, our queries less.
pub const RECEIVE_CAP_BYTES: u64 = 1 << 20;

/// The most rounds of password hashing that we do for a server. PostgreSQL's default is 4,096; a million takes about a second.
const MAX_SCRAM_ROUNDS: u64 = 200_000;

/// The longest authentication message: mechanisms, a nonce, a salt.
const MAX_SIGN_IN_BYTES: u64 = 4_096;

/// The request for TLS: length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// One statement, so that one round trip tells all. `pg_stat_activity` hides most columns of other users' sessions from those without `pg_monitor`, but never
/// `datid`: background processes have none. Sessions whose kind is hidden are counted as clients.
const ACTIVITY: &str = "select count(*) filter (where client) as total, count(*) filter (where client and state = 'active' and pid <> pg_backend_pid()) as active, \
    count(*) filter (where client and state is null) as hidden, current_setting('max_connections') as max, current_setting('server_version') as version, \
    pg_is_in_recovery() as recovering \
    from (select pid, state, datid is not null and coalesce(backend_type, 'client backend') = 'client backend' as client from pg_stat_activity) as sessions";

/// A parsed `postgres://` URL.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Secret")]
pub struct PostgresUrl {
    config: Config,
    addresses: Vec<(Address, String)>,
    tls: Tls,
    secrets: Vec<Secret>,
}

#[derive(Clone)]
struct Tls {
    /// None: never. Some(false): if the server has it. Some(true): always.
    wanted: Option<bool>,
    verify: Verify,
    roots: Option<PathBuf>,
}

impl TryFrom<Secret> for PostgresUrl {
    type Error = String;

    fn try_from(url: Secret) -> Result<Self, String> {
        Self::parse(&url)
    }
}

impl PostgresUrl {
    /// Parses `postgres://user:password@host:port/database?sslmode=...`; several hosts are tried in order.
    ///
    /// # Errors
    /// What is wrong, in our words: nothing of the URL is repeated.
    pub fn parse(url: &Secret) -> Result<Self, String> {
        let text = url.expose();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("write it as postgres://user:password@host:port/database".to_owned());
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (tls, rest) = split_tls(query)?;
        let stripped = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&stripped).map_err(|_| "not a valid postgres:// URL, or it has a parameter that is not supported".to_owned())?;
        config.ssl_mode(SslMode::Disable);
        if config.get_application_name().is_none() {
            config.application_name("opsmedic");
        }
        let ports = config.get_ports();
        let port = |i: usize| ports.get(i).or_else(|| ports.first()).copied().unwrap_or(5432);
        let place = |(i, host): (usize, &Host)| match host {
            Host::Tcp(name) => (Address::Tcp(name.trim_matches(['[', ']']).to_owned(), port(i)), name.clone()),
            Host::Unix(dir) => (Address::Unix(dir.join(format!(".s.PGSQL.{}", port(i)))), String::new()),
        };
        let addresses: Vec<_> = config.get_hosts().iter().enumerate().map(place).collect();
        if addresses.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        let mut secrets = vec![url.clone()];
        secrets.extend(config.get_password().map(|p| Secret::new(String::from_utf8_lossy(p))));
        secrets.extend(super::net::password_as_written(base).map(Secret::new));
        Ok(Self { config, addresses, tls, secrets })
    }

    /// The URL and its password, as written and decoded: for the redactor.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }
}

/// Takes the TLS parameters, which the library knows only in part, out of a query.
fn split_tls(query: &str) -> Result<(Tls, Vec<&str>), String> {
    let mut tls = Tls { wanted: Some(false), verify: Verify::Nothing, roots: None };
    let mut rest = Vec::new();
    let mut require = false;
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        match key {
            "sslmode" => {
                require = value == "require";
                (tls.wanted, tls.verify) = match value.as_ref() {
                    "disable" => (None, Verify::Nothing),
                    "allow" | "prefer" => (Some(false), Verify::Nothing),
                    "require" => (Some(true), Verify::Nothing),
                    "verify-ca" => (Some(true), Verify::Chain),
                    "verify-full" => (Some(true), Verify::Full),
                    _ => return Err("sslmode is one of disable, prefer, require, verify-ca, verify-full".to_owned()),
                };
            }
            "sslrootcert" => tls.roots = (value != "system").then(|| PathBuf::from(value.as_ref())),
            "sslcert" | "sslkey" => return Err("client certificates (sslcert, sslkey) are not supported".to_owned()),
            _ => rest.push(pair),
        }
    }
    // As in libpq: a file of issuers turns `require` into `verify-ca`.
    if require && tls.roots.is_some() {
        tls.verify = Verify::Chain;
    }
    Ok((tls, rest))
}

/// How busy a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Client sessions, ours included.
    pub total: u64,
    /// Client sessions that run a statement, ours not included, of those that this user may see.
    pub active: u64,
    /// Client sessions whose state this user may not see (it lacks `pg_monitor`).
    pub hidden: u64,
    /// The server's `max_connections`.
    pub max_connections: u64,
    /// The server's version. Untrusted text.
    pub version: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
}

/// A connection. Closed when dropped.
pub struct Postgres {
    client: Client,
    allowance: Allowance,
    _driver: AbortOnDropHandle<()>,
}

impl Postgres {
    /// Connects and signs in: the first of the URL's hosts that accepts a connection.
    ///
    /// # Errors
    /// See [`WireError`]; [`WireError::Server`] carries the SQLSTATE of a refusal.
    pub async fn connect(url: &PostgresUrl, until: Instant) -> Result<Self, WireError> {
        let mut outcome = Err(WireError::Connect);
        for (i, (address, host)) in url.addresses.iter().enumerate() {
            // Hosts that swallow packets leave the later ones their share of the time.
            let left = u32::try_from(url.addresses.len() - i).unwrap_or(u32::MAX);
            let share = Instant::now() + until.saturating_duration_since(Instant::now()) / left;
            outcome = match dial(address, share).await {
                Ok(stream) => return Self::sign_in(url, stream, host, until).await,
                Err(error) => Err(error),
            };
        }
        outcome
    }

    async fn sign_in(url: &PostgresUrl, stream: Box<dyn Duplex>, host: &str, until: Instant) -> Result<Self, WireError> {
        let stream = negotiate(&url.tls, stream, host, until).await?;
        let allowance = Allowance::new(RECEIVE_CAP_BYTES);
        let stream = Limited::new(stream, allowance.clone(), Frames::default());
        let joining = async { url.config.connect_raw(stream, NoTls).await.map_err(|error| explain(&error, &allowance)) };
        let (client, connection) = within(until, Stage::SignIn, joining).await?;
        let driver = tokio::spawn(async move {
            // The client's call reports the same failure.
            let _ = connection.await;
        });
        Ok(Self { client, allowance, _driver: AbortOnDropHandle::new(driver) })
    }

    /// `SELECT 1`; gives the time until its answer.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn ping(&self, until: Instant) -> Result<Duration, WireError> {
        let begun = Instant::now();
        let row = self.row("select 1 as one", until).await?;
        if row.get("one") == Some("1") { Ok(begun.elapsed()) } else { Err(WireError::Protocol) }
    }

    /// Sessions against the limit, version and role.
    ///
    /// # Errors
    /// See [`WireError`]; [`WireError::Server`] where the server is no PostgreSQL of version 10 or later (a pooler, another product).
    pub async fn activity(&self, until: Instant) -> Result<Activity, WireError> {
        let row = self.row(ACTIVITY, until).await?;
        let number = |name: &str| row.get(name).and_then(|t| t.parse::<u64>().ok()).ok_or(WireError::Protocol);
        Ok(Activity {
            total: number("total")?,
            active: number("active")?,
            hidden: number("hidden")?,
            max_connections: number("max")?,
            version: row.get("version").unwrap_or_default().to_owned(),
            in_recovery: row.get("recovering") == Some("t"),
        })
    }

    async fn row(&self, sql: &'static str, until: Instant) -> Result<SimpleQueryRow, WireError> {
        let asking = async {
            let answer = self.client.simple_query(sql).await.map_err(|error| explain(&error, &self.allowance))?;
            answer.into_iter().find_map(|m| if let SimpleQueryMessage::Row(row) = m { Some(row) } else { None }).ok_or(WireError::Protocol)
        };
        within(until, Stage::Command, asking).await
    }
}

/// Asks for TLS as the URL wants it. Done here and not by the library, so that the caps see the plain bytes.
async fn negotiate(wanted: &Tls, mut stream: Box<dyn Duplex>, host: &str, until: Instant) -> Result<Box<dyn Duplex>, WireError> {
    // A Unix socket has no name to verify and no network to hide from.
    let (Some(required), false) = (wanted.wanted, host.is_empty()) else { return Ok(stream) };
    let asking = async {
        stream.write_all(&SSL_REQUEST).await.map_err(|_| WireError::Protocol)?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await.map_err(|_| WireError::Protocol)?;
        Ok((answer[0], stream))
    };
    match within(until, Stage::SignIn, asking).await? {
        (b'S', stream) => tls(stream, host, wanted.verify, wanted.roots.as_deref(), until).await,
        (b'N', stream) if !required => Ok(stream),
        (b'N', _) => Err(WireError::Tls("the server offers none, and the URL requires it")),
        _ => Err(WireError::Protocol),
    }
}

/// Sorts the library's errors into ours.
fn explain(error: &tokio_postgres::Error, allowance: &Allowance) -> WireError {
    if allowance.spent() {
        return WireError::TooMuch(RECEIVE_CAP_BYTES);
    }
    if let Some(db) = error.as_db_error() {
        return WireError::Server { code: db.code().code().to_owned(), message: db.message().to_owned() };
    }
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    match text.as_str() {
        TOO_LONG => WireError::TooMuch(RECEIVE_CAP_BYTES),
        "password missing" => WireError::Url("the server asks for a password, and the URL has none".to_owned()),
        "unsupported SASL mechanism" => WireError::Url("the server asks for a way to sign in that is not supported".to_owned()),
        _ => WireError::Protocol,
    }
}

const TOO_LONG: &str = "a message is longer than allowed";

/// Follows the message frames of a server: refuses a length before anything is reserved for it, and excessive hashing before it is done.
#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    body_left: usize,
    /// The body of an authentication message; of others nothing is kept.
    kept: Option<Vec<u8>>,
}

impl Inspect for Frames {
    fn look(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.body_left == 0 {
                let take = bytes.len().min(5 - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if self.header.len() == 5 {
                    self.open()?;
                }
                continue;
            }
            let take = bytes.len().min(self.body_left);
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(&bytes[..take]);
            }
            self.body_left -= take;
            bytes = &bytes[take..];
            if self.body_left == 0 {
                check_rounds(self.kept.take().as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

impl Frames {
    fn open(&mut self) -> io::Result<()> {
        let length = u32::from_be_bytes([self.header[1], self.header[2], self.header[3], self.header[4]]);
        let body = length.checked_sub(4).ok_or_else(|| io::Error::other("a message has no valid length"))?;
        let sign_in = self.header[0] == b'R';
        if u64::from(body) > if sign_in { MAX_SIGN_IN_BYTES } else { RECEIVE_CAP_BYTES } {
            return Err(io::Error::other(TOO_LONG));
        }
        self.body_left = body as usize;
        self.kept = sign_in.then(Vec::new);
        self.header.clear();
        Ok(())
    }
}

/// Refuses the server's part of SCRAM (`AuthenticationSASLContinue`: 11, then `r=..,s=..,i=rounds`) when it asks for too much work.
fn check_rounds(body: &[u8]) -> io::Result<()> {
    let Some(text) = body.strip_prefix(&[0, 0, 0, 11]) else { return Ok(()) };
    let rounds = text.rsplit(|b| *b == b',').find_map(|part| part.strip_prefix(b"i=")).unwrap_or(b"0");
    match std::str::from_utf8(rounds).ok().and_then(|t| t.parse::<u64>().ok()) {
        Some(rounds) if rounds <= MAX_SCRAM_ROUNDS => Ok(()),
        _ => Err(io::Error::other("the sign-in asks for excessive work")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_refuse_lengths_and_work_in_pieces_of_any_size() {
        let scram = |rounds: &str| {
            let text = format!("r=abc,s=c2FsdA==,i={rounds}");
            let mut message = vec![b'R'];
            message.extend(u32::try_from(text.len() + 8).unwrap().to_be_bytes());
            message.extend([0, 0, 0, 11]);
            message.extend(text.as_bytes());
            message
        };
        let feed = |bytes: &[u8], piece: usize| {
            let mut frames = Frames::default();
            bytes.chunks(piece).try_for_each(|chunk| frames.look(chunk))
        };
        let long_auth = {
            let mut message = vec![b'R', 0, 0, 0x20, 0];
            message.extend(vec![0; 0x2000 - 4]);
            message
        };
        for piece in [1, 3, 4096] {
            assert!(feed(&scram("4096"), piece).is_ok());
            assert!(feed(&[scram("4096"), scram("4000000000")].concat(), piece).is_err());
            assert!(feed(&scram("99999999999999999999999"), piece).is_err());
            assert!(feed(b"D\x7f\xff\xff\xff", piece).is_err());
            assert!(feed(b"D\0\0\0\x03", piece).is_err());
            assert!(feed(&[b"Z\0\0\0\x05I".as_slice(), b"S\0\0\0\x08a\0b\0"].concat(), piece).is_ok());
            assert!(feed(&long_auth, piece).is_err());
        }
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them_and_never_repeated() {
        let parse = |text: &str| PostgresUrl::parse(&Secret::new(text));
        let full =
            parse("postgres://app:p%40ss-word@db:6432/x?sslmode=verify-full&sslrootcert=/tmp/ca.pem&connect_timeout=3").map_err(|e| e.clone()).ok().unwrap();
        assert_eq!((full.tls.wanted, full.tls.verify, full.tls.roots.as_deref()), (Some(true), Verify::Full, Some("/tmp/ca.pem".as_ref())));
        assert_eq!(full.addresses, [(Address::Tcp("db".into(), 6432), "db".to_owned())]);
        assert!(full.secrets().iter().any(|s| s.expose() == "p@ss-word") && full.secrets().iter().any(|s| s.expose() == "p%40ss-word"));
        let ca = parse("postgresql://db/x?sslmode=require&sslrootcert=/tmp/ca.pem").ok().unwrap();
        assert_eq!(ca.tls.verify, Verify::Chain);
        let socket = parse("postgres://app@%2Frun%2Fpg/x").ok().unwrap();
        assert_eq!(socket.addresses[0].0, Address::Unix("/run/pg/.s.PGSQL.5432".into()));
        for wrong in [
            "db",
            "mysql://canary@db",
            "postgres:///x",
            "postgres://canary@db?sslmode=canary",
            "postgres://canary@db?nonsense=canary",
            "postgres://db?sslcert=canary",
        ] {
            let error = parse(wrong).err().unwrap();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
