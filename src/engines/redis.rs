//! Redis and Valkey: connects, pings, reads `INFO`, and removes the keys under a prefix at a pace.
//!
//! What the server may send is capped per reply. Speaks RESP2 to one server: follows no redirection of a cluster and asks no Sentinel.
//! `rediss://` is verified against the system's issuers; `#insecure` at its end switches that off. Never sends FLUSHALL, FLUSHDB or a caller's command.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo, RedisError, Value};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::net::{Address, Allowance, Limited, NoInspection, Stage, Verify, WireError, dial, password_as_written, tls, within};
use crate::types::secret::Secret;

/// What a reply other than a list of keys may take. `INFO` takes about 8 KiB.
pub const REPLY_CAP_BYTES: u64 = 1 << 20;

/// What one `SCAN` reply of about a thousand keys may take.
pub const SCAN_REPLY_CAP_BYTES: u64 = 8 << 20;

/// How many keys the server looks at for one `SCAN`.
const SCAN_COUNT: u64 = 1_000;

/// How many keys are unlinked in one round trip.
const UNLINK_BATCH: usize = 500;

/// A parsed `redis://` or `rediss://` URL.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Secret")]
pub struct RedisUrl {
    address: Address,
    tls: Option<Verify>,
    username: Option<String>,
    password: Option<String>,
    database: i64,
    secrets: Vec<Secret>,
}

impl TryFrom<Secret> for RedisUrl {
    type Error = String;

    fn try_from(url: Secret) -> Result<Self, String> {
        Self::parse(&url)
    }
}

impl RedisUrl {
    /// Host and port; none for a Unix socket.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        match &self.address {
            Address::Tcp(host, port) => Some((host, *port)),
            Address::Unix(_) => None,
        }
    }

    /// Which server and database, without credentials: `host:port/0`.
    pub fn place(&self) -> String {
        match &self.address {
            Address::Tcp(host, port) => format!("{host}:{port}/{}", self.database),
            Address::Unix(path) => format!("{}/{}", path.display(), self.database),
        }
    }

    /// Parses `redis://user:password@host:port/database`, `rediss://` for TLS, or `redis+unix:///path`.
    ///
    /// # Errors
    /// What is wrong, in our words: nothing of the URL is repeated.
    pub fn parse(url: &Secret) -> Result<Self, String> {
        let text = url.expose();
        let (plain, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (tls, plain) = match plain.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (Some(if fragment == "insecure" { Verify::Nothing } else { Verify::Full }), format!("redis://{rest}")),
            _ => (None, plain.to_owned()),
        };
        let info = plain.as_str().into_connection_info().map_err(|_| "write it as redis://user:password@host:port/database".to_owned())?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err("this kind of address is not supported".to_owned()),
        };
        let settings = info.redis_settings();
        let password = settings.password().map(str::to_owned);
        let mut secrets = vec![url.clone()];
        secrets.extend(password.clone().map(Secret::new));
        secrets.extend(password_as_written(&plain).map(Secret::new));
        Ok(Self { address, tls, username: settings.username().map(str::to_owned), password, database: settings.db(), secrets })
    }

    /// The URL and its password, as written and decoded: for the redactor.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }
}

/// What a server says of itself. Figures that it does not give are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// The version. Untrusted text.
    pub version: String,
    /// Whether it still loads its data and refuses other commands.
    pub loading: bool,
    /// Bytes used by data and overhead.
    pub used_memory_bytes: Option<u64>,
    /// The configured limit in bytes; none when there is no limit.
    pub maxmemory_bytes: Option<u64>,
    /// Connected clients, ours included.
    pub connected_clients: Option<u64>,
}

/// What a server is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes writes.
    Master,
    /// Follows a master.
    Replica,
    /// Watches masters and holds no data.
    Sentinel,
}

/// What [`Redis::scan_unlink`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unlinked {
    /// Keys removed.
    pub removed: u64,
    /// Whether the whole key space was walked; false when the cap ended it.
    pub complete: bool,
}

/// A failed [`Redis::scan_unlink`], with what it had removed before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{removed} keys were removed, then: {error}")]
pub struct UnlinkFailed {
    /// Keys known to be removed; one batch more may be.
    pub removed: u64,
    /// What went wrong.
    pub error: WireError,
}

/// A connection. Closed when dropped.
pub struct Redis {
    connection: MultiplexedConnection,
    allowance: Allowance,
    _driver: AbortOnDropHandle<()>,
}

