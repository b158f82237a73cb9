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

    /// The password in the URL, as written, and with it the whole URL, and the values of its query: for the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        let password = self.parsed().and_then(|url| url.password().map(str::to_owned));
        let signed_in = password.map_or_else(Vec::new, |password| vec![Secret::new(password), Secret::new(self.0.clone())]);
        // Tokens travel in queries, too.
        signed_in.into_iter().chain(self.query_values()).collect()
    }

    /// Scheme, host and port.
    pub fn server(&self) -> String {
        self.parsed().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// For people: without user, password and fragment, and without the values of its query, any of which may be a secret.
    pub fn shown(&self) -> String {
        let Some(mut url) = self.parsed() else { return String::new() };
        // An `http` URL with a host takes all of these.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_fragment(None);
        if let Some(query) = url.query().map(str::to_owned) {
            // Without '=' it is all value.
            let hidden = query.split('&').map(|pair| pair.split_once('=').map_or_else(|| "..".to_owned(), |(name, _)| format!("{name}=..")));
            url.set_query(Some(&hidden.collect::<Vec<_>>().join("&")));
        }
        // Braces of placeholders as they were written.
        url.to_string().replace("%7B", "{").replace("%7D", "}")
    }

    /// Whether it has a user or password, which become an `Authorization` header.
    pub fn signs_in(&self) -> bool {
        self.parsed().is_some_and(|url| !url.username().is_empty() || url.password().is_some())
    }

    /// The values of the query, as written.
    pub fn query_values(&self) -> Vec<Secret> {
        let query = self.parsed().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default();
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| Secret::new(pair.split_once('=').map_or(pair, |(_, value)| value))).collect()
    }

    fn parsed(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(&self.0).ok()
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

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads. Cannot be written in a configuration: what is configured there is to change something.
    #[serde(skip_deserializing)]
    Get,
    /// Asks for something to be done.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// As it stands on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn wire(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the server is asked to do.
    pub method: Method,
    /// The full URL, from the configuration, never from a caller.
    pub url: String,
    /// Names and values, see [`check_header`].
    pub headers: Vec<(String, Secret)>,
    /// The body; none is no body at all.
    pub body: Option<String>,
    /// Deadline over connecting, headers and body.
    pub timeout: Duration,
    /// The largest body that is read, in bytes. 0: the body is not read at all, and no answer is too large.
    pub max_body_bytes: usize,
    /// Whether a larger body is cut at the cap instead of being an error.
    pub cut_body: bool,
}

impl Request {
    /// A GET without headers of its own, whose answer must not be larger than the cap.
    pub fn get(url: impl Into<String>, timeout: Duration, max_body_bytes: usize) -> Self {
        Self { method: Method::Get, url: url.into(), headers: Vec::new(), body: None, timeout, max_body_bytes, cut_body: false }
    }
}

/// What the connection is made of; a configured value would break the exchange or let one request pass as two.
const OURS: &[&str] = &["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"];

/// Whether a header can be sent: its name is a token and none that belongs to the connection, its value is visible text on one line.
///
/// # Errors
/// What is wrong, in our words: nothing of the value is repeated.
pub fn check_header(name: &str, value: &Secret) -> Result<(), String> {
    let parsed = reqwest::header::HeaderName::try_from(name).map_err(|_| format!("header name {name:?} is not valid: write letters, digits and '-'"))?;
    if OURS.contains(&parsed.as_str()) {
        return Err(format!("header {name} belongs to the connection and is not configured"));
    }
    if value.expose().bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(format!("the value of header {name} is not valid: write visible ASCII characters and spaces, on one line"))
    }
}

/// An answer whose body was read to its end, unless the request wanted none of it or had it cut.
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
    /// The URL or a header cannot be used.
    #[error("the request is not valid: {0}")]
    BadRequest(String),
    /// The name has no address.
    #[error("the host name does not resolve")]
    Dns,
    /// Nothing listens, or the network refuses.
    #[error("the connection was refused or failed")]
    Connect,
    /// The TLS handshake failed: certificate, name or protocol.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// TLS failed after the handshake, as when the server then refuses the client.
    #[error("TLS failed: {0}")]
    TlsBroken(String),
    /// No connection was made in the time that one may take; shorter than the deadline.
    #[error("no connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
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

