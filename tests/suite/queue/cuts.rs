//! A connection that is cut before a request, and after each byte of its answer: the task is added, delivered and settled once.

use edgecask::Client;
use edgecask::prelude::*;
use edgecask::queue::{Addition, Fate, TaskStatus};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Cutter, RedisServer};

use super::{payloads, queue, task};

/// The request during which the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Enqueue,
    Pull,
    Progress,
    Nack,
    Reject,
    Requeue,
    Ack,
}

const STEPS: [Step; 7] =
    [Step::Enqueue, Step::Pull, Step::Progress, Step::Nack, Step::Reject, Step::Requeue, Step::Ack];

/// The life of a task, which is cut at this step; returns whether it was.
async fn cut_at(
    client: &Client,
    direct: &Client,
    cutter: &Cutter,
    step: Step,
    cut: impl Fn(),
) -> bool {
    // A connection that was cut before is replaced.
    client.ping().await.unwrap();
    direct.flushall().await.unwrap();
    let queue = queue(client.clone());
    let mut was_cut = false;
    let begin = |now: Step| {
        if now == step {
            cut();
        }
    };
    // The rest of the plan must not affect the next step.
    let mut end = || was_cut |= cutter.calm();

    begin(Step::Enqueue);
    let added = queue.enqueue(&task(1)).await.unwrap();
    end();
    assert!(matches!(added.how, Addition::New | Addition::Known), "{step:?}: {added:?}");
    begin(Step::Pull);
    let held = queue.pull(5).await.unwrap();
    end();
    assert_eq!((payloads(&held), held[0].number()), (vec![1], 1), "{step:?}");
    begin(Step::Progress);
    held[0].progress(&1).await.unwrap();
    end();
    begin(Step::Nack);
    assert_eq!(held[0].nack("no").await.unwrap(), Fate::Retry, "{step:?}");
    end();
    let held = queue.pull(5).await.unwrap();
    assert_eq!((held.len(), held[0].failures(), held[0].abandoned()), (1, 1, 0), "{step:?}");
    begin(Step::Reject);
    held[0].reject("never").await.unwrap();
    end();
    begin(Step::Requeue);
    assert_eq!(queue.requeue(["t1"]).await.unwrap(), 1, "{step:?}");
    end();
    let held = queue.pull(5).await.unwrap();
    assert_eq!((held.len(), held[0].number()), (1, 3), "{step:?}");
    held[0].set_result(&"it is done").unwrap();
    begin(Step::Ack);
    held[0].ack().await.unwrap();
    end();
    assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Done, "{step:?}");
    assert_eq!(queue.result::<String>("t1").await.unwrap().as_deref(), Some("it is done"));
    assert_eq!(queue.stats().await.unwrap(), Default::default(), "{step:?}");
    was_cut
}

/// Cuts after each `stride`th byte.
async fn cut_everywhere(client: &Client, direct: &Client, cutter: &Cutter, stride: usize) {
    // Loads the scripts into the server.
    cut_at(client, direct, cutter, Step::Ack, || ()).await;
    for step in STEPS {
        let test = async |at| cut_at(client, direct, cutter, step, || cutter.cut(at)).await;
        cutter.everywhere(&format!("{step:?}"), stride, test).await;
    }
}

#[tokio::test]
async fn a_cut_at_each_byte_of_an_answer_is_resolved_over_tcp() {
    let redis = RedisServer::start();
    let (cutter, client) = Cutter::over_tcp(&redis).await;
    cut_everywhere(&client, &redis.client(), &cutter, 1).await;
}

#[tokio::test]
async fn a_cut_in_an_answer_is_resolved_over_rest() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let (cutter, client) = Cutter::over_rest(&server).await;
    cut_everywhere(&client, &redis.client(), &cutter, 23).await;
}
