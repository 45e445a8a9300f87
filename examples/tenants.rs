//! Two tenants on one server: each sees its own keys alone.
//!
//! ```sh
//! cargo run --example tenants
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::config::Config;
use edgecask::layer::KeyPrefix;
use edgecask::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Config::from_env()?.client()?;
    let acme = server.clone().layer(KeyPrefix::new("example:acme:"));
    let globex = server.clone().layer(KeyPrefix::new("example:globex:"));

    acme.set("plan", "pro").await?;
    globex.set("plan", "free").await?;
    assert_eq!(acme.get::<String>("plan").await?.as_deref(), Some("pro"));
    assert_eq!(acme.keys::<String>("*").await?, ["plan"]);
    assert_eq!(server.get::<String>("example:globex:plan").await?.as_deref(), Some("free"));

    // A command that could reach another tenant's keys is refused before it is sent.
    let error = acme.flushdb().await.err().ok_or("it would empty the database of all")?;
    println!("{error}");

    acme.del(["plan"]).await?;
    globex.del(["plan"]).await?;
    Ok(())
}