impl HttpError {
    /// Whether nothing of the request reached the server, for certain. Otherwise it may have been received and obeyed.
    pub fn never_sent(&self) -> bool {
        match self {
            Self::BadRequest(_) | Self::Dns | Self::Connect | Self::Tls(_) | Self::ConnectTimeout(_) => true,
            Self::TlsBroken(_) | Self::Timeout(_) | Self::Protocol | Self::BodyTooLarge(_) => false,
        }
    }
}

/// Sends requests.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request, once, and reads the answer.
    ///
    /// # Errors
    /// See [`HttpError`]; an HTTP status of any kind is an answer, no error.
    async fn send(&self, request: &Request) -> Result<Response, HttpError>;
}

/// How long a connection may take, TLS included. Long enough for three lost first packets (1 + 2 + 4 s), so that it ends what would not succeed; a
/// request whose deadline is longer then knows that nothing was sent.
const CONNECT: Duration = Duration::from_secs(10);

/// The real client. Built at the first request: loading root certificates costs more than the rest of a start.
pub struct Client {
    inner: OnceLock<reqwest::Client>,
    connect: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self { inner: OnceLock::new(), connect: CONNECT }
    }
}

impl Client {
    fn inner(&self) -> &reqwest::Client {
        self.inner.get_or_init(|| {
            // Only one provider is linked in; a second installation is refused and harmless.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                // A request that changes something must not go out twice, whatever the protocol says about it.
                .retry(reqwest::retry::never())
                .connect_timeout(self.connect)
                .pool_max_idle_per_host(0)
                .dns_resolver(NoLinkLocal)
                .user_agent(concat!("opsmedic/", env!("CARGO_PKG_VERSION")))
                .build()
                .expect("the client has no setting that can fail")
        })
    }

    async fn exchange(&self, request: &Request) -> Result<Response, HttpError> {
        let begun = tokio::time::Instant::now();
        let url = HttpUrl::try_from(Secret::new(request.url.clone())).map_err(HttpError::BadRequest)?;
        let mut sending = self.inner().request(request.method.wire(), url.expose());
        for (name, value) in &request.headers {
            check_header(name, value).map_err(HttpError::BadRequest)?;
            sending = sending.header(name, value.expose());
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let answer = sending.send().await.map_err(|e| explain(&e, self.connect))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        let mut body = Vec::new();
        if request.max_body_bytes == 0 {
            return Ok(Response { status, headers, body, elapsed: begun.elapsed() });
        }
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|e| explain(&e, self.connect))?);
            if body.len() > request.max_body_bytes {
                if request.cut_body {
                    body.truncate(request.max_body_bytes);
                    break;
                }
                return Err(HttpError::BodyTooLarge(request.max_body_bytes));
            }
        }
        Ok(Response { status, headers, body, elapsed: begun.elapsed() })
    }
}

#[async_trait]
impl Http for Client {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
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
fn explain(error: &reqwest::Error, connect: Duration) -> HttpError {
    if error.is_builder() {
        return HttpError::BadRequest("it is not a URL that can be asked".to_owned());
    }
    let mut cause = error.source();
    let mut dns = false;
    while let Some(current) = cause {
        if let Some(tls) = tls_cause(current) {
            let words = tls_words(tls).to_owned();
            return if error.is_connect() { HttpError::Tls(words) } else { HttpError::TlsBroken(words) };
        }
        dns |= current.to_string().contains("dns error");
        cause = current.source();
    }
    if dns {
        HttpError::Dns
    } else if error.is_connect() && error.is_timeout() {
        HttpError::ConnectTimeout(connect)
    } else if error.is_connect() {
        HttpError::Connect
    } else {
        HttpError::Protocol
    }
}

#[cfg(test)]
mod tests;
