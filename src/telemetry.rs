//! Logging to stderr; stdout belongs to protocol and answers. Whatever is written was redacted and sanitised, at every level.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::types::{redact::Redactor, sanitise::sanitise};

/// The protocol's crate prints whole arguments and results below `warn`.
const DEFAULT: &str = "warn,opsmedic=info,rmcp=warn";

/// Crates that log what passes through them.
const PAYLOADS: &[&str] = &["rmcp", "hyper", "sqlx", "tokio_postgres", "bollard", "reqwest"];

/// Knows the configured secrets, once there is a configuration.
static REDACTOR: OnceLock<Arc<Redactor>> = OnceLock::new();

/// Keeps these secrets out of all that is written from now on.
pub fn keep_out(redactor: Arc<Redactor>) {
    // A second one (in tests) changes nothing.
    let _ = REDACTOR.set(redactor);
}

/// A text as it may be shown on stderr.
pub fn cleaned(text: &str) -> String {
    let shapes = Redactor::default();
    sanitise(&REDACTOR.get().map_or(&shapes, Arc::as_ref).redact(text)).into_owned()
}

/// Standard error, which each event is written to at once.
struct Cleaned;

impl Write for Cleaned {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(cleaned(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A defect is told like everything else: its message may quote what it stumbled over.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        // Where stderr is gone there is nobody to tell.
        let _ = Cleaned.write_all(format!("thread '{}' {panic}\n", thread.name().unwrap_or("unnamed")).as_bytes());
    }));
}

/// Starts logging by a filter such as `opsmedic=debug`. People at a command line see warnings only unless they ask.
pub fn start(filter: Option<&str>, serving: bool) {
    let default = if serving { DEFAULT } else { "error,opsmedic=warn" };
    tell_panics();
    // Whatever is asked for, payloads stay out: they hold what users sent and what servers answered.
    let allowed = |directive: &&str| !PAYLOADS.iter().any(|name| directive.trim().starts_with(name));
    let asked = filter.map(|text| text.split(',').filter(allowed).collect::<Vec<_>>().join(","));
    let wanted = asked.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new(default));
    let wanted = PAYLOADS.iter().filter_map(|name| format!("{name}=warn").parse().ok()).fold(wanted, EnvFilter::add_directive);
    let layer = fmt::layer().with_writer(|| Cleaned).with_ansi(false).with_target(false);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(wanted).with(layer).try_init();
}
