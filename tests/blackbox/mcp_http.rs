//! MCP over HTTP, byte by byte: both transports, all revisions, limits and ends.

use serde_json::json;

use crate::support::{
    sandbox::Sandbox,
    served::{Served, SseClient},
};

#[test]
fn three_ways_to_call_give_the_same_answer() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let evidence = json!({"error_rate_percent": 60, "response_time_ms": 40_000, "description": "checkout is down"});
    let modern = served.call(&[], "classify_incident", &evidence);
    let session = served.session(&[]).call("classify_incident", &evidence);
    let sse = SseClient::open(&served, &[]).call("classify_incident", &evidence);
    assert_eq!(modern["structuredContent"], session["structuredContent"]);
    assert_eq!(modern["structuredContent"], sse["structuredContent"]);
    assert_eq!(modern["structuredContent"]["severity"], "P0", "{modern:#}");
}
