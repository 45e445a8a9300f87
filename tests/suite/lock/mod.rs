//! Locks: on every transport, with lost answers, killed processes, lost keys, and random histories.

mod clocks;
mod costs;
mod cuts;
mod endings;
mod fencing;
mod hand_overs;
mod histories;
mod holding;
mod processes;
mod shared;
mod waiting;

use std::time::Duration;

use edgecask::lock::{LockOptions, Locks};
use edgecask::{Client, Key};
use edgecask_tests::Place;
use futures_util::future::join_all;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

/// Locks that do not expire while a test runs.
pub(super) fn lasting(client: Client) -> Locks {
    Locks::with_options(client, LockOptions::new().ttl(HOUR).wait(HOUR))
}

/// Runs a test that waits on every transport, at the same time.
pub(super) async fn at_once(test: impl AsyncFn(Place)) {
    join_all(Place::all().await.into_iter().map(|place| test(place))).await;
}

/// Makes the scripts known to the server, so that each costs one round trip from here on.
pub(super) async fn warm_up(client: &Client) {
    let locks = lasting(client.clone());
    let guard = locks.lock(key("warm")).acquire().await.unwrap();
    guard.renew().await.unwrap();
    guard.release().await.unwrap();
}
