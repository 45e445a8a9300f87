//! Measures Edgecask beside its peers, in one run, and writes benches/README.md.
//!
//! Every client of the throughput part is a process of its own on one core, the server another on the other core;
//! rounds of all clients take turns, so that what else the machine does falls on all of them.
#![allow(clippy::print_stdout)]

mod cache;
mod callgrind;
mod client;
mod cluster;
mod coordination;
mod decode;
mod engine;
mod http_cache;
mod report;
mod size;
mod systems;
mod throughput;

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One client of the throughput part; started by the harness
    Client(client::Load),
    /// One form of the decoding part; started by the harness
    Decode(decode::Repeat),
    /// Hits of the first tier, or of a peer; started by the harness
    Hits(cache::l1::Repeat),
    /// One way to read a hash; started by the harness
    Hash(systems::hash::Repeat),
    /// Keys of the embedded engine; started by the harness
    EngineKeys(engine::memory::Keys),
    /// The embedded engine alone, printed
    Engine,
    /// The first tier alone, printed
    L1,
    /// The cache alone, printed
    Cache,
    /// A server with the HTTP cache, or without; started by the harness
    HttpCacheServer(http_cache::server::Serve),
    /// The HTTP cache alone, printed; needs nginx and wrk
    HttpCache,
    /// Keyspaces and stores alone, printed
    Systems,
    /// One peer at a task of coordination; started by the harness
    CoordinationPeer(coordination::peer::Peer),
    /// Rate limits, locks, queues and events alone, or one of them, printed
    Coordination(coordination::Options),
    /// A cluster under load and under failure, beside the redis crate and fred, printed
    Cluster(cluster::Options),
}

fn main() -> Result<()> {
    match Options::parse().part {
        Some(Part::Client(load)) => return client::run(&load),
        Some(Part::Decode(repeat)) => return decode::repeat(&repeat),
        Some(Part::Hits(repeat)) => return cache::l1::repeat(&repeat),
        Some(Part::Hash(repeat)) => return systems::hash::repeat(&repeat),
        Some(Part::EngineKeys(keys)) => return engine::memory::run(&keys),
        Some(Part::Engine) => {
            println!("{}", engine::write(&engine::measure()?));
            return Ok(());
        }
        Some(Part::HttpCacheServer(serve)) => return http_cache::server::run(&serve),
        Some(Part::HttpCache) => {
            println!("{}", http_cache::report(&http_cache::measure()?));
            return Ok(());
        }
        Some(Part::L1) => {
            println!("{}", report::of_l1(&cache::l1::measure()?));
            return Ok(());
        }
        Some(Part::Cache) => {
            println!("{}", report::of_cache(&cache::measure(root()?)?));
            return Ok(());
        }
        Some(Part::Systems) => {
            println!("{}", report::of_systems(&systems::measure()?));
            return Ok(());
        }
        Some(Part::CoordinationPeer(peer)) => return coordination::peer::run(&peer),
        Some(Part::Coordination(options)) => {
            println!("{}", coordination::write(&coordination::measure(root()?, &options)?));
            return Ok(());
        }
        Some(Part::Cluster(options)) => {
            println!("{}", cluster::measure(&options)?);
            return Ok(());
        }
        None => {}
    }
    let root = root()?;
    let throughput = throughput::measure(root)?;
    let duels = throughput::duels(root)?;
    let decoded = decode::measure()?;
    let cache = cache::measure(root)?;
    let systems = systems::measure()?;
    let engine = engine::measure()?;
    let http_cache = http_cache::measure()?;
    let coordination = coordination::measure(root, &coordination::Options::default())?;
    let sizes = size::measure(root)?;
    let text = report::write(&report::Parts {
        throughput,
        duels,
        decoded,
        cache,
        http_cache,
        systems,
        engine,
        coordination,
        sizes,
    });
    println!("{text}");
    std::fs::write(root.join("benches/README.md"), text)?;
    Ok(())
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a folder of the checkout")
}
