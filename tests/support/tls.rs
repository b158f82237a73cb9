//! Certificates of the test's own, made by `openssl`, and a client that speaks TLS.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::served::{Reply, parse};

/// An issuer of certificates, in a folder.
pub(crate) struct Issuer {
    folder: PathBuf,
    name: String,
}

/// Runs `openssl` in a folder.
pub(crate) fn openssl(folder: &Path, args: &[&str]) -> Result<(), String> {
    let ran = Command::new("openssl").args(args).current_dir(folder).output().map_err(|e| format!("openssl cannot be run here: {e}"))?;
    assert!(ran.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// For a new key on the curve P-256.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Issuer {
    /// A new one; an error where this machine has no `openssl`.
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self, String> {
        let (key, cert, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
        let args = [&["req", "-x509", "-days", "2"][..], &KEY, &["-keyout", &key, "-out", &cert, "-subj", &subject]].concat();
        openssl(folder, &args)?;
        Ok(Self { folder: folder.to_owned(), name: name.to_owned() })
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Issues `NAME.pem` with `NAME.key`, good for localhost.
    pub(crate) fn issue(&self, name: &str) {
        let (key, request, cert) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        openssl(&self.folder, &[&["req", "-new"][..], &KEY, &["-keyout", &key, "-out", &request, "-subj", &subject]].concat()).unwrap();
        fs::write(self.folder.join("leaf.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
        let (ca, ca_key) = (format!("{}.pem", self.name), format!("{}.key", self.name));
        let args = ["x509", "-req", "-days", "2", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-set_serial", "7", "-extfile", "leaf.ext", "-out", &cert];
        openssl(&self.folder, &args).unwrap();
    }

    /// A client that believes this issuer, with the certificate of this name if one is given.
    pub(crate) fn client(&self, own: Option<&str>) -> TlsClient {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![CertificateDer::from_pem_file(self.folder.join(format!("{name}.pem"))).unwrap()];
                let key = PrivateKeyDer::from_pem_file(self.folder.join(format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        TlsClient(Arc::new(config))
    }
}

/// Sends single requests.
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Sends these bytes and reads the reply to its end.
    ///
    /// # Errors
    /// A handshake or connection that failed.
    pub(crate) fn exchange(&self, stream: TcpStream, request: &str) -> io::Result<Reply> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let connection = ClientConnection::new(self.0.clone(), ServerName::try_from("localhost").unwrap()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            // A peer that closes without saying so has still answered.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {}
            Err(error) => return Err(error),
        }
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(parse(&bytes)) }
    }
}
