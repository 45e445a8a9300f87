//! GET and SET through REST, each client on one core, against the local server on the other.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::client::Done;

const ROUNDS: usize = 7;
const MILLIS: &str = "2000";
const CONCURRENCY: &str = "64";

/// A client by name, and the median round of each operation.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) get: Rate,
    pub(crate) set: Rate,
}

/// The medians of a client's rounds: requests per second, processor time per request, and both as a ratio to the bare
/// reqwest of the same round.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) to_bare: f64,
}

const CLIENTS: [(&str, &str); 5] = [
    ("Edgecask", "edgecask"),
    ("bare reqwest, fixed bytes", "reqwest"),
    ("bare hyper, fixed bytes", "hyper"),
    ("@upstash/redis, a request a call", "upstash"),
    ("@upstash/redis, auto-pipelining (its default)", "upstash-pipelining"),
];
const BARE: usize = 1;

pub(crate) fn measure(root: &Path) -> Result<Vec<Measured>> {
    let server = Server::start(root)?;
    let mut rounds: Vec<[Vec<Done>; 2]> = CLIENTS.iter().map(|_| [vec![], vec![]]).collect();
    for round in 0..ROUNDS {
        for (operation, name) in ["get", "set"].into_iter().enumerate() {
            for (client, (_, kind)) in CLIENTS.iter().enumerate() {
                rounds[client][operation].push(server.load(root, kind, name)?);
            }
        }
        println!("throughput: round {} of {ROUNDS}", round + 1);
    }
    let rate = |client: usize, operation: usize| {
        let own = &rounds[client][operation];
        let bare = &rounds[BARE][operation];
        let per_second = |done: &Done| done.requests as f64 / done.seconds;
        Rate {
            per_second: median(own.iter().map(per_second)),
            cpu_micros: median(
                own.iter().map(|done| done.cpu_seconds * 1e6 / done.requests as f64),
            ),
            to_bare: median(
                own.iter().zip(bare).map(|(own, bare)| per_second(own) / per_second(bare)),
            ),
        }
    };
    let measured = CLIENTS.iter().enumerate();
    Ok(measured
        .map(|(client, (name, _))| Measured { name, get: rate(client, 0), set: rate(client, 1) })
        .collect())
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Server {
    process: Child,
    url: String,
}

impl Server {
    const TOKEN: &str = "token-of-the-bench";

    fn start(root: &Path) -> Result<Self> {
        let mut process = on_core(1, &root.join("target/release/edgecask-server"))
            .args(["--port", "0", "--token", Self::TOKEN])
            .stdout(Stdio::piped())
            .spawn()
            .context("edgecask-server is built")?;
        let output = process.stdout.take().context("its output is piped")?;
        let url = BufReader::new(output)
            .lines()
            .map_while(std::result::Result::ok)
            .find_map(|line| line.strip_prefix("UPSTASH_REDIS_REST_URL=").map(str::to_owned))
            .context("the server prints its URL")?;
        Ok(Self { process, url })
    }

    fn load(&self, root: &Path, kind: &str, operation: &str) -> Result<Done> {
        let mut command = if let Some(pipelining) = kind.strip_prefix("upstash") {
            let mut command = on_core(0, Path::new("node"));
            command.arg(root.join("benches/upstash.mjs")).args([operation, &self.url, Self::TOKEN]);
            command.args([MILLIS, CONCURRENCY]).arg((!pipelining.is_empty()).to_string());
            command
        } else {
            let mut command = on_core(0, &std::env::current_exe()?);
            command.args(["client", kind, operation, &self.url, Self::TOKEN, MILLIS, CONCURRENCY]);
            command
        };
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "{kind} failed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program that runs on this core alone.
fn on_core(core: u8, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
