//! Phoenix: answers that are shared, a session, tasks that are not lost, and the circuit of an agent.
//!
//! ```sh
//! cargo run --example phoenix --features phoenix
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example phoenix --features phoenix,tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use edgecask::cache::ServerStats;
use edgecask::config::Config;
use edgecask::systems::phoenix::{
    self, Breaker, InputHash, Response, ResponseMetadata, Session, SessionState, Task,
};

const NOW: &str = "2026-01-15T10:00:00Z";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;

    let cached = phoenix::response(InputHash::of("gpt-5", "What is a cache?"))?;
    let answer = Response {
        response: "A place for what is needed again.".to_owned(),
        timestamp: NOW.to_owned(),
        ttl: 3600,
        metadata: ResponseMetadata {
            model: "gpt-5".to_owned(),
            tokens: 9,
            provider: "openai".to_owned(),
        },
    };
    cached.set(&client, &answer).await?;
    println!("cached: {:?}", cached.get(&client).await?.map(|answer| answer.response));

    let session = phoenix::session("c-1")?;
    session.set(&client, &Session::new("c-1", NOW)).await?;
    session.update(&client, |session| session.task_id = Some("t-1".to_owned())).await?;

    let task = Task {
        task_id: "t-1".to_owned(),
        correlation_id: "c-1".to_owned(),
        agent: "planner".to_owned(),
        priority: 5,
        created_at: NOW.to_owned(),
        payload: serde_json::json!({ "action": "plan" }),
    };
    phoenix::enqueue_task(&client, &task).await?;
    let queue = phoenix::task_queue(&client)?;
    for delivery in queue.pull(1).await? {
        // The worker stops before it is done: another one gets the task.
        delivery.release().await?;
    }
    for delivery in queue.pull(1).await? {
        println!("{} works, delivery {}", delivery.payload().agent, delivery.number());
        delivery.ack().await?;
    }
    session.update(&client, |session| session.state = SessionState::Completed).await?;

    let breaker = Breaker { failures: 3, open_for: Duration::from_secs(30) };
    for _ in 0..3 {
        let health = phoenix::record_failure(&client, "planner", breaker).await?;
        println!("{} failures, open: {}", health.consecutive_failures, health.is_open());
    }
    phoenix::record_success(&client, "planner").await?;

    println!("{}", ServerStats::of(&client).await?.prometheus());
    Ok(())
}
