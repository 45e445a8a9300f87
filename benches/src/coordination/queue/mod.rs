//! Queues: tasks that are added and processed per second, and the lateness of delayed tasks.

pub(super) mod delay;
pub(super) mod throughput;

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::peer::{Kind, Task};
use super::rounds::{self, Contender, Row};
use crate::throughput::Server;

/// How many tasks a worker works on at the same time. As in benches/js/coordination.mjs.
const CONCURRENCY: usize = 64;
const QUEUE: &str = "bench";

pub(super) struct Measured {
    pub(super) throughput: Vec<Row>,
    pub(super) delay: Vec<Row>,
}

/// The payload of every task.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payload {
    to: String,
    number: usize,
}

impl Payload {
    fn new(number: usize) -> Self {
        Self { to: "ada@example.com".to_owned(), number }
    }
}

pub(super) fn measure(root: &Path, rounds: usize) -> Result<Measured> {
    let redis = Server::redis()?;
    let contender = |name, kind| Contender { name, kind, server: &redis };
    let contenders = [
        contender("Edgecask", Kind::Edgecask),
        contender("bullmq (Node)", Kind::Node),
        contender("bullmq-official (Rust)", Kind::Bullmq),
        contender("apalis-redis", Kind::Apalis),
    ];
    let measure = |task| rounds::measure(root, &redis, task, &contenders, rounds);
    Ok(Measured { throughput: measure(Task::Queue)?, delay: measure(Task::Delay)? })
}
