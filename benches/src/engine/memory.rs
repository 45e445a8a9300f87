//! How much memory a key takes, beside what Redis says of the same key.

use std::process::Command as Program;

use anyhow::{Context, Result, ensure};
use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryOptions, MemoryTransport};
use edgecask::{Client, Value};
use edgecask_tests::RedisServer;

/// A kind of key, and how many of them are made.
const KINDS: [(&str, &str, usize); 4] = [
    ("string", "a string of 20 bytes", 300_000),
    ("hash", "a hash of 8 fields", 100_000),
    ("zset", "a sorted set of 100 members", 10_000),
    ("stream", "a stream of 1,000 entries", 1_000),
];

pub(crate) struct Row {
    pub(super) what: &'static str,
    pub(super) bytes: f64,
    pub(super) of_redis: f64,
}

/// One kind of key, in a process of its own.
#[derive(clap::Args)]
pub(crate) struct Keys {
    kind: String,
    count: usize,
}

/// What makes a key of a kind.
fn commands(kind: &str, number: usize) -> Vec<Command> {
    let key = format!("{kind}:{number:08}");
    match kind {
        "string" => vec![Command::new("SET").arg(key).arg(format!("value:{number:014}"))],
        "hash" => {
            let fields = (0..8).flat_map(|at| [format!("field:{at}"), format!("value:{number}")]);
            vec![Command::new("HSET").arg(key).args_from(fields)]
        }
        "zset" => {
            let members = (0..100).flat_map(|at| [(at * 7).to_string(), format!("member:{at}")]);
            vec![Command::new("ZADD").arg(key).args_from(members)]
        }
        _ => (0..1000)
            .map(|at| {
                let id = format!("{}-0", 1_700_000_000_000_u64 + at);
                let fields = ["event", "created", "number", &at.to_string()].map(str::to_owned);
                Command::new("XADD").arg(&key).arg(id).args_from(fields)
            })
            .collect(),
    }
}

/// Makes the keys in an engine, and prints the bytes of each.
pub(crate) fn run(keys: &Keys) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = Client::new(MemoryTransport::with_options(&MemoryOptions::new().max_bytes(0)));
    runtime.block_on(async {
        // What is made once is not counted.
        for command in commands(&keys.kind, usize::MAX / 2) {
            engine.send(&command).await?;
        }
        let before = super::resident()?;
        for number in 0..keys.count {
            for command in commands(&keys.kind, number) {
                engine.send(&command).await?;
            }
        }
        let taken = super::resident()?.saturating_sub(before);
        println!("{}", taken as f64 / keys.count as f64);
        Ok(())
    })
}

pub(super) async fn measure() -> Result<Vec<Row>> {
    let redis = RedisServer::redis8().unwrap_or_else(RedisServer::start);
    let real = redis.client();
    let mut rows = Vec::new();
    for (kind, what, count) in KINDS {
        let program = std::env::current_exe()?;
        let count = count.to_string();
        let output = Program::new(program).args(["engine-keys", kind, &count]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        for command in commands(kind, 1) {
            real.send(&command).await?;
        }
        let usage = Command::new("MEMORY").arg("USAGE").arg(format!("{kind}:{:08}", 1));
        let usage = real.send(&usage.arg("SAMPLES").arg(0)).await?;
        let Value::Integer(of_redis) = usage else {
            return Err(anyhow::anyhow!("no number of bytes")).context(kind);
        };
        rows.push(Row { what, bytes, of_redis: of_redis as f64 });
    }
    Ok(rows)
}
