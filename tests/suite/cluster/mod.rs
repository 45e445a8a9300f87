//! Clusters under failure: nodes that are killed, hang, come and go, and slots that move.

mod chaos;
mod failover;
mod keys;
mod order;
mod scan;
mod shard_channels;
mod tips;
mod topology;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Error, ErrorKind, Event, Subscriber};
use edgecask_tests::ReplicatedCluster;
use futures_util::StreamExt;
use tokio::time::Instant;

/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(2);
/// What the scheduler may add to a limit, with other tests at the same time.
const SLACK: Duration = Duration::from_secs(1);
/// How long the client may need after the cluster itself is healthy again: a second, and a call that began before.
const RECOVERY: Duration = Duration::from_secs(1).saturating_add(LIMIT).saturating_add(SLACK);

fn options(cluster: &ReplicatedCluster) -> TcpOptions {
    TcpOptions::cluster(cluster.urls()).hung_after(Duration::from_millis(500))
}

fn connect(options: TcpOptions) -> Client {
    Client::new(TcpTransport::new(options).unwrap()).layer(Deadline::new(LIMIT))
}

fn client(cluster: &ReplicatedCluster) -> Client {
    connect(options(cluster))
}

/// The keys `{prefix}0`, `{prefix}1`, …
fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

/// A pair of the words of MSET for each key.
fn pairs(keys: &[String], value: &str) -> Command {
    let pairs = keys.iter().flat_map(|key| [key.clone(), value.to_owned()]);
    cmd("MSET").args_from(pairs)
}

/// Until a call succeeds; panics when it has not in this time. The errors before it are those of a cluster that changes.
#[track_caller]
fn within<T>(
    limit: Duration,
    mut call: impl AsyncFnMut() -> edgecask::Result<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        loop {
            match call().await {
                Ok(done) => return done,
                Err(error) => {
                    assert!(is_of_change(&error), "{caller}: {error:?}");
                    assert!(start.elapsed() < limit, "{caller}: after {limit:?} still {error:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a call may fail so while a cluster changes.
fn is_of_change(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Disconnected
        | ErrorKind::Discarded
        // A walk has to begin anew.
        | ErrorKind::Conflict => true,
        _ => matches!(
            error.code(),
            Some(
                "CLUSTERDOWN"
                    | "TRYAGAIN"
                    | "MOVED"
                    | "ASK"
                    | "LOADING"
                    | "MASTERDOWN"
                    | "READONLY"
                    | "BUSY"
                    | "UNBLOCKED"
            )
        ),
    }
}

/// The next event of a subscription, which has to come.
async fn event(subscriber: &mut Subscriber) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(30), subscriber.next());
    next.await.expect("an event comes").expect("the subscription goes on").unwrap()
}

/// A payload that no other message has, so that one that is still on its way from before is not taken for it.
fn payload() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// Until a message that is published again and again arrives; shows whether a gap was reported before it.
async fn gap_before_message(subscriber: &mut Subscriber, publisher: &Client) -> bool {
    let (mut gap, again) = (false, payload());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "nothing that is published arrives");
        // Whether it fails is not of interest here.
        let _ = publisher.publish("news", &again).await;
        match tokio::time::timeout(Duration::from_millis(50), subscriber.next()).await {
            Ok(Some(Ok(Event::Lost(_)))) => gap = true,
            Ok(Some(Ok(Event::Message(message)))) if message.payload == again => return gap,
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(ended) => panic!("the subscription ended: {ended:?}"),
        }
    }
}
