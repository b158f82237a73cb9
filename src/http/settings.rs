//! What the section `[http]` says.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use super::{AuthSettings, StartError, TlsSettings};
use crate::types::secret::Secret;

/// `[http]`: how the server listens, and how much it takes from whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Names by which clients may call this server, beside localhost and the loopback addresses: `ops.example.com` or `ops.example.com:8642`.
    /// Needed where the server listens on all addresses.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call this server, such as `https://console.example.com`; none by default. Clients that are no browser send no origin.
    pub allowed_origins: Vec<String>,
    /// At most so many sessions of the older protocol revisions at once. Default 2,048; 1 to 100,000.
    pub max_sessions: usize,
    /// At most so many connections at once. Default 4,096; 1 to 100,000.
    pub max_connections: usize,
    /// The largest body of a request in bytes. Default 1,048,576; 1,024 to 67,108,864.
    pub max_body_bytes: usize,
    /// The head of a request must be there within so many seconds; an idle connection is closed after them. Default 10; 1 to 300.
    pub header_timeout_seconds: u64,
    /// The body must be there within so many seconds, and a client that takes nothing of its answer for so long is cut off. Default 30; 1 to 600.
    pub body_timeout_seconds: u64,
    /// A session without call and stream is closed after so many seconds. Default 1,800; 1 to 86,400.
    pub session_idle_seconds: u64,
    /// On shutdown, calls in flight get so many seconds to end. Default 20; 0 to 600.
    pub drain_seconds: u64,
    /// Whether a proxy on this machine or in a network of trust ends TLS before this server. Default false.
    pub behind_tls_proxy: bool,
    /// `[http.auth]`: who may call; without it everybody who can reach the server, to look.
    pub auth: Option<AuthSettings>,
    /// `[http.tls]`: encryption by this server itself.
    pub tls: Option<TlsSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_sessions: 2_048,
            max_connections: 4_096,
            max_body_bytes: 1 << 20,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
            session_idle_seconds: 1_800,
            drain_seconds: 20,
            behind_tls_proxy: false,
            auth: None,
            tls: None,
        }
    }
}

impl Settings {
    /// Where the server listens unless told otherwise.
    pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8642";

    /// Holds the values against their ranges.
    ///
    /// # Errors
    /// The key and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        let range = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(format!("http.{key} is out of range: write {least} to {most}")) }
        };
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        range("max_sessions", size(self.max_sessions), 1, 100_000)?;
        range("max_connections", size(self.max_connections), 1, 100_000)?;
        range("max_body_bytes", size(self.max_body_bytes), 1_024, 64 << 20)?;
        range("header_timeout_seconds", self.header_timeout_seconds, 1, 300)?;
        range("body_timeout_seconds", self.body_timeout_seconds, 1, 600)?;
        range("session_idle_seconds", self.session_idle_seconds, 1, 86_400)?;
        range("drain_seconds", self.drain_seconds, 0, 600)?;
        self.auth.as_ref().map_or(Ok(()), AuthSettings::validate)?;
        self.tls.as_ref().map_or(Ok(()), TlsSettings::validate)
    }

    /// Whether the server may listen there: what others can reach must be protected.
    ///
    /// # Errors
    /// What is missing.
    pub fn may_listen(&self, address: SocketAddr) -> Result<(), StartError> {
        let mut missing = Vec::new();
        if !address.ip().to_canonical().is_loopback() {
            if self.auth.is_none() {
                missing.push("it needs [http.auth] with tokens_file or jwt, so that not everybody may call");
            }
            if !self.encrypted() {
                missing.push("it needs [http.tls] with cert_file and key_file, or http.behind_tls_proxy = true where a proxy ends TLS");
            }
            // "All addresses" is no name that a client could call it by.
            if address.ip().to_canonical().is_unspecified() && self.allowed_hosts.is_empty() {
                missing.push("it needs http.allowed_hosts with the names by which clients call it, such as [\"ops.example.com\"]");
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(StartError::Exposed { address, missing }) }
    }

    /// Whether what clients send is encrypted, by this server or a proxy.
    pub(super) fn encrypted(&self) -> bool {
        self.tls.is_some() || self.behind_tls_proxy
    }

    /// What must not be shown, for the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        self.auth.as_ref().and_then(|auth| auth.jwt.as_ref()).map(|jwt| jwt.jwks_url.secrets()).unwrap_or_default()
    }

    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    pub(super) fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// How long a session may be without call and stream.
    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_must_be_protected() {
        let auth = Some(AuthSettings { tokens_file: Some("/t".into()), ..AuthSettings::default() });
        let tls = Some(TlsSettings { cert_file: "/c".into(), key_file: "/k".into(), client_ca_file: None });
        let bare = Settings { allowed_hosts: vec!["ops.example.com".to_owned()], ..Settings::default() };
        let may = |settings: &Settings, address: &str| settings.may_listen(address.parse().expect("an address")).map_err(|error| error.to_string());
        for loopback in ["127.0.0.1:0", "127.8.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(may(&bare, loopback), Ok(()), "{loopback}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fe80::1]:1", "[::ffff:0.0.0.0]:1", "192.168.1.1:1"] {
            let error = may(&bare, open).expect_err(open);
            assert!(error.contains("[http.auth]") && error.contains("[http.tls]"), "{error}");
            let proxied = Settings { behind_tls_proxy: true, ..bare.clone() };
            assert!(may(&proxied, open).is_err_and(|error| error.contains("[http.auth]") && !error.contains("[http.tls]")), "{open}");
            let known = Settings { auth: auth.clone(), ..bare.clone() };
            assert!(may(&known, open).is_err_and(|error| !error.contains("[http.auth]") && error.contains("behind_tls_proxy")), "{open}");
            assert_eq!(may(&Settings { behind_tls_proxy: true, ..known.clone() }, open), Ok(()), "{open}");
            assert_eq!(may(&Settings { tls: tls.clone(), ..known.clone() }, open), Ok(()), "{open}");
            let nameless = may(&Settings { tls: tls.clone(), allowed_hosts: Vec::new(), ..known.clone() }, open);
            let all = open.contains("0.0.0.0") || open.starts_with("[::]");
            assert_eq!(nameless.is_err_and(|error| error.contains("http.allowed_hosts") && !error.contains("[http.auth]")), all, "{open}");
        }
    }
}
