//! HTTP requests for checks and actions: no redirects, no proxies, no link-local addresses, a deadline over the whole exchange and a cap on the body.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;

use crate::types::secret::Secret;

/// An `http://` or `https://` URL of the configuration that can be asked: it has a host, and the host is no link-local address.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Secret")]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The URL, with user and password if it has them.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The password in the URL, as written, and with it the whole URL: for the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        let password = reqwest::Url::parse(&self.0).ok().and_then(|url| url.password().map(str::to_owned));
        password.map_or_else(Vec::new, |password| vec![Secret::new(password), Secret::new(self.0.clone())])
    }
}

impl TryFrom<Secret> for HttpUrl {
    type Error = String;

    fn try_from(text: Secret) -> Result<Self, String> {
        let wrong = || "write it as http://host:port/path or https://host/path".to_owned();
        let url = reqwest::Url::parse(text.expose()).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong());
        }
        if literal_address(&url).is_some_and(is_link_local) {
            return Err("link-local addresses are not asked: cloud machines give out credentials there".to_owned());
        }
        Ok(Self(text.expose().to_owned()))
    }
}

/// A GET request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The full URL, from the configuration, never from a caller.
    pub url: String,
    /// Deadline over connecting, headers and body.
    pub timeout: Duration,
    /// The largest body that is read, in bytes. 0: the body is not read at all, and no answer is too large.
    pub max_body_bytes: usize,
}

/// An answer whose body was read to its end, unless the request wanted none of it.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names (lower case) and values; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// From sending to the last byte.
    pub elapsed: Duration,
}

impl Response {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no answer. The texts are ours; nothing of what the peer sent is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The URL cannot be used.
    #[error("the URL is not valid: {0}")]
    BadUrl(String),
    /// The name has no address.
    #[error("the host name does not resolve")]
    Dns,
    /// Nothing listens, or the network refuses.
    #[error("the connection was refused or failed")]
    Connect,
    /// TLS failed: certificate, name or protocol.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The deadline passed.
    #[error("no complete answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// What came is not HTTP, or the connection broke in the middle.
    #[error("the answer is not valid HTTP or broke off")]
    Protocol,
    /// The body is larger than the cap; reading stopped there.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
}

/// Sends requests.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one GET and reads the whole answer.
    ///
    /// # Errors
    /// See [`HttpError`]; an HTTP status of any kind is an answer, no error.
    async fn get(&self, request: &Request) -> Result<Response, HttpError>;
}

/// The real client. Built at the first request: loading root certificates costs more than the rest of a start.
#[derive(Default)]
pub struct Client(OnceLock<reqwest::Client>);

impl Client {
    fn inner(&self) -> &reqwest::Client {
        self.0.get_or_init(|| {
            // Only one provider is linked in; a second installation is refused and harmless.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(0)
                .dns_resolver(NoLinkLocal)
                .user_agent(concat!("opsmedic/", env!("CARGO_PKG_VERSION")))
                .build()
                .expect("the client has no setting that can fail")
        })
    }

    async fn exchange(&self, request: &Request) -> Result<Response, HttpError> {
        let begun = tokio::time::Instant::now();
        let url = HttpUrl::try_from(Secret::new(request.url.clone())).map_err(HttpError::BadUrl)?;
        let answer = self.inner().get(url.expose()).send().await.map_err(|e| explain(&e))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        let mut body = Vec::new();
        if request.max_body_bytes == 0 {
            return Ok(Response { status, headers, body, elapsed: begun.elapsed() });
        }
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|e| explain(&e))?);
            if body.len() > request.max_body_bytes {
                return Err(HttpError::BodyTooLarge(request.max_body_bytes));
            }
        }
        Ok(Response { status, headers, body, elapsed: begun.elapsed() })
    }
}

#[async_trait]
impl Http for Client {
    async fn get(&self, request: &Request) -> Result<Response, HttpError> {
        tokio::time::timeout(request.timeout, self.exchange(request)).await.unwrap_or(Err(HttpError::Timeout(request.timeout)))
    }
}

/// Resolves names as the system does, and leaves link-local addresses out.
struct NoLinkLocal;

impl Resolve for NoLinkLocal {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.filter(|a| !is_link_local(a.ip())).collect();
            if found.is_empty() { Err("no address that may be asked".into()) } else { Ok(Box::new(found.into_iter()) as Addrs) }
        })
    }
}

fn literal_address(url: &reqwest::Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// What a TLS failure means, in fixed words: the library's own text repeats names that the peer chose.
pub fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "the certificate has expired",
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => "the certificate is not valid yet",
        E::InvalidCertificate(C::UnknownIssuer) => "the certificate's issuer is not trusted",
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => "the certificate is for another name",
        E::InvalidCertificate(_) => "the certificate is not valid",
        E::InvalidMessage(_) => "the peer does not speak TLS",
        E::AlertReceived(_) => "the peer refused the handshake",
        E::PeerIncompatible(_) => "no protocol version or cipher in common",
        _ => "the handshake failed",
    }
}

/// The TLS error in or behind an error. An `io::Error` hides what it wraps from `source`, and wraps itself.
fn tls_cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => tls_cause(io.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// Sorts reqwest's nested errors into ours.
fn explain(error: &reqwest::Error) -> HttpError {
    if error.is_builder() {
        return HttpError::BadUrl("it is not a URL that can be asked".to_owned());
    }
    let mut cause = error.source();
    let mut dns = false;
    while let Some(current) = cause {
        if let Some(tls) = tls_cause(current) {
            return HttpError::Tls(tls_words(tls).to_owned());
        }
        dns |= current.to_string().contains("dns error");
        cause = current.source();
    }
    if dns {
        HttpError::Dns
    } else if error.is_connect() {
        HttpError::Connect
    } else {
        HttpError::Protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_not_asked_in_any_spelling() {
        let parse = |url: &str| HttpUrl::try_from(Secret::new(url));
        for url in ["http://169.254.169.254/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/"] {
            assert!(parse(url).err().is_some_and(|e| e.contains("link-local")), "{url}");
        }
        for url in ["ftp://x/", "x", "http://", "/path", ""] {
            assert!(parse(url).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:8000/health", "https://x.example/a?b=c", "http://[::1]/"] {
            assert!(parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn tls_errors_are_found_where_they_hide() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let hidden = std::io::Error::other(std::io::Error::other(tls));
        assert_eq!(tls_cause(&hidden).map(tls_words), Some("the certificate's issuer is not trusted"));
        assert!(tls_cause(&std::io::Error::other("no TLS")).is_none());
    }
}
