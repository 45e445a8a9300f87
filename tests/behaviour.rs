//! The one suite of behaviour against every transport.

use std::sync::Arc;

use edgecask::layer::{AutoPipeline, CircuitBreaker, Deadline, KeyPrefix, Observe, Retry};
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, Result};
use edgecask_behaviour::{CASES, Scope};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// A way to reach one of the backends, made anew in the runtime of each trial.
type Connect = Arc<dyn Fn() -> Result<Client> + Send + Sync>;

fn main() {
    let arguments = Arguments::from_args();
    let conclusion = if arguments.list {
        run(&arguments, trials(&unreachable_transports()))
    } else {
        with_servers(&arguments)
    };
    conclusion.exit();
}

fn run(arguments: &Arguments, trials: Vec<Trial>) -> Conclusion {
    libtest_mimic::run(arguments, trials)
}

fn with_servers(arguments: &Arguments) -> Conclusion {
    let runtime = Runtime::new().expect("a runtime");
    let redis = RedisServer::start();
    let start = |options| runtime.block_on(Server::start(options)).expect("the server starts");
    let over_memory = start(ServerOptions::memory());
    let over_redis = start(ServerOptions::redis(redis.url()));

    let engine = MemoryTransport::new();
    let redis_url = redis.url();
    let resp3_url = redis.url();
    let transports: [(&str, Connect); 7] = [
        ("layered", layered(rest(&over_redis))),
        ("prefixed", prefixed(rest(&over_redis))),
        ("memory", Arc::new(move || Ok(Client::new(engine.clone())))),
        ("rest_over_memory", rest(&over_memory)),
        ("rest_over_redis", rest(&over_redis)),
        ("tcp", Arc::new(move || Client::tcp(&redis_url))),
        (
            "tcp_resp3",
            Arc::new(move || {
                Ok(Client::new(TcpTransport::new(TcpOptions::new(&resp3_url).resp3(true))?))
            }),
        ),
    ];
    let conclusion = run(arguments, trials(&transports));
    runtime.block_on(async {
        over_memory.stop().await;
        over_redis.stop().await;
    });
    conclusion
}

fn rest(server: &Server) -> Connect {
    let (url, token) = (server.url(), server.token().to_owned());
    Arc::new(move || Client::rest(&url, &token))
}

/// With every layer that changes how commands travel.
fn layered(connect: Connect) -> Connect {
    Arc::new(move || {
        let client = connect()?.layer(CircuitBreaker::new()).layer(AutoPipeline::new());
        Ok(client.layer(Retry::new()).layer(Deadline::default()))
    })
}

/// In a keyspace of its own.
fn prefixed(connect: Connect) -> Connect {
    Arc::new(move || Ok(connect()?.layer(KeyPrefix::new("prefix:")).layer(Observe::new())))
}

/// For listing the trials' names without starting anything.
fn unreachable_transports() -> [(&'static str, Connect); 7] {
    ["layered", "prefixed", "memory", "rest_over_memory", "rest_over_redis", "tcp", "tcp_resp3"]
        .map(|name| {
            let connect: Connect = Arc::new(|| Ok(Client::memory()));
            (name, connect)
        })
}

/// What reaches beyond a prefix (RANDOMKEY, DBSIZE, commands that nobody knows), or shows it (MONITOR, the KEYS of a script).
const BEYOND_A_PREFIX: [&str; 5] = [
    "errors::redis_errors_are_typed",
    "keys::a_scan_finds_what_stays",
    "pubsub::watching_commands",
    "scripting::a_script_runs_and_is_remembered",
    "server::it_answers",
];

fn trials(transports: &[(&'static str, Connect)]) -> Vec<Trial> {
    let pairs =
        transports.iter().flat_map(|transport| CASES.iter().map(move |case| (transport, case)));
    pairs
        .filter(|((name, _), case)| *name != "prefixed" || !BEYOND_A_PREFIX.contains(&case.name()))
        .map(|((name, connect), case)| {
            let connect = Arc::clone(connect);
            Trial::test(format!("{name}::{}", case.name()), move || {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    let scope =
                        Scope::new(connect().map_err(|error| Failed::from(error.to_string()))?)
                            .map_err(|error| Failed::from(error.to_string()))?;
                    case.run(scope).await;
                    Ok(())
                })
            })
        })
        .collect()
}
