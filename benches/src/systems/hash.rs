//! A typed hash beside hand-written code that does the same, and beside the reply alone. All three read a reply that is there.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use edgecask::Value;
use edgecask::prelude::*;
use serde::{Deserialize, Serialize};

use super::fixed::Fixed;
use crate::callgrind;
use crate::throughput::median;

const ROUNDS: usize = 15;
const READS: u32 = 20_000;

/// A campaign's figures, as a hash in Redis.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stats {
    impressions: u64,
    clicks: u64,
    conversions: u64,
    cost: f64,
    engagement_rate: f64,
    last_updated: String,
}

edgecask::keyspaces! {
    mod campaigns, owner: "the bench" {
        stats(id: &str) => Hash<Stats>, "campaign:stats:{id}", ttl: 5 minutes;
    }
}

const FIELDS: [(&str, &str); 6] = [
    ("impressions", "15420"),
    ("clicks", "892"),
    ("conversions", "43"),
    ("cost", "156.75"),
    ("engagement_rate", "5.78"),
    ("last_updated", "2024-01-15T14:25:00Z"),
];

/// How a hash is read: nanoseconds, instructions and allocations for each, and the time as a ratio to hand-written code.
pub(crate) struct Decoded {
    pub(crate) how: &'static str,
    pub(crate) nanos: f64,
    pub(crate) ratio: f64,
    /// Where valgrind is there to count them.
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: Option<f64>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum How {
    Typed,
    ByHand,
    Reply,
}

impl How {
    const ALL: [(Self, &str, &str); 3] = [
        (Self::Typed, "typed", "`Hash::get`"),
        (
            Self::ByHand,
            "by-hand",
            "HGETALL into a `HashMap`, its six fields taken out and parsed by hand",
        ),
        (Self::Reply, "reply", "HGETALL, its reply left as it is"),
    ];

    async fn read(self, client: &Client, times: u32) -> Result<()> {
        let key = campaigns::stats("campaign_abc")?;
        for _ in 0..times {
            match self {
                Self::Typed => drop(black_box(key.get(client).await?.context("it is there")?)),
                Self::ByHand => drop(black_box(by_hand(client, &key).await?)),
                Self::Reply => {
                    drop(black_box(client.send(&Command::new("HGETALL").arg(key.key())).await?));
                }
            }
        }
        Ok(())
    }
}

async fn by_hand(client: &Client, key: &edgecask::keyspace::types::Hash<Stats>) -> Result<Stats> {
    let mut fields: HashMap<String, String> = client.hgetall(key.key()).await?;
    let mut take = |name: &str| fields.remove(name).context("the field is there");
    Ok(Stats {
        impressions: take("impressions")?.parse()?,
        clicks: take("clicks")?.parse()?,
        conversions: take("conversions")?.parse()?,
        cost: take("cost")?.parse()?,
        engagement_rate: take("engagement_rate")?.parse()?,
        last_updated: take("last_updated")?,
    })
}

fn client() -> Client {
    let texts = FIELDS.iter().flat_map(|(name, value)| [*name, *value]);
    let reply = texts.map(|text| Value::bulk(text.to_owned())).collect();
    Client::new(Fixed(Value::Array(reply)))
}

/// Reads the hash so many times: what valgrind looks at.
#[derive(clap::Args)]
pub(crate) struct Repeat {
    how: How,
    times: u32,
}

pub(crate) fn repeat(repeat: &Repeat) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(repeat.how.read(&client(), repeat.times))
}

pub(super) fn measure() -> Result<Vec<Decoded>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rounds: [Vec<f64>; 3] = Default::default();
    runtime.block_on(async {
        let client = client();
        let typed = campaigns::stats("campaign_abc")?.get(&client).await?.context("it is there")?;
        let own = by_hand(&client, &campaigns::stats("campaign_abc")?).await?;
        anyhow::ensure!(typed == own, "both read the same");
        for _ in 0..ROUNDS {
            for ((how, ..), rounds) in How::ALL.iter().zip(&mut rounds) {
                let start = Instant::now();
                how.read(&client, READS).await?;
                rounds.push(start.elapsed().as_nanos() as f64 / f64::from(READS));
            }
        }
        anyhow::Ok(())
    })?;
    let [_, hand, _] = &rounds;
    let decoded = How::ALL.iter().zip(&rounds).map(|((_, name, how), own)| Decoded {
        how,
        nanos: median(own.iter().copied()),
        ratio: median(own.iter().zip(hand).map(|(own, hand)| own / hand)),
        instructions: callgrind::instructions(&["hash", name], 1_000, 11_000),
        allocations: callgrind::allocations(&["hash", name], 1_000, 11_000),
    });
    Ok(decoded.collect())
}
