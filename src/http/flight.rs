//! How many requests are under way, so that an end can wait for them: from the head, over the body that is still arriving, to the last of the answer.
//!
//! A stream of events counts only until it begins: it may listen for ever, and a call that is answered on it is counted where it runs.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

use super::reply;

/// The requests of a server that are under way.
#[derive(Debug, Default)]
pub(super) struct Flight(watch::Sender<usize>);

impl Flight {
    fn begin(self: &Arc<Self>) -> Aloft {
        self.0.send_modify(|count| *count += 1);
        Aloft(self.clone())
    }

    /// Whether none is under way.
    pub(super) fn is_over(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Waits until none is under way.
    pub(super) async fn over(&self) {
        // The sender lives as long as this waits.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A request that is under way until this is dropped.
struct Aloft(Arc<Flight>);

impl Drop for Aloft {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Counts a request, until its answer is out.
pub(super) async fn count(flight: &Arc<Flight>, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    let aloft = flight.begin();
    let response = answer.await;
    if reply::is_stream(&response) {
        return response;
    }
    response.map(|body| Body::new(Counted { body, _aloft: aloft }))
}

/// An answer's body, of which something is still to be sent.
struct Counted {
    body: Body,
    _aloft: Aloft,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
