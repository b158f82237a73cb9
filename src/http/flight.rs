//! How many requests are under way, so that an end can wait for them: from the head, over the body that is still arriving, to the last of the answer.
//!
//! A stream of events counts only until it begins: it may listen for ever, and a call that is answered on it is counted where it runs.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

use super::reply;

/// The requests of a server that are under way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    count: AtomicUsize,
    none: Notify,
}

impl Flight {
    fn begin(self: &Arc<Self>) -> Aloft {
        self.count.fetch_add(1, Ordering::SeqCst);
        Aloft(self.clone())
    }

    /// Whether none is under way.
    pub(super) fn is_over(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Waits until none is under way.
    pub(super) async fn over(&self) {
        loop {
            let none = self.none.notified();
            if self.is_over() {
                return;
            }
            none.await;
        }
    }
}

/// A request that is under way until this is dropped.
struct Aloft(Arc<Flight>);

impl Drop for Aloft {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
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
