//! How fast each client is on three primaries. The clients take turns, so that what else the machine does falls on all.

use std::time::{Duration, Instant};

use anyhow::Result;
use edgecask_tests::ReplicatedCluster;
use futures_util::future::try_join_all;

use super::peer::{Kind, Peer};
use super::table;
use crate::throughput::median;

const ROUNDS: usize = 7;
const KEYS: usize = 10_000;

/// What the callers do.
#[derive(Clone, Copy)]
enum Load {
    Get,
    Pipeline,
    Mget,
}

/// Each with the number of callers.
const LOADS: [(&str, Load, usize); 6] = [
    ("GET by 1 caller", Load::Get, 1),
    ("GET by 64 callers", Load::Get, 64),
    ("GET by 1,000 callers", Load::Get, 1000),
    ("a pipeline of 100 GETs by 1 caller", Load::Pipeline, 1),
    ("a pipeline of 100 GETs by 16 callers", Load::Pipeline, 16),
    ("MGET of 100 keys by 1 caller", Load::Mget, 1),
];

/// Commands, or keys of MGET, in a second; `None` if the client refuses the load.
async fn round(peer: &Peer, load: Load, callers: usize, time: Duration) -> Option<f64> {
    let start = Instant::now();
    let caller = async |caller: usize| -> Result<usize> {
        let mut done = 0;
        let mut at = caller * 7919;
        while start.elapsed() < time {
            at += 101;
            let keys = || -> Vec<String> { (at..at + 100).map(key).collect() };
            done += match load {
                Load::Get => peer.get(&key(at)).await.map(|_| 1)?,
                Load::Pipeline => peer.get_all(&keys()).await.map(|()| 100)?,
                Load::Mget => peer.mget(&keys()).await.map(|got| got.len())?,
            };
        }
        Ok(done)
    };
    let done = try_join_all((0..callers).map(caller)).await.ok()?;
    Some(done.into_iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64())
}

fn key(at: usize) -> String {
    format!("key:{}", at % KEYS)
}

pub(super) async fn measure(millis: u64) -> Result<String> {
    let cluster = ReplicatedCluster::without_replicas().await;
    let ports: Vec<u16> = cluster.nodes().iter().map(|node| node.port()).collect();
    let mut peers = Vec::new();
    for kind in Kind::ALL {
        peers.push(Peer::connect(kind, &ports).await?);
    }
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    for part in keys.chunks(500) {
        peers[0].mset(part, &"x".repeat(100)).await?;
    }
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for (name, load, callers) in LOADS {
        let mut rounds: Vec<Vec<Option<f64>>> = vec![Vec::new(); peers.len()];
        for _ in 0..ROUNDS {
            for (peer, rounds) in peers.iter().zip(&mut rounds) {
                rounds.push(round(peer, load, callers, Duration::from_millis(millis)).await);
            }
        }
        let middle = |values: Vec<Option<f64>>| {
            let values: Option<Vec<f64>> = values.into_iter().collect();
            values.map(|values| median(values.into_iter()))
        };
        let cell = |value: Option<f64>, digits: usize| {
            value.map_or("refused".to_owned(), |value| format!("{value:.digits$}"))
        };
        let rate = rounds.iter().map(|own| cell(middle(own.clone()), 0)).collect();
        let ratio = rounds.iter().map(|other| {
            let pairs = rounds[0].iter().zip(other);
            let parts = pairs.map(|(own, other)| Some((*own)? / (*other)?)).collect();
            cell(middle(parts), 2)
        });
        rates.push((name.to_owned(), rate));
        ratios.push((name.to_owned(), ratio.collect()));
    }
    Ok(format!(
        "Keys in a second on three primaries, medians of {ROUNDS} rounds in turn:\n\n{}\n\
         Edgecask's rate as a ratio to each client's:\n\n{}",
        table("load", &rates),
        table("load", &ratios)
    ))
}
