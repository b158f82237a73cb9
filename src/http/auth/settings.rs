//! What the section `[http.auth]` says.

use std::path::{Path, PathBuf};

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::ports::http::HttpUrl;

/// Signatures that are made with a private key. None that is made with a shared secret, and not `none`: whoever could verify could forge.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// `[http.auth]`: who may call. At least one of `tokens_file` and `jwt`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// A TOML file of bearer tokens, by its full path; read again when it changes.
    pub tokens_file: Option<PathBuf>,
    /// The URL under which clients reach `/mcp`, such as `https://ops.example.com/mcp`. Default: made of the address.
    pub resource: Option<String>,
    /// After so many wrong credentials from one address within a minute, further wrong ones are told to wait. Default 10; 1 to 10,000.
    pub max_failures_per_minute: u32,
    /// Tokens of an authorization server.
    pub jwt: Option<JwtSettings>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { tokens_file: None, resource: None, max_failures_per_minute: 10, jwt: None }
    }
}

/// `[http.auth.jwt]`: signed tokens of an authorization server, verified with the keys that it publishes.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// Where the keys are: https, or http on this machine.
    pub jwks_url: HttpUrl,
    /// What `iss` must be, exactly; clients are told to get their tokens there.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
    /// How tokens may be signed: any of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.
    pub algorithms: Vec<String>,
    /// The claim with the scopes, a text with spaces between them or a list. Default `scope`.
    #[serde(default = "scope")]
    pub scope_claim: String,
    /// Keys that are older than so many seconds are fetched anew. Default 600; 10 to 86,400.
    #[serde(default = "refresh")]
    pub refresh_seconds: u64,
    /// Keys are fetched at most once in so many seconds, whatever tokens come. Default 30; 1 to 3,600.
    #[serde(default = "retry")]
    pub retry_seconds: u64,
}

impl std::fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSettings").field("jwks_url", &self.jwks_url.shown()).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn scope() -> String {
    "scope".to_owned()
}

fn refresh() -> u64 {
    600
}

fn retry() -> u64 {
    30
}

impl AuthSettings {
    /// Holds the values against their ranges.
    ///
    /// # Errors
    /// The key and what it may be.
    pub(in crate::http) fn validate(&self) -> Result<(), String> {
        if self.tokens_file.is_none() && self.jwt.is_none() {
            return Err("http.auth: write tokens_file, or the table jwt, or both".to_owned());
        }
        if self.tokens_file.as_deref().is_some_and(Path::is_relative) {
            return Err("http.auth.tokens_file: write the full path, so that it is the same file wherever the server is started".to_owned());
        }
        if self.resource.as_deref().is_some_and(|resource| !is_plain_url(resource)) {
            return Err("http.auth.resource: write it as https://host/mcp, without query and fragment".to_owned());
        }
        if !(1..=10_000).contains(&self.max_failures_per_minute) {
            return Err("http.auth.max_failures_per_minute is out of range: write 1 to 10000".to_owned());
        }
        self.jwt.as_ref().map_or(Ok(()), JwtSettings::validate)
    }
}

impl JwtSettings {
    fn validate(&self) -> Result<(), String> {
        if !is_safe(&self.jwks_url) {
            return Err("http.auth.jwt.jwks_url: write https; http only for a host on this machine, or anybody on the way could put in keys".to_owned());
        }
        if !is_plain_url(&self.issuer) {
            return Err("http.auth.jwt.issuer: write the URL that the authorization server puts into iss".to_owned());
        }
        if self.audience.is_empty() || self.scope_claim.is_empty() {
            let key = if self.audience.is_empty() { "audience" } else { "scope_claim" };
            return Err(format!("http.auth.jwt.{key}: it must not be empty"));
        }
        if self.algorithms.is_empty() || self.parsed_algorithms().len() != self.algorithms.len() {
            let known = ALGORITHMS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(format!("http.auth.jwt.algorithms: write one or more of {known}; signatures by a shared secret are not accepted"));
        }
        let range = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(format!("http.auth.jwt.{key} is out of range: write {least} to {most}")) }
        };
        range("refresh_seconds", self.refresh_seconds, 10, 86_400)?;
        range("retry_seconds", self.retry_seconds, 1, 3_600)
    }

    /// Those that are known.
    pub(super) fn parsed_algorithms(&self) -> Vec<Algorithm> {
        let known = |name: &String| ALGORITHMS.iter().find(|(known, _)| known == name).map(|(_, algorithm)| *algorithm);
        self.algorithms.iter().filter_map(known).collect()
    }
}

/// An http or https URL that can be put between quotes in a header.
fn is_plain_url(text: &str) -> bool {
    let scheme = text.starts_with("https://") || text.starts_with("http://");
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'?' | b'#' | b'@'));
    scheme && plain && text.parse::<axum::http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
}

/// Whether nobody on the way can change what comes from there.
fn is_safe(url: &HttpUrl) -> bool {
    let server = url.server();
    let host = server.parse::<axum::http::Uri>().ok().and_then(|uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()));
    let local = |host: String| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    server.starts_with("https://") || host.is_some_and(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(jwt: &str) -> Result<(), String> {
        let text = format!("[jwt]\naudience = \"a\"\n{jwt}");
        toml::from_str::<AuthSettings>(&text).map_err(|e| e.to_string())?.validate()
    }

    #[test]
    fn only_safe_settings_are_valid() {
        let good = "jwks_url = \"https://id.example.com/keys\"\nissuer = \"https://id.example.com\"\nalgorithms = [\"ES256\", \"EdDSA\"]\n";
        assert_eq!(parse(good), Ok(()));
        for (from, to) in [("https://id.example.com/keys", "http://127.0.0.1:8/keys"), ("https://id.example.com/keys", "http://[::1]:8/keys")] {
            assert_eq!(parse(&good.replace(from, to)), Ok(()), "{to}");
        }
        for (from, to) in [
            ("https://id.example.com/keys", "http://id.example.com/keys"),
            ("https://id.example.com/keys", "http://localhost.example.com/keys"),
            ("https://id.example.com/keys", "http://10.0.0.1/keys"),
            ("\"ES256\"", "\"HS256\""),
            ("\"ES256\"", "\"none\""),
            ("\"ES256\", \"EdDSA\"", ""),
            ("issuer = \"https://id.example.com\"", "issuer = \"\""),
            ("algorithms", "retry_seconds = 0\nalgorithms"),
        ] {
            assert!(parse(&good.replace(from, to)).is_err(), "{to}");
        }
        assert!(AuthSettings::default().validate().is_err());
        assert!(AuthSettings { tokens_file: Some("tokens.toml".into()), ..AuthSettings::default() }.validate().is_err());
        for resource in ["ops.example.com/mcp", "https://h/mcp?x", "https://h/\"", "https://u@h/mcp", "https:///mcp"] {
            let settings = AuthSettings { tokens_file: Some("/t".into()), resource: Some(resource.to_owned()), ..AuthSettings::default() };
            assert!(settings.validate().is_err(), "{resource}");
        }
    }
}
