//! What the engines that speak over a bare connection share: dialling, TLS, a cap on received bytes, one kind of error.
//!
//! Knows no protocol above TLS. Every function that waits is dropped safely: what it opened is closed with it.
//!
//! **Invariant:** no text that a peer sent is in an error of this module, except in [`WireError::Server`], which says so.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::ports::http::tls_words;

/// Where a call stood when something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Name resolution and the TCP or Unix connection.
    Connect,
    /// TLS, start-up messages and authentication.
    SignIn,
    /// A command after that.
    Command,
}

/// Why an engine has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The URL cannot be used; the text is ours and holds no secret.
    #[error("the URL cannot be used: {0}")]
    Url(String),
    /// The name has no address.
    #[error("the host name does not resolve")]
    Dns,
    /// Nothing listens, or the network refuses.
    #[error("the connection was refused or failed")]
    Connect,
    /// The caller's deadline passed.
    #[error("{}", match .0 {
        Stage::Connect => "the connection was not accepted in time",
        Stage::SignIn => "it accepts connections, but the sign-in did not finish in time",
        Stage::Command => "it accepts connections, but a command was not answered in time",
    })]
    Timeout(Stage),
    /// TLS failed: certificate, name, protocol, or the server has none.
    #[error("TLS failed: {0}")]
    Tls(&'static str),
    /// More bytes came than any honest answer has; reading stopped there.
    #[error("the answer is larger than {0} bytes")]
    TooMuch(u64),
    /// What came is not the protocol, or the connection broke in the middle.
    #[error("the answer is not valid in this protocol or broke off")]
    Protocol,
    /// The server answered with an error. Both texts are the server's: untrusted.
    #[error("the server answered with an error")]
    Server {
        /// The error code as sent: an SQLSTATE, or the first word of a Redis error.
        code: String,
        /// The error text as sent.
        message: String,
    },
}

/// A connection of any make.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host name or address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Connects.
///
/// # Errors
/// [`WireError::Dns`], [`WireError::Connect`], [`WireError::Timeout`] once `until` has passed.
pub async fn dial(address: &Address, until: Instant) -> Result<Box<dyn Duplex>, WireError> {
    let connecting = async {
        match address {
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(|_| WireError::Connect)?) as Box<dyn Duplex>),
            Address::Tcp(host, port) => {
                let mut found: Vec<_> = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(|_| WireError::Dns)?.collect();
                found.truncate(8);
                let stream = TcpStream::connect(found.as_slice()).await.map_err(|_| WireError::Connect)?;
                stream.set_nodelay(true).map_err(|_| WireError::Connect)?;
                Ok(Box::new(stream) as Box<dyn Duplex>)
            }
        }
    };
    within(until, Stage::Connect, connecting).await
}

/// Waits at most until `until`.
///
/// # Errors
/// [`WireError::Timeout`] of this stage, or what the work itself fails with.
pub async fn within<T>(until: Instant, stage: Stage, work: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    timeout_at(until, work).await.unwrap_or(Err(WireError::Timeout(stage)))
}

/// The password of `scheme://user:password@host` as it is written, undecoded.
pub(super) fn password_as_written(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (userinfo, _) = rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())].rsplit_once('@')?;
    userinfo.split_once(':').map(|(_, password)| password).filter(|p| !p.is_empty())
}

/// How much of a server's certificate is checked; the names follow libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing (`require`): encrypted, but the peer may be anyone.
    Nothing,
    /// The issuer (`verify-ca`).
    Chain,
    /// The issuer and the name (`verify-full`).
    Full,
}

