//! A producer, a worker whose handler fails at first, and a list that another program writes.
//! Run it with `cargo run --example queues`.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::queue::{Backoff, Fatal, Queue, QueueOptions, Source, Task, Worker};
use edgecask::transport::memory::MemoryTransport;
use edgecask::{BoxError, Client, Key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Email {
    to: String,
}

fn email(to: &str) -> Task<Email> {
    Task::new(Email { to: to.to_owned() })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> edgecask::Result<()> {
    let client = Client::new(MemoryTransport::new());
    let options = QueueOptions::new()
        .attempts(3)
        .backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1)));
    let queue: Queue<Email> = Queue::with_options(client.clone(), "emails", options)?;

    let tasks = [
        email("ada@example.com"),
        email("busy@example.com").priority(200),
        email("nobody@example.com"),
        email("later@example.com").delay(Duration::from_millis(500)),
        // The same newsletter is sent once an hour at most.
        email("grace@example.com").unique("newsletter", Duration::from_secs(3600)),
        email("grace@example.com").unique("newsletter", Duration::from_secs(3600)),
    ];
    for added in queue.enqueue_all(&tasks).await? {
        println!("{:?} {}", added.how, &added.id[..8]);
    }

    let worker = Worker::new(queue.clone(), |email: Email, task| async move {
        println!("sending to {}, failures so far: {}", email.to, task.failures());
        match email.to.as_str() {
            "busy@example.com" if task.failures() < 2 => Err(BoxError::from("the mailbox is busy")),
            "nobody@example.com" => Err(Fatal::new("there is no such address").into()),
            _ => Ok(()),
        }
    })
    .concurrency(4);
    worker.run_until(tokio::time::sleep(Duration::from_secs(1))).await;
    for letter in queue.dead_letters(10).await? {
        println!("dead letter: {:?}, {}", letter.reason, letter.error);
    }

    // As a service in another language does.
    client.lpush("publish:facebook", [r#"{"to":"the wall"}"#]).await?;
    let list = Source::List(Key::verbatim("publish:facebook")?);
    let posts: Queue<Email> = Queue::over(client, list, QueueOptions::new())?;
    for delivery in posts.pull(10).await? {
        println!("publishing on {}", delivery.payload().to);
        delivery.ack().await?;
    }
    Ok(())
}
