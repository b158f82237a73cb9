//! Streams that only listen. They may stay open for longer than the credential that opened them is good, and so end with it.
//!
//! The answer to a POST is none of these: it ends with its call, which has a deadline, and is not lost because a token expired on the way. What travels on
//! a stream that listens (all answers of the older transport, and those that a client comes back for) is cut with it; a recovery goes on and stays on record.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, Response},
};
use futures::StreamExt as _;

use crate::http::reply;

/// How often a credential is looked at while a stream lasts that it opened.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// The header that says what is asked for. The protocol's own check refuses a request whose body says otherwise.
const METHOD: &str = "mcp-method";
/// The one method that listens.
const LISTEN: &str = "subscriptions/listen";

/// Whether a stream that answers this request only listens.
pub(super) fn listens<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET || request.headers().get(METHOD).is_some_and(|method| method == LISTEN)
}

/// The answer, which ends when this is ready if it is a stream.
pub(super) fn until(gone: impl Future<Output = ()> + Send + 'static, response: Response<Body>) -> Response<Body> {
    if !reply::is_stream(&response) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(gone))))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::stream;

    use super::*;

    #[test]
    fn what_listens_is_told_from_what_is_called() {
        let request = |method: &str, says: Option<&str>| {
            let mut request = Request::builder().method(method).uri("/mcp");
            if let Some(says) = says {
                request = request.header("Mcp-Method", says);
            }
            listens(&request.body(Body::empty()).expect("a request"))
        };
        assert!(request("GET", None) && request("POST", Some(LISTEN)));
        assert!(!request("POST", None) && !request("POST", Some("tools/call")) && !request("DELETE", None));
    }

    #[tokio::test]
    async fn only_a_stream_of_events_is_cut() {
        for (kind, whole) in [("text/event-stream", "one"), ("application/json", "one two")] {
            let parts = stream::iter([(0, "one"), (500, " two")]).then(|(milliseconds, part)| async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Ok::<_, std::io::Error>(part)
            });
            let response = Response::builder().header("content-type", kind).body(Body::from_stream(parts)).expect("a response");
            let cut = until(tokio::time::sleep(Duration::from_millis(100)), response);
            assert_eq!(to_bytes(cut.into_body(), 100).await.expect("it ends well"), whole, "{kind}");
        }
    }
}
