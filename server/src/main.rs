//! The command line of the local REST server.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use edgecask::transport::memory::{MemoryOptions, MemoryTransport};
use edgecask_server::{Dialect, Fault, FaultPlan, Limits, Server, ServerOptions};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A local server of the Upstash Redis REST API.
///
/// Without options it serves an embedded engine, whose data is gone when it stops; with --data it stays. Point any client of
/// the REST API at the URL and the token that it prints.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Serve an embedded engine (the default)
    #[arg(long, conflicts_with = "redis")]
    memory: bool,

    /// Keep the data of the embedded engine in this file, in Redis's own format (RDB)
    ///
    /// It is loaded at the start, and written every minute, at the end (Ctrl-C, SIGTERM), and by SAVE and BGSAVE. A file that
    /// cannot be loaded is not changed.
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    data: Option<PathBuf>,

    /// Serve the Redis at this URL, such as redis://127.0.0.1:6379
    #[arg(long, value_name = "URL")]
    redis: Option<String>,

    /// Listen on this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,

    /// Listen on this port; 0 takes any free one
    #[arg(long, default_value_t = 8079)]
    port: u16,

    /// The token that may send every command; a random one if it is not given
    #[arg(long)]
    token: Option<String>,

    /// A token that may only read
    #[arg(long, value_name = "TOKEN")]
    read_only_token: Option<String>,

    /// How many commands are carried out a day, as Upstash's plans limit them
    #[arg(long, value_name = "COUNT")]
    daily_commands: Option<u64>,

    /// Let reads without a sync token see a replica that catches up in this interval (embedded engine only)
    #[arg(long, value_name = "MILLISECONDS", conflicts_with = "redis")]
    replica_lag: Option<u64>,

    /// Give the answers of Upstash or of Redis where they differ, as for COPY of a key to itself
    #[arg(long, value_enum, default_value = "upstash")]
    dialect: Answers,

    /// Inject a fault into this share of the requests, such as drop-after:0.1 or delay=200ms:0.5; may be given several times
    ///
    /// Faults: drop-before, drop-after, delay=TIME, delay-reply=TIME, throttle=TIME, bad-gateway, truncate,
    /// slow-body=TIME, stale-replica, close-stream
    #[arg(long, value_name = "FAULT:RATE", value_parser = fault)]
    fault: Vec<(Fault, f64)>,

    /// The seed of random faults, so that a run can be repeated
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    fault_seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Answers {
    Upstash,
    Redis,
}

fn fault(text: &str) -> Result<(Fault, f64), String> {
    let (fault, rate) = text.rsplit_once(':').ok_or("a fault needs a rate, as drop-after:0.1")?;
    let rate: f64 = rate.parse().map_err(|_| format!("{rate:?} is not a number"))?;
    if !(0.0..=1.0).contains(&rate) {
        return Err(format!("the rate {rate} is not from 0 to 1"));
    }
    Ok((fault.parse()?, rate))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the message is lost.
            let _ = writeln!(std::io::stderr(), "edgecask-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // From here on, a signal does not end the process before the data is saved.
    let stop = StopSignal::new()?;
    let dialect = match options.dialect {
        Answers::Upstash => Dialect::Upstash,
        Answers::Redis => Dialect::Redis,
    };
    let engine = match &options.data {
        Some(path) => {
            let memory = MemoryOptions::new().dialect(dialect);
            Some(MemoryTransport::open(&memory.snapshot(path))?)
        }
        None => None,
    };
    let (mut settings, backend) = match (&options.redis, &engine) {
        (Some(url), _) => (ServerOptions::redis(url), "a Redis server"),
        (None, Some(engine)) => (ServerOptions::engine(engine.clone()), "an embedded engine"),
        (None, None) => (ServerOptions::memory(), "an embedded engine"),
    };
    settings = settings.host(options.host).port(options.port).dialect(dialect);
    if let Some(token) = options.token {
        settings = settings.token(token);
    }
    if let Some(token) = options.read_only_token {
        settings = settings.read_only_token(token);
    }
    if let Some(commands) = options.daily_commands {
        settings = settings.limits(Limits::new().daily_commands(commands));
    }
    if let Some(millis) = options.replica_lag {
        settings = settings.lagging_replica(Some(Duration::from_millis(millis.max(1))));
    }
    let plan = FaultPlan::seeded(options.fault_seed);
    settings = settings
        .faults(options.fault.into_iter().fold(plan, |plan, (fault, rate)| plan.rate(fault, rate)));
    let server = Server::start(settings).await?;
    writeln!(
        std::io::stdout(),
        "The Upstash REST API over {backend}. Ctrl-C stops it.\n\n\
         UPSTASH_REDIS_REST_URL={}\nUPSTASH_REDIS_REST_TOKEN={}",
        server.url(),
        server.token()
    )?;
    stop.wait().await?;
    server.stop().await;
    if let Some(engine) = engine {
        engine.save().await?;
    }
    Ok(())
}

/// The signals that stop the server: Ctrl-C and SIGTERM. They are caught from the creation of this value on.
#[cfg(unix)]
struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl StopSignal {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(mut self) -> std::io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => Ok(()),
            _ = self.terminate.recv() => Ok(()),
        }
    }
}

#[cfg(not(unix))]
struct StopSignal;

#[cfg(not(unix))]
impl StopSignal {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn wait(self) -> std::io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
