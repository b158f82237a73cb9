//! Any text as a configuration: it is understood, or an error without hostile characters says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsmedic::config::{Config, Env};

fuzz_target!(|text: &str| {
    // A value may name a file or a variable, and those differ from machine to machine.
    if text.contains("${") {
        return;
    }
    match Config::parse(text, None, &Env::default()) {
        Ok(config) => drop(config.secrets()),
        Err(error) => assert!(!error.to_string().contains('\u{1b}'), "{error:?}"),
    }
});
