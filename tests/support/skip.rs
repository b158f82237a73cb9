//! Skipping by name, with a reason that reaches the summary of tests/run.

use std::{fs::OpenOptions, io::Write as _};

/// Records a skip: on stdout and, where tests/run asks for it, in its file as `name<TAB>reason`.
pub(crate) fn record(name: &str, reason: &str) {
    // `blackbox::recovery::name` as the function knows itself; `recovery::name` as cargo prints it.
    let name = name.split_once("::").map_or(name, |(_, rest)| rest);
    let reason = reason.replace(['\n', '\t'], " ");
    println!("skipped: {name}: {reason}");
    if let Some(file) = std::env::var_os("OPSMEDIC_TEST_SKIPS") {
        // One write, so that lines of tests that run at once do not mix.
        let line = format!("{name}\t{reason}\n");
        OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Skips the test that calls it: `skip!("no Docker here")`.
macro_rules! skip {
    ($reason:expr) => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        $crate::support::skip::record(name.trim_end_matches("::here").trim_end_matches("::{{closure}}"), &$reason);
        return;
    }};
}

/// The server, or a skip with the reason why this machine cannot have one: `let redis = need!(Redis::start());`.
macro_rules! need {
    ($server:expr) => {
        match $server {
            Ok(server) => server,
            Err(reason) => $crate::support::skip::skip!(reason),
        }
    };
}

pub(crate) use {need, skip};
