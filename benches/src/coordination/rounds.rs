//! Rounds in which peers take turns, each with an empty Redis.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::peer::{Kind, Task};
use crate::throughput::{Server, median, on_core};

/// The output of a peer, as JSON; peers in Node print the same.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// The figures of the task, in its order: rates per second, or times in milliseconds.
    pub(super) figures: Vec<f64>,
    /// The total number of operations.
    pub(super) operations: f64,
}

/// A peer, its server, and its name in the report.
pub(super) struct Contender<'a> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) server: &'a Server,
}

/// The medians of a contender's rounds.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) figures: Vec<f64>,
    /// Each figure of the first contender, as a ratio to this one's in the same round.
    pub(super) ratios: Vec<f64>,
    /// The processor time of Redis for an operation, in microseconds.
    pub(super) redis_micros: f64,
}

/// Rounds of a task in which these contenders take turns.
pub(super) fn measure(
    root: &Path,
    redis: &Server,
    task: Task,
    contenders: &[Contender<'_>],
    rounds: usize,
) -> Result<Vec<Row>> {
    let mut all: Vec<Vec<(Done, f64)>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, own) in contenders.iter().zip(&mut all) {
            empty(redis)?;
            let before = redis.cpu_seconds()?;
            let done = run(root, task, contender)?;
            let micros = (redis.cpu_seconds()? - before) * 1e6 / done.operations;
            own.push((done, micros));
        }
    }
    println!("{task:?}: done");
    let rows = contenders.iter().zip(&all).map(|(contender, own)| {
        let places = 0..own.first().map_or(0, |(done, _)| done.figures.len());
        let figure = |(done, _): &(Done, f64), place: usize| done.figures[place];
        let figures = places.clone().map(|place| median(own.iter().map(|own| figure(own, place))));
        let ratios = places.map(|place| {
            let pairs = all[0].iter().zip(own);
            median(pairs.map(|(first, own)| figure(first, place) / figure(own, place)))
        });
        Row {
            name: contender.name,
            figures: figures.collect(),
            ratios: ratios.collect(),
            redis_micros: median(own.iter().map(|&(_, micros)| micros)),
        }
    });
    Ok(rows.collect())
}

fn run(root: &Path, task: Task, contender: &Contender<'_>) -> Result<Done> {
    let (task_name, kind) = (name(task), name(contender.kind));
    let mut command = match contender.kind {
        Kind::Node => {
            let mut command = on_core(0, Path::new("node"));
            command.arg(root.join("benches/js/coordination.mjs")).arg(&task_name);
            command
        }
        _ => {
            let mut command = on_core(0, &std::env::current_exe()?);
            command.args(["coordination-peer", &task_name, &kind]);
            command
        }
    };
    command.args([contender.server.url(), Server::TOKEN]);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{}: {task_name} failed", contender.name);
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: {}", contender.name, String::from_utf8_lossy(&output.stdout)))
}

/// The value as it stands on a command line.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Deletes everything. The scripts stay, as on a server that has been running.
fn empty(redis: &Server) -> Result<()> {
    let address = redis.url().trim_start_matches("redis://");
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"FLUSHALL SYNC\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    ensure!(answer.starts_with("+OK"), "FLUSHALL: {answer}");
    Ok(())
}
