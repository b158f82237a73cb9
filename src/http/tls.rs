//! TLS: certificate and key from files, read again when they change; optionally only for clients with a certificate.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::{
    Settings, StartError,
    files::{self, Stamp},
};

/// How often the files are looked at, at the most.
const LOOK: Duration = Duration::from_secs(1);

/// `[http.tls]`: encryption by this server itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The server's certificate and those between it and a known issuer, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM; not to be readable by everybody.
    pub key_file: PathBuf,
    /// Issuers of client certificates, PEM. With it, clients without a certificate of these are not served; the certificate alone permits nothing.
    pub client_ca_file: Option<PathBuf>,
}

impl TlsSettings {
    pub(super) fn validate(&self) -> Result<(), String> {
        let relative = self.files().into_iter().find(|(_, path)| path.is_relative());
        relative.map_or(Ok(()), |(key, _)| Err(format!("http.tls.{key}: write the full path")))
    }

    fn files(&self) -> Vec<(&'static str, &Path)> {
        let both = [("cert_file", &*self.cert_file), ("key_file", &*self.key_file)];
        both.into_iter().chain(self.client_ca_file.as_deref().map(|path| ("client_ca_file", path))).collect()
    }

    /// What the files are like; files that are not there have nothing.
    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files().into_iter().map(|(_, path)| Stamp::of(path).ok()).collect()
    }

    fn load(&self) -> Result<Arc<ServerConfig>, StartError> {
        let wrong = |(key, path): (&'static str, &Path), why: &str| StartError::Tls { key, path: path.to_owned(), why: why.to_owned() };
        let cert = ("cert_file", &*self.cert_file);
        let chain = certificates(cert.1).map_err(|why| wrong(cert, &why))?;
        let at = ("key_file", &*self.key_file);
        let content = files::read(at.1).map_err(|why| wrong(at, &why))?;
        if content.mode & 0o007 != 0 {
            return Err(wrong(at, &format!("everybody may use it; run: chmod o-rwx {}", at.1.display())));
        }
        let key = PrivateKeyDer::from_pem_slice(content.text.as_bytes()).map_err(|_| wrong(at, "holds no private key in PEM"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().expect("the ring provider has the default versions");
        let builder = match self.client_ca_file.as_deref() {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let at = ("client_ca_file", path);
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path).map_err(|why| wrong(at, &why))? {
                    roots.add(certificate).map_err(|_| wrong(at, "holds a certificate that cannot be used"))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|_| wrong(at, "holds no issuer"))?)
            }
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|_| wrong(at, "does not belong to the certificate, or is of a kind that cannot be used"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = files::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content.text.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| "holds no certificate in PEM, or a broken one".to_owned())
}

struct State {
    config: Arc<ServerConfig>,
    seen: Vec<Option<Stamp>>,
    looked: Instant,
}

/// What connections are encrypted with.
pub struct Tls {
    settings: TlsSettings,
    state: Mutex<State>,
}

impl Tls {
    /// By the configuration; none where it says nothing of TLS.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn load(settings: &Settings) -> Result<Option<Arc<Self>>, StartError> {
        let Some(tls) = &settings.tls else { return Ok(None) };
        let seen = tls.stamps();
        let state = Mutex::new(State { config: tls.load()?, seen, looked: Instant::now() });
        Ok(Some(Arc::new(Self { settings: tls.clone(), state })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a new connection, with what is in the files now. New files that cannot be used change nothing.
    pub(super) async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        if self.due() {
            let tls = self.clone();
            // A file system may hang; a thread that serves others must not.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
        TlsAcceptor::from(self.state().config.clone())
    }

    fn due(&self) -> bool {
        let mut state = self.state();
        let due = state.looked.elapsed() >= LOOK;
        if due {
            state.looked = Instant::now();
        }
        due
    }

    fn look(&self) {
        let stamps = self.settings.stamps();
        if self.state().seen == stamps {
            return;
        }
        let loaded = self.settings.load();
        let mut state = self.state();
        state.seen = stamps;
        match loaded {
            Ok(config) => {
                tracing::info!("certificate and key were read again");
                state.config = config;
            }
            Err(error) => tracing::error!(%error, "the new certificate is not used; the one before stays"),
        }
    }
}
