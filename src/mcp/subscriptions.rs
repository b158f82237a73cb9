//! Tells subscribers when a resource changed: a session's own subscriptions in the revisions that know sessions, and `subscriptions/listen` in 2026-07-28.
//!
//! **Invariant:** a subscription ends with its session or its request, and there are never more of them than the limits say.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, stream};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{ResourceUpdatedNotificationParam, SubscriptionFilter},
    service::{RequestContext, SubscriptionContext},
};
use tokio::task::AbortHandle;

use super::{
    Hub, ToolError, content,
    resources::{self, Reading},
};
use crate::flows::changes::{Full, Topic, Watcher};

/// How many resources a session, or a listener, may be told about.
const MOST_EACH: usize = 100;

/// Tells a session's client until it is dropped.
struct Telling(AbortHandle);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The subscriptions of one session.
#[derive(Default)]
pub(super) struct OfSession {
    by_uri: Mutex<HashMap<String, Telling>>,
}

/// A clone of a server serves another session, which has subscribed to nothing yet.
impl Clone for OfSession {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl OfSession {
    fn by_uri(&self) -> MutexGuard<'_, HashMap<String, Telling>> {
        self.by_uri.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(most: impl std::fmt::Display) -> ToolError {
    ToolError::new("invalid_input", format!("{most}, and there may be no more"), "unsubscribe from something, or look with resources/read")
}

impl From<Full> for ToolError {
    fn from(error: Full) -> Self {
        Self::new("busy", error.to_string(), "look with resources/read, or try again later")
    }
}

/// `resources/subscribe`
pub(super) async fn subscribe(hub: &Hub, session: &OfSession, owner: &str, uri: String, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let work = async {
        let (resource, values) = resources::find(&uri)?;
        let topic = (resource.topic)(&values);
        if !matches!(topic, Some(Topic::Recoveries | Topic::Health)) {
            // What is not there yet will never be: its name was made up.
            (resource.read)(Reading { hub, owner, values: &values }).await?;
        }
        // A resource that stays as it is can be subscribed to; there is nothing to tell about it.
        let Some(topic) = topic else { return Ok(()) };
        let watcher = hub.content.changes.watch(topic, owner).await?;
        let mut by_uri = session.by_uri();
        if by_uri.len() >= MOST_EACH && !by_uri.contains_key(&uri) {
            return Err(full(format!("this session has {MOST_EACH} subscriptions")));
        }
        let telling = tokio::spawn(tell(watcher, context.peer.clone(), uri.clone()));
        by_uri.insert(uri.clone(), Telling(telling.abort_handle()));
        Ok(())
    };
    content::answer(hub, context, work).await
}

/// `resources/unsubscribe`: one that is not there is no error.
pub(super) fn unsubscribe(session: &OfSession, uri: &str) {
    session.by_uri().remove(uri);
}

async fn tell(mut watcher: Watcher, peer: Peer<RoleServer>, uri: String) {
    loop {
        watcher.changed().await;
        if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri.clone())).await.is_err() {
            return;
        }
    }
}

fn topic(uri: &str) -> Option<Topic> {
    let (resource, values) = resources::find(uri).ok()?;
    (resource.topic)(&values)
}

/// What a listener is told about, of what it asked for: resources that change. Lists stay as they are while the server runs.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut uris: Vec<String> = Vec::new();
    for uri in requested.resource_subscriptions.iter().flatten() {
        if uris.len() < MOST_EACH && !uris.contains(uri) && topic(uri).is_some() {
            uris.push(uri.clone());
        }
    }
    if uris.is_empty() { SubscriptionFilter::new() } else { SubscriptionFilter::builder().resource_subscriptions(uris).build() }
}

/// `subscriptions/listen`, until the client goes.
pub(super) async fn listen(hub: &Hub, owner: &str, context: SubscriptionContext) -> Result<(), ErrorData> {
    let refused = |error: ToolError| content::refusal(&hub.services, &error);
    let busy = || ToolError::new("busy", "too many clients are listening", "look with resources/read, or try again later");
    let _place = hub.content.listening.try_acquire().map_err(|_| refused(busy()))?;
    let updates = updates(hub, owner, context.accepted()).await.map_err(|error| refused(error.into()))?;
    let mut updates = std::pin::pin!(updates);
    loop {
        tokio::select! {
            biased;
            () = context.cancelled() => return Ok(()),
            Some(uri) = updates.next() => if context.sink().notify_resource_updated(uri).await.is_err() {
                return Ok(());
            },
        }
    }
}

/// The uris of what changes, as it changes; goes on for ever, also where nothing can change.
async fn updates(hub: &Hub, owner: &str, accepted: &SubscriptionFilter) -> Result<impl futures::Stream<Item = String> + use<>, Full> {
    let mut each = vec![stream::pending().boxed()];
    for uri in accepted.resource_subscriptions.iter().flatten() {
        let Some(topic) = topic(uri) else { continue };
        // An operation that is not there yet will never be: its name was made up.
        if let Topic::Operation(id) = &topic
            && hub.services.recovery.get(id).await.is_err()
        {
            continue;
        }
        let watcher = hub.content.changes.watch(topic, owner).await?;
        let uri = uri.clone();
        each.push(
            stream::unfold((watcher, uri), |(mut watcher, uri)| async {
                watcher.changed().await;
                Some((uri.clone(), (watcher, uri)))
            })
            .boxed(),
        );
    }
    Ok(stream::select_all(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_accepted_and_not_too_much_of_it() {
        let id = format!("opsmedic://recoveries/op_{}", "0".repeat(32));
        let wanted = ["opsmedic://recoveries", "opsmedic://inventory", "opsmedic://health/last", "opsmedic://recoveries/op_1", "file:///x", &id, &id];
        let requested = SubscriptionFilter::builder().tools_list_changed().resource_subscriptions(wanted).build();
        let given = accepted(&requested);
        assert_eq!(given.resource_subscriptions, Some(vec![wanted[0].to_owned(), wanted[2].to_owned(), id]));
        assert_eq!(given.tools_list_changed, None);
        let many = SubscriptionFilter::builder().resource_subscriptions((0..500).map(|i| format!("opsmedic://recoveries/op_{i:032x}"))).build();
        assert_eq!(accepted(&many).resource_subscriptions.map_or(0, |uris| uris.len()), MOST_EACH);
        assert_eq!(accepted(&SubscriptionFilter::new()), SubscriptionFilter::new());
    }
}
