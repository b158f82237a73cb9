//! Why HTTP is not served.

use std::path::PathBuf;

/// Something about the configuration of HTTP, or the files that it names, does not hold. The texts repeat no value of those files.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Others could reach the server, and it is not protected.
    #[error("{address} can be reached from other machines: {}; or listen on 127.0.0.1", missing.join(", and "))]
    Exposed {
        /// Where it was to listen.
        address: std::net::SocketAddr,
        /// What a person has to configure.
        missing: Vec<&'static str>,
    },
    /// The file of tokens.
    #[error("http.auth.tokens_file {path}: {why}")]
    Tokens {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file for TLS.
    #[error("http.tls.{key} {path}: {why}")]
    Tls {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}
