//! Commands of one key are carried out in the order in which they were given.

use std::time::Duration;

use edgecask::layer::{AutoPipeline, Deadline};
use edgecask::prelude::*;
use edgecask::transport::tcp::TcpTransport;
use edgecask_tests::ReplicatedCluster;
use futures_util::future::join_all;

use super::options;

const BATCH: usize = 100;

/// A client whose calls may take long: this is not about deadlines, and a node that saves its slots waits for the disk.
fn client(cluster: &ReplicatedCluster) -> Client {
    let transport = TcpTransport::new(options(cluster)).unwrap();
    Client::new(transport).layer(Deadline::new(Duration::from_secs(60)))
}

/// Batches that append numbers to some lists in turn, and how they are sent. The number of lists divides that of a batch.
async fn append(client: &Client, task: usize, batches: usize, lists: usize, single: bool) {
    for batch in 0..batches {
        let number = |at: usize| batch * BATCH + at;
        let list = |at: usize| format!("list:{task}:{}", at % lists);
        let push = |at: usize| cmd("RPUSH").arg(list(at)).arg(number(at));
        let commands: Vec<_> = (0..BATCH).map(push).collect();
        let results = if single {
            join_all(commands.iter().map(|command| client.send(command))).await
        } else {
            client.send_pipeline(&commands).await.unwrap()
        };
        for (command, result) in commands.iter().zip(results) {
            assert!(result.is_ok(), "{command:?}: {result:?}");
        }
    }
}

/// How many lists are out of order.
async fn disordered(client: &Client, tasks: usize, batches: usize, lists: usize) -> usize {
    let mut disordered = 0;
    for task in 0..tasks {
        for list in 0..lists {
            let got: Vec<usize> =
                client.lrange(format!("list:{task}:{list}"), 0, -1).await.unwrap();
            let given: Vec<usize> = (list..batches * BATCH).step_by(lists).collect();
            disordered += usize::from(got != given);
        }
    }
    disordered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_keep_the_order_of_a_key() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    append(&client, 0, 10, 5, false).await;
    assert_eq!(disordered(&client, 1, 10, 5).await, 0, "of 5 lists of one task");
    client.flushall().await.unwrap();
    join_all((0..50).map(|task| append(&client, task, 3, 5, false))).await;
    assert_eq!(disordered(&client, 50, 3, 5).await, 0, "of 250 lists of 50 tasks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automatic_pipelines_keep_the_order_of_a_key() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster).layer(AutoPipeline::new());
    join_all((0..50).map(|task| append(&client, task, 3, 5, true))).await;
    assert_eq!(disordered(&client, 50, 3, 5).await, 0, "of 250 lists of 50 tasks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_keep_the_order_of_a_key_while_its_slot_moves() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let tasks = (0..20).map(|task| {
        let client = client.clone();
        tokio::spawn(async move { append(&client, task, 8, 10, false).await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut moves = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) || moves < 3 {
        let (from, to) = (moves % 3, (moves + 1) % 3);
        let slots = cluster.slots_of(from).await;
        cluster.move_slots(&slots[..slots.len() / 8], from, to).await;
        moves += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(disordered(&client, 20, 8, 10).await, 0, "of 200 lists of 20 tasks");
}
