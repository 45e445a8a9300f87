//! Rate limits: decisions of a server, and of a limiter in the process.

pub(super) mod local;
pub(super) mod rest;

use std::path::Path;

use anyhow::Result;

use super::peer::{Kind, Task};
use super::rounds::{self, Contender, Row};
use crate::throughput::Server;

/// The algorithms, and how they are called.
const ALGORITHMS: [(&str, Task); 3] = [
    ("sliding window", Task::SlidingWindow),
    ("fixed window", Task::FixedWindow),
    ("token bucket", Task::TokenBucket),
];

pub(super) struct Measured {
    pub(super) remote: Vec<(&'static str, Vec<Row>)>,
    pub(super) local: local::Measured,
}

pub(super) fn measure(root: &Path, rounds: usize) -> Result<Measured> {
    let local = local::measure()?;
    let redis = Server::redis()?;
    let rest = Server::rest_over(root, &redis)?;
    let contender = |name, kind, server| Contender { name, kind, server };
    let contenders = [
        contender("Edgecask, auto-pipelining", Kind::EdgecaskPipelining, &rest),
        contender("@upstash/ratelimit, auto-pipelining (its default)", Kind::Node, &rest),
        contender("Edgecask, a request a decision", Kind::Edgecask, &rest),
        contender("Edgecask over TCP", Kind::Edgecask, &redis),
    ];
    let mut remote = Vec::new();
    for (name, task) in ALGORITHMS {
        remote.push((name, rounds::measure(root, &redis, task, &contenders, rounds)?));
    }
    Ok(Measured { remote, local })
}
