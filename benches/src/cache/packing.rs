//! Values with and without gzip, written to a real redis-server and read again.

use std::time::Instant;

use anyhow::{Context, Result};
use edgecask::cache::{Cache, CacheOptions, Compression, Ttl};
use edgecask::prelude::*;
use edgecask::{Client, Key};
use serde_json::Value;

use crate::throughput::{Server, median};

const ROUNDS: usize = 301;

/// Microseconds for a SET and a GET, and what stands in Redis.
pub(crate) struct Packed {
    pub(crate) value: &'static str,
    pub(crate) how: &'static str,
    pub(crate) stored: usize,
    pub(crate) set_micros: f64,
    pub(crate) get_micros: f64,
    /// The time of both as a ratio to that without gzip.
    pub(crate) ratio: f64,
}

pub(crate) fn measure() -> Result<Vec<Packed>> {
    let policies: Vec<Value> =
        serde_json::from_str(include_str!("../../../examples/policies.json"))?;
    let value_of = |bytes: usize| {
        let mut list = Vec::new();
        let mut length = 2;
        for (number, policy) in policies.iter().cycle().enumerate() {
            let mut policy = policy.clone();
            policy["number"] = number.into();
            length += policy.to_string().len() + 1;
            list.push(policy);
            if length >= bytes {
                break;
            }
        }
        Value::Array(list)
    };
    let server = Server::redis()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut packed = Vec::new();
    for (name, value) in [("1 KB of JSON", value_of(1_000)), ("100 KB of JSON", value_of(100_000))]
    {
        let ways = [
            ("plain", None),
            ("gzip, level 1", Some(Compression::gzip().threshold(0).level(1))),
            ("gzip, level 6", Some(Compression::gzip().threshold(0))),
            ("lz4", Some(Compression::lz4().threshold(0))),
        ];
        let rounds = runtime.block_on(async {
            let client = Client::tcp(server.url())?;
            let caches = ways.map(|(_, compression)| {
                Cache::with_options(client.clone(), CacheOptions::new().compression(compression))
            });
            let keys = [0, 1, 2, 3].map(|way| Key::verbatim(format!("{name}:{way}")));
            let mut rounds: [Vec<(f64, f64)>; 4] = Default::default();
            for _ in 0..ROUNDS {
                for ((cache, key), rounds) in caches.iter().zip(&keys).zip(&mut rounds) {
                    let key = key.as_ref().map_err(Clone::clone)?;
                    let start = Instant::now();
                    cache.set(key, &value, Ttl::seconds(3600)).await?;
                    let set = start.elapsed();
                    let start = Instant::now();
                    cache.get::<Value>(key).await?.context("it is there")?;
                    rounds.push((set.as_secs_f64() * 1e6, start.elapsed().as_secs_f64() * 1e6));
                }
            }
            let mut lengths = Vec::new();
            for key in keys {
                lengths.push(client.strlen(&key?).await? as usize);
            }
            anyhow::Ok((rounds, lengths))
        })?;
        let (rounds, lengths) = rounds;
        for ((how, _), (own, stored)) in ways.iter().zip(rounds.iter().zip(lengths)) {
            let both = |(set, get): &(f64, f64)| set + get;
            packed.push(Packed {
                value: name,
                how,
                stored,
                set_micros: median(own.iter().map(|(set, _)| *set)),
                get_micros: median(own.iter().map(|(_, get)| *get)),
                ratio: median(
                    own.iter().zip(&rounds[0]).map(|(own, plain)| both(own) / both(plain)),
                ),
            });
        }
    }
    Ok(packed)
}
