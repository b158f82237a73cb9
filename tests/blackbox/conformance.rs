//! The protocol's own conformance suite against the product's transports and server, with the fixtures of `examples/conformance.rs`.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    clients::{tools, with_its_node},
    support::{
        sandbox::{BINARY, Sandbox, finish},
        skip::need,
    },
};

/// The example, beside the binary; ended with the test.
struct Example {
    child: Child,
    url: String,
}

impl Example {
    fn start(sandbox: &Sandbox, program: &Path) -> Self {
        let mut command = Command::new(program);
        sandbox.confine(&mut command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Gone already, or ended here: nothing outlives its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `cargo test` builds before it runs the tests, but not for a single one of them.
fn example() -> Result<PathBuf, String> {
    let program = Path::new(BINARY).with_file_name("examples").join("conformance");
    if program.is_file() { Ok(program) } else { Err("not built: cargo build --release --example conformance".to_owned()) }
}

/// Every scenario that the revision scores ran, and none failed.
fn conforms(revision: &str, scored: usize, program: &Path, example: &Path) {
    let sandbox = Sandbox::new("");
    let server = Example::start(&sandbox, example);
    let mut command = with_its_node(&sandbox, program, program.parent().unwrap().to_owned());
    let run = finish(command.args(["server", "--url", &server.url, "--requirements", revision, "-o", "results"]), b"");
    let summary = run.stdout.split("=== SUMMARY ===").nth(1).unwrap_or_else(|| panic!("no summary: {run}"));
    let (results, others) = summary.split_once("Not scored").unwrap_or((summary, ""));
    // A scenario that is not scored for this revision stands in both lists.
    let counts = |line: &&str| !others.lines().any(|other| line.split(':').next().is_some_and(|name| other.trim().starts_with(name)));
    let of = |mark: &str| results.lines().filter(|line| line.starts_with(mark)).filter(counts).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of("✗"), Vec::<String>::new(), "{revision} fails: {run}");
    assert_eq!(of("✓").len(), scored, "{revision} did not run what it scores: {run}");
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn conforms_to_2025_11_25() {
    let program = need!(tools("conformance/node_modules/.bin/conformance", "OPSMEDIC_TEST_NO_CONFORMANCE"));
    conforms("2025-11-25", 30, &program, &need!(example()));
}

#[test]
fn conforms_to_2026_07_28() {
    let program = need!(tools("conformance/node_modules/.bin/conformance", "OPSMEDIC_TEST_NO_CONFORMANCE"));
    conforms("2026-07-28", 37, &program, &need!(example()));
}