impl Redis {
    /// Connects, and signs in and selects the database as the URL says.
    ///
    /// # Errors
    /// See [`WireError`]; [`WireError::Server`] has the first word of the error as its code: `NOAUTH`, `WRONGPASS`, `LOADING`, ...
    pub async fn connect(url: &RedisUrl, until: Instant) -> Result<Self, WireError> {
        let mut stream = dial(&url.address, until).await?;
        if let (Some(verify), Address::Tcp(host, _)) = (url.tls, &url.address) {
            stream = tls(stream, host, verify, None, until).await?;
        }
        let allowance = Allowance::new(REPLY_CAP_BYTES);
        let stream = Limited::new(stream, allowance.clone(), NoInspection);
        // The library's own sign-in hides which error the server gave; ours comes after.
        let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let joining = async { MultiplexedConnection::new_with_config(&nothing, stream, config).await.map_err(|e| explain(&e, &allowance, REPLY_CAP_BYTES)) };
        let (connection, driver) = within(until, Stage::SignIn, joining).await?;
        let mut redis = Self { connection, allowance, _driver: AbortOnDropHandle::new(tokio::spawn(driver)) };
        redis.sign_in(url, until).await?;
        Ok(redis)
    }

    async fn sign_in(&mut self, url: &RedisUrl, until: Instant) -> Result<(), WireError> {
        if let Some(password) = &url.password {
            let mut auth = redis::cmd("AUTH");
            // Servers before 6 know no user names.
            if let Some(user) = url.username.as_deref().filter(|u| *u != "default") {
                auth.arg(user);
            }
            self.ask::<Value>(auth.arg(password), REPLY_CAP_BYTES, Stage::SignIn, until).await?;
        }
        if url.database != 0 {
            self.ask::<Value>(redis::cmd("SELECT").arg(url.database), REPLY_CAP_BYTES, Stage::SignIn, until).await?;
        }
        Ok(())
    }

    /// `PING`; gives the time until its answer.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn ping(&mut self, until: Instant) -> Result<Duration, WireError> {
        let begun = Instant::now();
        let answer: String = self.ask(&redis::cmd("PING"), REPLY_CAP_BYTES, Stage::Command, until).await?;
        if answer == "PONG" { Ok(begun.elapsed()) } else { Err(WireError::Protocol) }
    }

    /// Version, memory and clients, from `INFO`. Answered while loading too.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn server_info(&mut self, until: Instant) -> Result<ServerInfo, WireError> {
        let text: Vec<u8> = self.ask(&redis::cmd("INFO"), REPLY_CAP_BYTES, Stage::Command, until).await?;
        parse_info(&String::from_utf8_lossy(&text)).ok_or(WireError::Protocol)
    }

    /// Whether the server takes writes, from `ROLE`.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn role(&mut self, until: Instant) -> Result<Role, WireError> {
        let answer: Vec<Value> = self.ask(&redis::cmd("ROLE"), REPLY_CAP_BYTES, Stage::Command, until).await?;
        match answer.first() {
            Some(Value::BulkString(name)) if name == b"master" => Ok(Role::Master),
            Some(Value::BulkString(name)) if name == b"slave" => Ok(Role::Replica),
            Some(Value::BulkString(name)) if name == b"sentinel" => Ok(Role::Sentinel),
            _ => Err(WireError::Protocol),
        }
    }

    /// Counts the keys that begin with `prefix`, and stops once there are more than `at_most`. Walks the whole key space of the selected database; a key that the
    /// server moves meanwhile may be counted twice.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn count_prefix(&mut self, prefix: &[u8], at_most: u64, until: Instant) -> Result<u64, WireError> {
        let (mut cursor, mut count) = (0, 0);
        loop {
            let keys;
            (cursor, keys) = self.scan(cursor, prefix, until).await?;
            count += keys.len() as u64;
            if cursor == 0 || count > at_most {
                return Ok(count);
            }
        }
    }

    /// Removes the keys that begin with `prefix`: `SCAN`, then `UNLINK` in batches of 500 with `pace` between batches. Never removes more than `key_cap` keys.
    /// Whether that is wise (a declared prefix, a master, an approved plan) is the caller's to know; an empty prefix is refused here. Removed keys do not come back.
    ///
    /// # Errors
    /// [`UnlinkFailed`], with the number of keys that were removed before.
    pub async fn scan_unlink(&mut self, prefix: &[u8], key_cap: u64, pace: Duration, until: Instant) -> Result<Unlinked, UnlinkFailed> {
        let mut done = Unlinked::default();
        let failed = |error, done: &Unlinked| UnlinkFailed { removed: done.removed, error };
        if prefix.is_empty() {
            return Err(failed(WireError::Url("an empty prefix would remove every key".to_owned()), &done));
        }
        let (mut cursor, mut cut) = (0, false);
        loop {
            let keys;
            (cursor, keys) = self.scan(cursor, prefix, until).await.map_err(|e| failed(e, &done))?;
            for batch in keys.chunks(UNLINK_BATCH) {
                let room = usize::try_from(key_cap.saturating_sub(done.removed)).unwrap_or(usize::MAX);
                if room == 0 {
                    return Ok(done);
                }
                cut |= batch.len() > room;
                let batch = &batch[..batch.len().min(room)];
                done.removed += self.unlink(batch, until).await.map_err(|e| failed(e, &done))?;
                tokio::time::timeout_at(until, tokio::time::sleep(pace)).await.map_err(|_| failed(WireError::Timeout(Stage::Command), &done))?;
            }
            if cursor == 0 {
                done.complete = !cut;
                return Ok(done);
            }
        }
    }

    async fn scan(&mut self, cursor: u64, prefix: &[u8], until: Instant) -> Result<(u64, Vec<Vec<u8>>), WireError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(SCAN_COUNT);
        let (next, mut keys): (u64, Vec<Vec<u8>>) = self.ask(&scan, SCAN_REPLY_CAP_BYTES, Stage::Command, until).await?;
        // What is removed is decided by our own comparison, not by the server's understanding of a pattern.
        keys.retain(|key| key.starts_with(prefix));
        Ok((next, keys))
    }

    /// One key a command, all in one round trip: a cluster refuses one command over keys of several slots.
    async fn unlink(&mut self, keys: &[Vec<u8>], until: Instant) -> Result<u64, WireError> {
        let mut pipe = redis::Pipeline::with_capacity(keys.len());
        for key in keys {
            pipe.cmd("UNLINK").arg(key);
        }
        self.allowance.grant(REPLY_CAP_BYTES);
        let asking = async {
            let removed: Result<Vec<u64>, _> = pipe.query_async(&mut self.connection).await;
            removed.map(|r| r.iter().sum()).map_err(|e| explain(&e, &self.allowance, REPLY_CAP_BYTES))
        };
        within(until, Stage::Command, asking).await
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd, cap: u64, stage: Stage, until: Instant) -> Result<T, WireError> {
        self.allowance.grant(cap);
        let asking = async { command.query_async(&mut self.connection).await.map_err(|e| explain(&e, &self.allowance, cap)) };
        within(until, stage, asking).await
    }
}

