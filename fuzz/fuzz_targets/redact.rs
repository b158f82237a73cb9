//! Any text through redaction: what was redacted stays as it is, a planted secret is gone in each of its forms, and nothing hostile is left.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use opsmedic::types::{redact::Redactor, sanitise::sanitise, secret::Secret};

const SECRET: &str = "fuzz-Secret/0";

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::with_secrets(&[Secret::new(SECRET)]));

fuzz_target!(|text: &str| {
    let redacted = REDACTOR.redact(text);
    assert!(!redacted.contains(SECRET), "{text:?}");
    if REDACTOR.is_clean(text) {
        assert_eq!(redacted, text);
    }
    let clean = sanitise(&redacted);
    assert_eq!(sanitise(&clean), clean, "{text:?}");
});
