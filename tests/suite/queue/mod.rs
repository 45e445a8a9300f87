//! Queues: no task is lost, none is acknowledged twice, on every transport and through every fault.

mod core;
mod costs;
mod cuts;
mod evictions;
mod histories;
mod hostile;
mod late;
mod processes;
mod repeats;
mod scripts;
mod sources;
mod stops;
mod workers;

use std::time::Duration;

use edgecask::Client;
use edgecask::prelude::*;
use edgecask::queue::{Backoff, Delivery, Queue, QueueOptions, Task};

/// Longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(9000);

/// A queue whose leases do not end by themselves, and whose tasks fail without a pause.
pub(super) fn options() -> QueueOptions {
    QueueOptions::new().lease(LONG).backoff(Backoff::fixed(Duration::ZERO))
}

pub(super) fn queue(client: Client) -> Queue<u32> {
    Queue::with_options(client, "q", options()).unwrap()
}

pub(super) fn task(number: u32) -> Task<u32> {
    Task::new(number).id(format!("t{number}"))
}

pub(super) fn payloads(deliveries: &[Delivery<u32>]) -> Vec<u32> {
    deliveries.iter().map(|delivery| *delivery.payload()).collect()
}

/// The key of an index of the queue.
pub(super) fn index(name: &str) -> String {
    format!("edgecask:tasks:{{q}}:{name}")
}

/// As if all leases were over.
pub(super) async fn end_leases(client: &Client) {
    make_due(client, "active").await;
}

/// As if the time of all that is in this index had come.
pub(super) async fn make_due(client: &Client, name: &str) {
    let key = index(name);
    let members: Vec<(String, f64)> =
        client.execute(cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES")).await.unwrap();
    let due = members.into_iter().filter(|(_, score)| *score < 9e15).map(|(member, _)| (5, member));
    let due: Vec<(i32, String)> = due.collect();
    if !due.is_empty() {
        let _: i64 = client.execute(cmd("ZADD").arg(&key).pairs_from(due)).await.unwrap();
    }
}