/// A glob that matches what begins with exactly these bytes.
fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut glob = Vec::with_capacity(prefix.len() + 8);
    for byte in prefix {
        if b"*?[]^\\".contains(byte) {
            glob.push(b'\\');
        }
        glob.push(*byte);
    }
    glob.push(b'*');
    glob
}

fn parse_info(text: &str) -> Option<ServerInfo> {
    let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let number = |name: &str| fields.get(name).and_then(|value| value.trim().parse::<u64>().ok());
    let version = fields.get("valkey_version").or_else(|| fields.get("redis_version"))?;
    Some(ServerInfo {
        version: version.trim().to_owned(),
        loading: number("loading").is_some_and(|flag| flag != 0),
        used_memory_bytes: number("used_memory"),
        maxmemory_bytes: number("maxmemory").filter(|limit| *limit > 0),
        connected_clients: number("connected_clients"),
    })
}

/// Sorts the library's errors into ours.
fn explain(error: &RedisError, allowance: &Allowance, cap: u64) -> WireError {
    if allowance.spent() {
        return WireError::TooMuch(cap);
    }
    match error.code() {
        Some(code) => WireError::Server { code: code.to_owned(), message: error.detail().unwrap_or_default().to_owned() },
        None => WireError::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_matched_literally() {
        assert_eq!(pattern(b"cache:*?[a]^\\"), b"cache:\\*\\?\\[a\\]\\^\\\\*");
    }

    #[test]
    fn urls_are_read_and_never_repeated() {
        let parse = |text: &str| RedisUrl::parse(&Secret::new(text));
        let tls = parse("rediss://app:p%40ss-word@cache:6380/3").ok().unwrap();
        assert_eq!((tls.address, tls.tls, tls.database), (Address::Tcp("cache".into(), 6380), Some(Verify::Full), 3));
        assert_eq!((tls.username.as_deref(), tls.password.as_deref()), (Some("app"), Some("p@ss-word")));
        assert_eq!(tls.secrets.iter().filter(|s| ["p%40ss-word", "p@ss-word"].contains(&s.expose())).count(), 2);
        assert_eq!(parse("rediss://cache#insecure").ok().unwrap().tls, Some(Verify::Nothing));
        assert_eq!(parse("redis+unix:///run/redis.sock").ok().unwrap().address, Address::Unix("/run/redis.sock".into()));
        for wrong in ["cache", "http://canary@cache", "redis://cache/canary"] {
            assert!(!parse(wrong).err().unwrap().contains("canary"));
        }
    }

    #[test]
    fn info_is_read_from_old_new_and_odd_servers() {
        let info = parse_info("# Server\r\nredis_version:7.0.15\r\nused_memory:1024\r\nmaxmemory:0\r\nconnected_clients:2\r\nloading:1\r\n").unwrap();
        assert_eq!(
            info,
            ServerInfo { version: "7.0.15".into(), loading: true, used_memory_bytes: Some(1024), maxmemory_bytes: None, connected_clients: Some(2) }
        );
        assert_eq!(parse_info("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n").unwrap().version, "8.0.1");
        assert_eq!(parse_info("HTTP/1.1 200 OK"), None);
    }
}
