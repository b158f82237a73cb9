//! What the tests stand on: a hermetic place to run the binary in, an MCP client, real servers on free ports, and hostile ones.

pub(crate) mod docker;
pub(crate) mod hostile;
pub(crate) mod leash;
pub(crate) mod mcp;
pub(crate) mod sandbox;
pub(crate) mod servers;
pub(crate) mod skip;
pub(crate) mod web;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A port on which nothing listens at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Asks again and again until the answer is yes; false when the time is up.
pub(crate) fn wait_for(limit: Duration, mut yes: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !yes() {
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A program by name, from PATH and the places that Debian keeps out of a user's PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// The folder of this package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The entry of a list (or the values of a map) whose `name` is this.
pub(crate) fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    let found = match list {
        Value::Array(items) => items.iter().find(|item| item["name"] == name),
        Value::Object(map) => map.get(name),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("no '{name}' in {list:#}"))
}
