//! HTTP requests for checks and actions: no redirects, no proxies, a deadline over the whole exchange and a cap on the body.

use std::{error::Error as _, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;

/// A GET request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The full URL, from the configuration, never from a caller.
    pub url: String,
    /// Deadline over connecting, headers and body.
    pub timeout: Duration,
    /// The largest body that is read, in bytes.
    pub max_body_bytes: usize,
}

/// An answer whose body was read to its end.
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
                .user_agent(concat!("opsmedic/", env!("CARGO_PKG_VERSION")))
                .build()
                .expect("the client has no setting that can fail")
        })
    }

    async fn exchange(&self, request: &Request) -> Result<Response, HttpError> {
        let begun = tokio::time::Instant::now();
        let answer = self.inner().get(&request.url).send().await.map_err(|e| explain(&e))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        let mut body = Vec::new();
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

/// Sorts reqwest's nested errors into ours.
fn explain(error: &reqwest::Error) -> HttpError {
    if error.is_builder() {
        return HttpError::BadUrl(error.to_string());
    }
    let mut chain = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    let has = |needle: &str| chain.iter().any(|text| text.contains(needle));
    if has("dns error") || has("failed to lookup address") {
        HttpError::Dns
    } else if let Some(tls) =
        chain.iter().find(|text| text.contains("certificate") || text.contains("tls") || text.contains("TLS") || text.contains("InvalidContentType"))
    {
        HttpError::Tls(tls.clone())
    } else if error.is_connect() {
        HttpError::Connect
    } else {
        HttpError::Protocol
    }
}
