//! Logging to stderr; stdout belongs to protocol and answers.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The protocol's crate prints whole arguments and results below `warn`.
const DEFAULT: &str = "warn,opsmedic=info,rmcp=warn";

/// Starts logging by a filter such as `opsmedic=debug`. People at a command line see warnings only unless they ask.
pub fn start(filter: Option<&str>, serving: bool, colour: bool) {
    let default = if serving { DEFAULT } else { "error,opsmedic=warn" };
    let wanted = filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new(default));
    // Whatever was asked for, payloads of the protocol stay out: they hold what users sent.
    let wanted = ["rmcp=warn", "hyper=warn", "sqlx=warn"].iter().filter_map(|d| d.parse().ok()).fold(wanted, EnvFilter::add_directive);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(wanted).with(layer).try_init();
}
