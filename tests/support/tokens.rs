//! Bearer tokens of the tests, each with its scopes.

use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Lines of a configuration whose sandbox has a file of [`tokens`] at `tokens.toml`.
pub(crate) const AUTH: &str = "[http.auth]\ntokens_file = \"{dir}/tokens.toml\"\n";

/// Each token of the tests with its scopes.
pub(crate) const TOKENS: &[(&str, &[&str])] = &[
    ("reader", &["read"]),
    ("restarter", &["read", "recover:restart_service"]),
    ("roller", &["read", "recover:rollback"]),
    ("blind", &["recover:restart_service"]),
    ("chief", &["read", "recover:*"]),
    ("nobody", &[]),
];

/// The token of this name.
pub(crate) fn token(name: &str) -> String {
    format!("{name}-canary-token-0123456789")
}

/// The header with that token.
pub(crate) fn bearer(name: &str) -> String {
    format!("Bearer {}", token(name))
}

/// A token's lines in the file.
pub(crate) fn entry(name: &str, scopes: &[&str]) -> String {
    let sha256: String = Sha256::digest(token(name)).iter().map(|b| format!("{b:02x}")).collect();
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = {}\n", json!(scopes))
}

/// The file with all of them.
pub(crate) fn tokens() -> String {
    TOKENS.iter().map(|(name, scopes)| entry(name, scopes)).collect()
}