/// The certificate bundles of the usual distributions, first found wins.
const SYSTEM_ROOTS: [&str; 4] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// Puts TLS over a connection. `roots` is a PEM file of trusted issuers; without one, the system's.
///
/// # Errors
/// [`WireError::Tls`], [`WireError::Timeout`], [`WireError::Url`] when the host is no name or the file of issuers cannot be read.
pub async fn tls(stream: Box<dyn Duplex>, host: &str, verify: Verify, roots: Option<&Path>, until: Instant) -> Result<Box<dyn Duplex>, WireError> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| WireError::Url("the host is not a name for TLS".to_owned()))?;
    let config = tls_config(verify, roots).await?;
    let shaking = async {
        let done = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        done.map(|tls| Box::new(tls) as Box<dyn Duplex>).map_err(|error| tls_error(&error))
    };
    within(until, Stage::SignIn, shaking).await
}

fn tls_error(error: &io::Error) -> WireError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(known) => WireError::Tls(tls_words(known)),
        None => WireError::Protocol,
    }
}

async fn tls_config(verify: Verify, roots: Option<&Path>) -> Result<rustls::ClientConfig, WireError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = match verify {
        Verify::Nothing => None,
        Verify::Chain | Verify::Full => {
            let store = Arc::new(root_store(roots).await?);
            let built = WebPkiServerVerifier::builder_with_provider(store, provider.clone()).build();
            Some(built.map_err(|_| WireError::Url("there are no trusted certificate issuers".to_owned()))?)
        }
    };
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the ring provider has the default versions");
    let builder = builder.dangerous();
    Ok(match (verify, chain) {
        (Verify::Full, Some(chain)) => builder.with_custom_certificate_verifier(chain).with_no_client_auth(),
        (_, chain) => builder.with_custom_certificate_verifier(Arc::new(Lenient { chain, provider })).with_no_client_auth(),
    })
}

async fn root_store(roots: Option<&Path>) -> Result<RootCertStore, WireError> {
    let wrong = |what: &str| WireError::Url(what.to_owned());
    let pem = match roots {
        Some(file) => tokio::fs::read(file).await.map_err(|_| wrong("the file of trusted issuers cannot be read"))?,
        None => {
            let mut pem = Err(wrong("this machine has no bundle of trusted issuers: name a file of them"));
            for file in SYSTEM_ROOTS {
                if let Ok(bytes) = tokio::fs::read(file).await {
                    pem = Ok(bytes);
                    break;
                }
            }
            pem?
        }
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if store.is_empty() { Err(wrong("the file of trusted issuers holds no certificate")) } else { Ok(store) }
}

/// Accepts any name, and without a chain any certificate; handshake signatures are still checked.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is looked at last: whoever fails only there has a good chain.
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How many bytes a connection may still receive. Clones share the count.
#[derive(Debug, Clone)]
pub struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// Allows this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Sets what is allowed from now on.
    pub fn grant(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether all of it is used up.
    pub fn spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Looks at received bytes before the protocol's library does, and may refuse them.
pub trait Inspect: Send + Unpin {
    /// Looks at the next bytes, in order, in pieces of any size.
    ///
    /// # Errors
    /// Any error ends the connection.
    fn look(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Lets everything through.
pub struct NoInspection;

impl Inspect for NoInspection {
    fn look(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that fails once its [`Allowance`] is spent, or when its inspector objects.
pub struct Limited<I> {
    inner: Box<dyn Duplex>,
    allowance: Allowance,
    inspector: I,
}

impl<I: Inspect> Limited<I> {
    /// Wraps a connection.
    pub fn new(inner: Box<dyn Duplex>, allowance: Allowance, inspector: I) -> Self {
        Self { inner, allowance, inspector }
    }
}

impl<I: Inspect> AsyncRead for Limited<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.allowance.spent() {
            return Poll::Ready(Err(io::Error::other("more bytes than allowed")));
        }
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = &buf.filled()[before..];
        let left = self.allowance.0.load(Ordering::Relaxed);
        self.allowance.grant(left.saturating_sub(fresh.len() as u64));
        Poll::Ready(self.inspector.look(fresh))
    }
}

impl<I: Inspect> AsyncWrite for Limited<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
