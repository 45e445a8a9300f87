//! `SchemaCheck` over a real redis-server, beside a walk through its keys by SCAN that looks at nothing.

use std::time::Instant;

use anyhow::{Result, ensure};
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::keyspace::check::SchemaCheck;
use edgecask::prelude::*;
use serde::{Deserialize, Serialize};

use crate::throughput::{Server, median};

const ROUNDS: usize = 3;
const KEYS: u64 = 200_000;

#[derive(Serialize, Deserialize)]
struct Profile {
    name: String,
    visits: u64,
}

edgecask::keyspaces! {
    mod shop, owner: "the bench" {
        profile(id: u64) => Hash<Profile>, "shop:profile:{id}", ttl: 30 days;
        offer(id: u64) => Json<Profile>, "shop:offer:{id}", ttl: 1 day;
    }
}

/// Keys a second.
pub(crate) struct Checked {
    pub(crate) keys: u64,
    pub(crate) per_second: f64,
    pub(crate) scanned_per_second: f64,
    /// The time as a ratio to that of the walk.
    pub(crate) ratio: f64,
    /// How many commands a key costs.
    pub(crate) commands: f64,
}

pub(super) fn measure() -> Result<Checked> {
    let server = Server::redis()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::tcp(server.url())?;
        for first in (0..KEYS / 2).step_by(1000) {
            let transaction = client.transaction();
            for id in first..first + 1000 {
                let record = Profile { name: format!("name {id}"), visits: id };
                let _ = shop::profile(id)?.set_in(&transaction, &record)?;
                let _ = shop::offer(id)?.set_in(&transaction, &record)?;
            }
            transaction.exec().await?;
        }
        let options = ScanOptions::new().count(500);
        let check = SchemaCheck::new(shop::DECLARATIONS)?;
        let (mut checks, mut walks, mut commands) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let report = check.run(&client).await?;
            checks.push(start.elapsed().as_secs_f64());
            ensure!(report.keys == KEYS && report.exit_status() == 0, "{report}");
            commands = report.commands as f64 / KEYS as f64;
            let start = Instant::now();
            let (mut cursor, mut found) = (Cursor::default(), 0);
            loop {
                let page = client.scan::<String>(&cursor, &options).await?;
                found += page.items.len() as u64;
                cursor = page.cursor;
                if cursor.is_done() {
                    break;
                }
            }
            ensure!(found == KEYS, "SCAN gives {found}");
            walks.push(start.elapsed().as_secs_f64());
        }
        let per_second = |times: &[f64]| KEYS as f64 / median(times.iter().copied());
        Ok(Checked {
            keys: KEYS,
            per_second: per_second(&checks),
            scanned_per_second: per_second(&walks),
            ratio: median(checks.iter().zip(&walks).map(|(check, walk)| check / walk)),
            commands,
        })
    })
}
