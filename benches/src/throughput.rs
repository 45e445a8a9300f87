//! GET and SET through REST, each client on one core, against the local server on the other.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
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
    let server = Server::rest(root)?;
    let mut gets = server.compare(root, &CLIENTS, BARE, "get", CONCURRENCY)?.into_iter();
    let sets = server.compare(root, &CLIENTS, BARE, "set", CONCURRENCY)?;
    let names = CLIENTS.iter().zip(sets);
    Ok(names
        .filter_map(|((name, _), set)| Some(Measured { name, get: gets.next()?, set }))
        .collect())
}

/// A comparison of two clients: what was done, who did it, and how fast.
pub(crate) struct Duel {
    pub(crate) what: &'static str,
    pub(crate) rows: Vec<(&'static str, Rate)>,
}

/// What is compared with a single peer, the last of each.
pub(crate) fn duels(root: &Path) -> Result<Vec<Duel>> {
    const UPSTASH: (&str, &str) = ("@upstash/redis", "upstash-pipelining");
    let rest = Server::rest(root)?;
    let redis = Server::redis()?;
    let duel = |server: &Server, what, operation, callers, clients: [(&'static str, &str); 2]| {
        let rates = server.compare(root, &clients, 1, operation, callers)?;
        let rows = clients.into_iter().zip(rates).map(|((name, _), rate)| (name, rate));
        anyhow::Ok(Duel { what, rows: rows.collect() })
    };
    let ours = ("Edgecask, auto-pipelining", "edgecask-pipelining");
    let mut duels = vec![
        duel(&rest, "10,000 GETs at the same time, over and over", "burst", "1", [ours, UPSTASH])?,
        duel(&rest, "GET by 64 callers, auto-pipelining", "get", CONCURRENCY, [ours, UPSTASH])?,
        duel(
            &rest,
            "an explicit pipeline of 1,000 GETs",
            "pipeline",
            "1",
            [("Edgecask", "edgecask"), UPSTASH],
        )?,
    ];
    let over_tcp = [("Edgecask", "edgecask-tcp"), ("the redis crate, TCP_NODELAY too", "redis")];
    for (what, callers) in [
        ("GET over TCP by 1 caller, from a real redis-server", "1"),
        ("GET over TCP by 64 callers, from a real redis-server", CONCURRENCY),
        ("GET over TCP by 1,000 callers, from a real redis-server", "1000"),
    ] {
        duels.push(duel(&redis, what, "get", callers, over_tcp)?);
    }
    Ok(duels)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    pub(crate) const TOKEN: &str = "token-of-the-bench";

    fn rest(root: &Path) -> Result<Self> {
        Self::start(Self::rest_program(root), "UPSTASH_REDIS_REST_URL=")
    }

    /// The REST API before this Redis.
    pub(crate) fn rest_over(root: &Path, redis: &Self) -> Result<Self> {
        let mut command = Self::rest_program(root);
        command.args(["--redis", redis.url()]);
        Self::start(command, "UPSTASH_REDIS_REST_URL=")
    }

    fn rest_program(root: &Path) -> Command {
        let mut command = on_core(1, &root.join("target/release/edgecask-server"));
        command.args(["--port", "0", "--token", Self::TOKEN]);
        command
    }

    pub(crate) fn redis() -> Result<Self> {
        Self::redis_on(1)
    }

    pub(crate) fn redis_on(core: u8) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = on_core(core, Path::new("redis-server"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let mut server = Self::start(command, "Ready to accept")?;
        server.url = format!("redis://127.0.0.1:{port}");
        Ok(server)
    }

    /// A program that says nothing when it has started.
    pub(crate) fn started(mut command: Command, url: String) -> Result<Self> {
        Ok(Self { process: command.spawn().context("the server is there")?, url })
    }

    /// The processor time that it has taken.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        // `user` and `system`, in ticks of ten milliseconds (proc(5)). The name before them may have spaces.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("the name ends")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts a program, and waits for a line with this mark. Its URL is what follows the mark.
    pub(crate) fn start(mut command: Command, mark: &str) -> Result<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn().context("the server is there")?;
        let output = process.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
        let found = lines.find_map(|line| Some(line.split_once(mark)?.1.to_owned()));
        // Its pipe must not fill up or break.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, url: found.context("the server starts")? })
    }

    /// The medians of rounds in which all clients take turns; ratios are to one of them.
    fn compare(
        &self,
        root: &Path,
        clients: &[(&'static str, &str)],
        bare: usize,
        operation: &str,
        callers: &str,
    ) -> Result<Vec<Rate>> {
        let mut rounds: Vec<Vec<Done>> = clients.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for ((_, kind), rounds) in clients.iter().zip(&mut rounds) {
                rounds.push(self.load(root, kind, operation, callers)?);
            }
        }
        println!("{operation} by {callers}: done");
        let per_second = |done: &Done| done.requests as f64 / done.seconds;
        let rate = |own: &Vec<Done>| {
            let pairs = own.iter().zip(&rounds[bare]);
            let cpu = own.iter().map(|done| done.cpu_seconds * 1e6 / done.requests as f64);
            Rate {
                per_second: median(own.iter().map(per_second)),
                cpu_micros: median(cpu),
                to_bare: median(pairs.map(|(own, bare)| per_second(own) / per_second(bare))),
            }
        };
        Ok(rounds.iter().map(rate).collect())
    }

    fn load(&self, root: &Path, kind: &str, operation: &str, callers: &str) -> Result<Done> {
        let mut command = if let Some(pipelining) = kind.strip_prefix("upstash") {
            let mut command = on_core(0, Path::new("node"));
            command.arg(root.join("benches/upstash.mjs")).args([operation, &self.url, Self::TOKEN]);
            command.args([MILLIS, callers]).arg((!pipelining.is_empty()).to_string());
            command
        } else {
            let mut command = on_core(0, &std::env::current_exe()?);
            command.args(["client", kind, operation, &self.url, Self::TOKEN, MILLIS, callers]);
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
pub(crate) fn on_core(core: u8, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
