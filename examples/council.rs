//! The council: a session that lives as long as it is used, its configuration, and the health of a provider.
//!
//! ```sh
//! cargo run --example council --features council
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example council --features council,tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::config::Config;
use edgecask::systems::council::{self, HealthStatus, ProviderHealth, Session};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;

    let session = council::session("s-1")?;
    let stored = Session {
        user_id: "u-1".to_owned(),
        history: vec![json!({ "role": "user", "content": "Good morning" })],
        last_activity_at: "2026-01-15T10:00:00.000Z".to_owned(),
        context_window_used: 120,
    };
    session.set(&client, &stored).await?;
    session.increment(&client, "contextWindowUsed", 40).await?;
    println!("{:?}", session.get(&client).await?);

    let config = council::council_config()?;
    config.set(&client, &json!({ "rounds": 3 })).await?;
    println!("{:?}", config.get(&client).await?);
    // An update of the configuration invalidates it.
    config.delete(&client).await?;

    let health = council::provider_health("openai")?;
    let healthy = ProviderHealth {
        status: HealthStatus::Healthy,
        success_rate: 0.99,
        avg_latency: 250.0,
        last_failure: None,
    };
    health.set(&client, &healthy).await?;
    println!("{:?}", health.get(&client).await?);

    let status = council::request_status("r-1")?;
    status.set_fields(&client, &json!({ "status": "running", "progress": 40 })).await?;
    println!("{:?}", status.get(&client).await?);
    Ok(())
}
