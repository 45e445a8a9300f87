//! A policy on the hot path: from the first tier, from Redis over TCP, and from the backing store, beside a bare GET.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;
use edgecask::Client;
use edgecask::cache::L1Options;
use edgecask::prelude::*;
use edgecask::store::{LlmPolicy, MemoryStore, StoreConfig, create_llm_policy_store};

use crate::throughput::{Server, median};

const ROUNDS: usize = 1001;

/// Where a policy is read from: microseconds, and the ratio to a bare GET of the same round.
pub(crate) struct Read {
    pub(crate) from: &'static str,
    pub(crate) micros: f64,
    pub(crate) ratio: f64,
}

const FROM: [&str; 6] = [
    "a bare GET of the same key over TCP, its bytes left as they are",
    "Redis over TCP (L2)",
    "the first tier (L1)",
    "the first tier, shared (`get_shared`)",
    "a backing store that answers at once, not cached",
    "the same with no cache at all",
];

pub(super) fn measure() -> Result<Vec<Read>> {
    let policies: Vec<LlmPolicy> =
        serde_json::from_str(include_str!("../../../examples/policies.json"))?;
    let tenant = policies.first().context("there are policies")?.tenant_id.clone();
    let server = Server::redis()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rounds: [Vec<f64>; 6] = Default::default();
    runtime.block_on(async {
        let client = Client::tcp(server.url())?;
        let config = || StoreConfig::new().backing(MemoryStore::from_records(policies.clone()));
        let far = create_llm_policy_store(config().client(client.clone()))?;
        let near = create_llm_policy_store(config().client(client.clone()).l1(L1Options::new()))?;
        let bare = create_llm_policy_store(config())?;
        let key = far.key(&tenant)?;
        for _ in 0..ROUNDS {
            far.invalidate(&tenant).await?;
            let mut took = [0.0; 6];
            macro_rules! time {
                ($at:literal, $read:expr) => {
                    let start = Instant::now();
                    black_box($read.context("it is there")?);
                    took[$at] = start.elapsed().as_nanos() as f64 / 1e3;
                };
            }
            time!(4, far.get(&tenant).await?);
            time!(0, client.get::<Bytes>(&key).await?);
            time!(1, far.get(&tenant).await?);
            near.get_shared(&tenant).await?;
            time!(2, near.get(&tenant).await?);
            time!(3, near.get_shared(&tenant).await?);
            time!(5, bare.get(&tenant).await?);
            took.iter().zip(&mut rounds).for_each(|(took, rounds)| rounds.push(*took));
        }
        anyhow::Ok(())
    })?;
    let get = &rounds[0];
    Ok(FROM
        .into_iter()
        .zip(&rounds)
        .map(|(from, own)| Read {
            from,
            micros: median(own.iter().copied()),
            ratio: median(own.iter().zip(get).map(|(own, get)| own / get)),
        })
        .collect())
}
