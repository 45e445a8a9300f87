//! A small publishing service with two nodes: a rate limit for each author, a queue of posts, a lock for each platform, a digest by a
//! schedule, and an event for all that is published. Each of them is one field of [`Press`].
//! Run it with `cargo run --example coordination`.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use edgecask::events::{Events, Item, Start, Topic};
use edgecask::limit::{Policy, RateLimiter};
use edgecask::lock::{LockOptions, Locks};
use edgecask::queue::{Addition, Queue, Task, Worker};
use edgecask::schedule::{Schedule, Scheduler};
use edgecask::transport::memory::MemoryTransport;
use edgecask::{BoxError, Client, Keyspace};
use futures_util::StreamExt;
use futures_util::future::join;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Post {
    author: String,
    platform: String,
    text: String,
}

impl Post {
    fn new(author: &str, platform: &str, text: &str) -> Self {
        let [author, platform, text] = [author, platform, text].map(str::to_owned);
        Self { author, platform, text }
    }
}

/// What the nodes share. Its state is in Redis, so each node has one of its own.
struct Press {
    limiter: RateLimiter,
    posts: Queue<Post>,
    locks: Locks,
    published: Topic<Post>,
}

impl Press {
    fn new(client: &Client) -> edgecask::Result<Self> {
        Ok(Self {
            // Two posts at once for each author, and one more each minute.
            limiter: RateLimiter::builder(client.clone())
                .policy(Policy::gcra(1, Duration::from_secs(60)).burst(2).prefix("press:authors"))
                .build()?,
            posts: Queue::new(client.clone(), "press")?,
            locks: Locks::with_options(
                client.clone(),
                LockOptions::new().ttl(Duration::from_secs(10)),
            ),
            published: Events::new(client.clone())
                .topic(Keyspace::literal("press:events").key("published")?),
        })
    }

    /// Takes a post, or says why not. A post that is handed in twice is published once.
    async fn submit(&self, post: Post) -> Result<(), BoxError> {
        let decision = self.limiter.limit(&*post.author).await?;
        if !decision.is_allowed() {
            println!("{} has to wait: {}", post.author, post.text);
            return Ok(());
        }
        let key = format!("{} {}", post.author, post.text);
        let task = Task::new(post).unique(key, Duration::from_secs(3600));
        if self.posts.enqueue(&task).await?.how == Addition::Duplicate {
            println!("it is there already");
        }
        Ok(())
    }

    /// Publishes a post. A platform takes one at a time, whichever node sends it.
    async fn publish(&self, node: &str, post: Post, id: &str) -> Result<(), BoxError> {
        let platform = self.locks.lock(Keyspace::literal("press:platform").key(&*post.platform)?);
        let guard = platform.acquire().await?;
        println!("node {node} publishes on {}, token {}", post.platform, guard.fence());
        tokio::time::sleep(Duration::from_millis(50)).await;
        // A task that is delivered again publishes the same event.
        self.published.publish(&post).id(id).await?;
        guard.release().await?;
        Ok(())
    }

    /// The work of a node until `stop`: the queue, and the schedule, of which one node carries out each slot.
    async fn run(
        self: Arc<Self>,
        client: Client,
        node: &'static str,
        stop: impl Fn() -> tokio::time::Sleep,
    ) -> edgecask::Result<()> {
        let press = Arc::clone(&self);
        let worker = Worker::new(self.posts.clone(), move |post, task| {
            let press = Arc::clone(&press);
            async move { press.publish(node, post, task.id()).await }
        })
        .concurrency(2);
        let press = Arc::clone(&self);
        let digest = Schedule::every("digest", Duration::from_secs(1))?;
        let scheduler = Scheduler::builder(client)
            .schedule(digest, move |run| {
                let press = Arc::clone(&press);
                async move {
                    let digest = Post::new("editors", "mail", &format!("digest {}", run.fence()));
                    press.posts.enqueue(&Task::new(digest)).await?;
                    Ok(())
                }
            })
            .build()?;
        join(worker.run_until(stop()), scheduler.run_until(stop())).await;
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // In production each node has its own Client::open("rediss://…").
    let engine = MemoryTransport::new();
    let client = || Client::new(engine.clone());
    let stop = || tokio::time::sleep(Duration::from_millis(2500));

    let press = Press::new(&client())?;
    let mut events = press.published.subscribe(Start::Now).await?;
    let reader = async {
        while let Some(item) = events.next().await.transpose()? {
            if let Item::Event(event) = item {
                println!("  read: {} by {}", event.data.text, event.data.author);
            }
        }
        Ok::<(), BoxError>(())
    };
    let authors = async {
        for text in ["hello", "hello", "a third one"] {
            press.submit(Post::new("ada", "facebook", text)).await?;
        }
        press.submit(Post::new("grace", "facebook", "good morning")).await?;
        press.submit(Post::new("grace", "instagram", "a picture")).await
    };
    let nodes = async {
        let one = Arc::new(Press::new(&client())?).run(client(), "one", stop);
        let two = Arc::new(Press::new(&client())?).run(client(), "two", stop);
        let (one, two) = join(one, two).await;
        one.and(two)
    };
    tokio::select! {
        read = reader => read?,
        (nodes, authors) = join(nodes, authors) => nodes.map_err(BoxError::from).and(authors)?,
    }
    println!("left in the queue: {:?}", press.posts.stats().await?);
    Ok(())
}
