//! Primaries that are killed, hang, or are replaced on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{ErrorKind, Outcome};
use edgecask_tests::{ReplicatedCluster, until};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{LIMIT, RECOVERY, SLACK, client, connect, is_of_change, keys, options, pairs, within};

/// Tasks that count, each on keys of its own on all slots.
struct Counting {
    client: Client,
    end: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Counts>>,
}

/// What a task was told: of each key how many INCRs were done, and how many may have been.
struct Counts(Vec<(String, i64, i64)>);

impl Counting {
    fn start(client: &Client, tasks: usize) -> Self {
        let (end, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |number: usize| {
            let (client, end, done) = (client.clone(), Arc::clone(&end), Arc::clone(&done));
            tokio::spawn(async move {
                let keys = keys(&format!("count:{number}:"), 20);
                let mut counts: Vec<_> = keys.into_iter().map(|key| (key, 0, 0)).collect();
                while !end.load(Ordering::SeqCst) {
                    for (key, sure, unsure) in &mut counts {
                        let start = Instant::now();
                        match client.incr(&*key).await {
                            Ok(_) => {
                                *sure += 1;
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => {
                                assert!(is_of_change(&error), "{error:?}");
                                *unsure += i64::from(error.outcome() == Outcome::Unknown);
                            }
                        }
                        let took = start.elapsed();
                        assert!(took < LIMIT + SLACK, "{key}: {took:?}");
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Counts(counts)
            })
        };
        let tasks = (0..tasks).map(task).collect();
        Self { client: client.clone(), end, done, tasks }
    }

    /// Waits for some more counts.
    async fn go_on(&self) {
        let at = self.done.load(Ordering::SeqCst);
        let more = until(async || self.done.load(Ordering::SeqCst) > at + 200);
        tokio::time::timeout(Duration::from_secs(20), more).await.expect("the tasks go on");
    }

    /// Ends the tasks, and compares what they were told with what the cluster has. Gives the number of errors that leave it
    /// open whether something was counted.
    async fn check(self) -> i64 {
        self.end.store(true, Ordering::SeqCst);
        let mut open = 0;
        for task in self.tasks {
            for (key, sure, unsure) in task.await.unwrap().0 {
                let counted = self.client.get::<i64>(&key).await.unwrap().unwrap_or(0);
                let possible = sure..=sure + unsure;
                assert!(possible.contains(&counted), "{key}: {counted} is not in {possible:?}");
                open += unsure;
            }
        }
        open
    }
}

/// Every slot is served again, by the same client.
async fn all_slots_work(client: &Client) {
    let everywhere = keys("everywhere:", 300);
    within(RECOVERY, async || client.execute::<()>(pairs(&everywhere, "x")).await).await;
    let got = within(RECOVERY, async || client.mget::<String>(&everywhere).await).await;
    assert_eq!(got.into_iter().flatten().count(), 300);
    let all =
        async |key: &String| within(RECOVERY, async || client.incr(format!("{key}:n")).await).await;
    join_all(everywhere.iter().map(all)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_primary_was_killed_all_slots_work_again() {
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let counting = Counting::start(&client, 50);
    counting.go_on().await;
    cluster.kill(0);
    cluster.failed_over(0).await;
    all_slots_work(&client).await;
    counting.go_on().await;
    // The old one comes back as a replica of the new one.
    cluster.restart(0);
    cluster.healthy().await;
    counting.go_on().await;
    all_slots_work(&client).await;
    counting.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_primary_is_left() {
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let counting = Counting::start(&client, 20);
    counting.go_on().await;
    cluster.pause(1);
    cluster.failed_over(1).await;
    all_slots_work(&client).await;
    // Each task has left it.
    counting.go_on().await;
    counting.end.store(true, Ordering::SeqCst);
    for task in counting.tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_connects_while_any_node_hangs() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    for hung in 0..3 {
        cluster.pause(hung);
        // The hung node is the first of the seeds.
        let mut urls = cluster.urls();
        urls.rotate_left(hung);
        let fresh =
            |options| Client::new(TcpTransport::new(options).unwrap()).layer(Deadline::default());
        let client = fresh(TcpOptions::cluster(&urls));
        let living = (hung + 1) % 3;
        cluster.resume(hung);
        let key = &cluster.keys_on(living, "living:", 1).await[0];
        cluster.pause(hung);
        client.set(key, "x").await.unwrap();
        assert_eq!(client.get::<String>(key).await.unwrap().as_deref(), Some("x"));
        // A subscription goes to a node that answers.
        let mut news = fresh(TcpOptions::cluster(&urls)).subscribe(["news"]).await.unwrap();
        assert!(!super::gap_before_message(&mut news, &client).await);
        cluster.resume(hung);
        cluster.healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_nothing() {
    let cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let counting = Counting::start(&client, 20);
    for (primary, replica) in [(0, 3), (1, 4)] {
        counting.go_on().await;
        assert_eq!(cluster.shards().await[&primary], [replica]);
        cluster.promote(replica).await;
        all_slots_work(&client).await;
    }
    counting.go_on().await;
    counting.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_nodes_close_are_made_anew() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let counting = Counting::start(&client, 20);
    for _ in 0..5 {
        counting.go_on().await;
        cluster.tell_all(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    all_slots_work(&client).await;
    counting.check().await;
    // A call on a connection that was lost before is sent on a new one.
    cluster.tell_all(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    within(RECOVERY, async || client.incr("n").await).await;
}

#[tokio::test]
async fn what_never_left_is_told_as_not_sent() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let gone = cluster.keys_on(2, "gone:", 3).await;
    let here = cluster.keys_on(0, "here:", 3).await;
    for key in gone.iter().chain(&here) {
        client.set(key, "x").await.unwrap();
    }
    cluster.kill(2);
    // The connection that is lost may be noticed by the first call.
    let noticed = client.get::<String>(&gone[0]).await.unwrap_err();
    assert!(is_of_change(&noticed), "{noticed:?}");
    for key in &gone {
        let error = client.incr(key).await.unwrap_err();
        // Once the others take it for dead, they say so themselves.
        let told = (error.kind(), error.outcome());
        let expected =
            [(ErrorKind::Connect, Outcome::NotSent), (ErrorKind::Server, Outcome::Refused)];
        assert!(expected.contains(&told), "{error:?}");
    }
    for key in &here {
        assert_eq!(client.get::<String>(key).await.unwrap().as_deref(), Some("x"));
    }
}

#[tokio::test]
async fn a_client_outlives_its_seeds() {
    let mut cluster = ReplicatedCluster::start().await;
    // A replica alone tells of all primaries.
    let client = connect(TcpOptions::cluster([cluster.nodes()[3].url()]));
    all_slots_work(&client).await;
    cluster.kill(3);
    cluster.kill(1);
    cluster.failed_over(1).await;
    all_slots_work(&client).await;
}

#[tokio::test]
async fn calls_end_by_their_deadline_when_all_nodes_hang() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let warm = client(&cluster);
    let everywhere = keys("everywhere:", 100);
    warm.execute::<()>(pairs(&everywhere, "x")).await.unwrap();
    (0..3).for_each(|number| cluster.pause(number));
    let limit = Duration::from_millis(500);
    for client in [warm, connect(options(&cluster))] {
        let client = client.layer(Deadline::new(limit));
        let start = Instant::now();
        let commands: Vec<_> = everywhere.iter().map(|key| cmd("GET").arg(key)).collect();
        let transaction = [cmd("GET").arg("k"), cmd("INCR").arg("k")];
        let (sent, got, pipelined, committed, scanned, listening) = tokio::join!(
            client.incr("n"),
            client.mget::<String>(&everywhere),
            client.send_pipeline(&commands),
            client.send_transaction(&transaction),
            client.execute::<edgecask::Value>(cmd("SCAN").arg(0)),
            client.subscribe(["news"]),
        );
        let took = start.elapsed();
        assert!(took < limit + SLACK, "{took:?}");
        // A pipeline may have an outcome per command.
        let pipelined =
            pipelined.and_then(|results| results.into_iter().collect::<Result<Vec<_>, _>>());
        for error in [
            sent.unwrap_err(),
            got.unwrap_err(),
            pipelined.unwrap_err(),
            committed.unwrap_err(),
            scanned.unwrap_err(),
            listening.unwrap_err(),
        ] {
            assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Connect), "{error:?}");
        }
    }
}
