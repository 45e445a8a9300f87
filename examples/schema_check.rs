//! A check of a live Redis against declared keyspaces: its cost, its progress and its report.
//!
//! ```sh
//! cargo run --example schema_check --features council
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::ops::ControlFlow;

use edgecask::Pattern;
use edgecask::config::Config;
use edgecask::keyspace::check::{FaultKind, Position, SchemaCheck};
use edgecask::keyspace::reference;
use edgecask::prelude::*;
use edgecask::systems::council::{self, HealthStatus, ProviderHealth};

edgecask::keyspaces! {
    /// The keys of this example.
    mod example, owner: "example" {
        /// What is on sale.
        offers(day: u8) => Json<Vec<String>>, "example:offers:{day}", ttl: 1 day;
    }
}

// Neither module has a key of the other.
edgecask::keyspaces_distinct!(council::DECLARATIONS, example::DECLARATIONS);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    println!("{}", reference(example::DECLARATIONS));

    // One record as it should be, one without a time to live that does not decode either, and a key that nobody declared.
    example::offers(1)?.set(&client, &vec!["tea".to_owned()]).await?;
    client.set("example:offers:2", "[1]").await?;
    client.set("example:other", "").await?;
    let health = ProviderHealth {
        status: HealthStatus::Healthy,
        success_rate: 0.99,
        avg_latency: 250.0,
        last_failure: None,
    };
    council::provider_health("example")?.set(&client, &health).await?;

    let declared = council::DECLARATIONS.iter().chain(example::DECLARATIONS);
    let check = SchemaCheck::new(declared)?.matching(Pattern::verbatim("example:*")?);
    println!("{:?}", check.estimate(&client).await?);
    let mut position = Position::default();
    let progress = |position: &Position| {
        println!("{} keys so far", position.report().keys);
        ControlFlow::Continue(())
    };
    check.run_from(&client, &mut position, progress).await?;
    let report = position.report();
    println!("{report}");
    println!("{}", serde_json::to_string_pretty(&report)?);
    assert_eq!(report.faults[&FaultKind::NoTtl], 1);
    assert_eq!(report.faults[&FaultKind::Undecodable], 1);
    assert_eq!(report.exit_status(), 1);
    client.del(["example:offers:2", "example:other"]).await?;
    Ok(())
}
