//! Events: each is received once and in order, or there is a gap, on every transport and through every fault.

mod costs;
mod gaps;
mod histories;
mod many;
mod presence;
mod realtime;
mod scripts;
mod sse;
mod systems;
mod topics;

use std::time::Duration;

use edgecask::events::{Event, Events, EventsOptions, Item, Subscription, Topic};
use edgecask::{Client, Key};
use edgecask_tests::{Deaf, Tapped};
use futures_util::StreamExt;

pub(super) fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

/// A topic of its own, as another process has it.
pub(super) fn topic(client: Client, options: EventsOptions) -> Topic<u64> {
    Events::with_options(client, options).topic(key("t"))
}

/// Options for subscribers that poll, in tests that wait for them.
pub(super) fn quick() -> EventsOptions {
    EventsOptions::new().poll_every(Duration::from_millis(1), Duration::from_millis(5))
}

/// The next item. A test that waits too long fails with a message.
pub(super) async fn item(subscription: &mut Subscription<u64>) -> Item<u64> {
    let item = tokio::time::timeout(Duration::from_secs(60), subscription.next());
    item.await.expect("an item comes").expect("it does not end").expect("it does not fail")
}

pub(super) async fn event(subscription: &mut Subscription<u64>) -> Event<u64> {
    match item(subscription).await {
        Item::Event(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

/// The client with and without subscriptions.
pub(super) fn both(client: &dyn Fn() -> Client) -> [(&'static str, Client); 2] {
    [("live", client()), ("polling", client().layer(Tapped(Deaf)))]
}
