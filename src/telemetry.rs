//! Logging to stderr; stdout belongs to protocol and answers.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The protocol's crate prints whole arguments and results below `warn`.
const DEFAULT: &str = "warn,opsmedic=info,rmcp=warn";

/// Crates that log what passes through them.
const PAYLOADS: &[&str] = &["rmcp", "hyper", "sqlx", "tokio_postgres", "bollard", "reqwest"];

/// Starts logging by a filter such as `opsmedic=debug`. People at a command line see warnings only unless they ask.
pub fn start(filter: Option<&str>, serving: bool) {
    let default = if serving { DEFAULT } else { "error,opsmedic=warn" };
    // Whatever is asked for, payloads stay out: they hold what users sent and what servers answered.
    let allowed = |directive: &&str| !PAYLOADS.iter().any(|name| directive.trim().starts_with(name));
    let asked = filter.map(|text| text.split(',').filter(allowed).collect::<Vec<_>>().join(","));
    let wanted = asked.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new(default));
    let wanted = PAYLOADS.iter().filter_map(|name| format!("{name}=warn").parse().ok()).fold(wanted, EnvFilter::add_directive);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(wanted).with(layer).try_init();
}
