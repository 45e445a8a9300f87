//! Every test, in every place where Edgecask runs.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::tools::Tools;
use crate::{setup, sizes, wasm};

/// Crates that have no native test. The benches would build all their peers.
const WITHOUT_TESTS: [&str; 6] = [
    "--exclude",
    "edgecask-bench",
    "--exclude",
    "edgecask-js",
    "--exclude",
    "edgecask-worker-example",
];

pub(crate) fn everything(shell: &Shell, tools: &Tools) -> Result<()> {
    setup::everything(shell, tools)?;
    cmd!(shell, "cargo test --workspace {WITHOUT_TESTS...}").run()?;
    cmd!(shell, "cargo build --package edgecask-server").run()?;
    examples(shell)?;
    quickstart(shell)?;
    under_node(shell, tools)?;
    wasm::package(shell, tools)?;
    sizes::check(shell, &wasm::MADE)?;
    wasm::worker(shell, tools, &["behaviour"])?;
    javascript(shell, tools)
}

/// The variables that name a server. Without them, an example runs on the embedded engine.
const SERVERS: [&str; 4] =
    ["REDIS_URL", "CACHE_PROVIDER", "UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];

/// The other examples, as the tests have built them.
fn examples(shell: &Shell) -> Result<()> {
    let built = shell.current_dir().join("target/debug/examples");
    let examples = [
        "automation",
        "batch_load",
        "cache_service",
        "compare_and_set",
        "coordination",
        "copilot",
        "council",
        "events",
        "graphql",
        "layers",
        "locks",
        "outage",
        "phoenix",
        "schedules",
        "pipelines",
        "quotas",
        "queues",
        "rate_limits",
        "read_through",
        "schema_check",
        "schema_reference",
        "stampede",
        "subscribe",
        "tenants",
    ];
    for name in examples {
        let program = built.join(name);
        let command = cmd!(shell, "{program}");
        SERVERS.iter().fold(command, |command, name| command.env_remove(name)).run()?;
    }
    let mut command = Command::new(built.join("http_cache"));
    SERVERS.iter().fold(command.arg("127.0.0.1:0"), |command, name| command.env_remove(name));
    let (process, page) = start(command, "http://")?;
    let server = Server { process, url: page };
    for expected in ["fwd=uri-miss; stored", "hit"] {
        let answer = get(&server.url)?;
        ensure!(answer.contains(expected), "the example http_cache answered:\n{answer}");
    }
    Ok(())
}

/// The whole answer to a GET of a page, named by its address and path.
fn get(page: &str) -> Result<String> {
    let (address, path) = page.split_once('/').context("a page has a path")?;
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    Ok(std::io::read_to_string(stream)?)
}

/// The example that the README names: on the embedded engine, over TCP, and through the REST server over a real Redis.
fn quickstart(shell: &Shell) -> Result<()> {
    let run = |variables: &[(&str, &str)], backend: &str| {
        let command = cmd!(shell, "cargo run --quiet --example quickstart --features tcp");
        let command = SERVERS.iter().fold(command, |command, name| command.env_remove(name));
        let output = command.envs(variables.iter().copied()).read()?;
        let as_expected = output.contains("98.0 %") && output.contains(backend);
        ensure!(as_expected, "the quickstart printed:\n{output}");
        Ok(())
    };
    run(&[], "cached in the embedded engine")?;
    let redis = Server::redis()?;
    run(&[("REDIS_URL", &redis.url)], "cached in Redis")?;
    let rest = Server::rest(shell, Some(&redis.url))?;
    let variables = [
        ("REDIS_URL", &*rest.url),
        ("REDIS_PASSWORD", Server::TOKEN),
        ("CACHE_PROVIDER", "upstash"),
    ];
    run(&variables, "cached in Redis")
}

/// The behaviour suite as wasm32 under Node, on the embedded engine and through `fetch`.
fn under_node(shell: &Shell, tools: &Tools) -> Result<()> {
    let server = Server::rest(shell, None)?;
    let wasm = tools.wasm_shell(shell)?;
    wasm.set_var("EDGECASK_TEST_URL", &server.url);
    wasm.set_var("EDGECASK_TEST_TOKEN", Server::TOKEN);
    cmd!(
        wasm,
        "cargo test --target wasm32-unknown-unknown --package edgecask-behaviour --test wasm"
    )
    .run()?;
    Ok(())
}

/// The npm package, the Worker in workerd, the page in Chromium, and the packages of others against our server.
fn javascript(shell: &Shell, tools: &Tools) -> Result<()> {
    let _dir = shell.push_dir(&tools.js);
    let tests = [
        "arguments",
        "bundlers",
        "commands",
        "package",
        "postgrest",
        "readme",
        "sdk",
        "servers",
        "upstash",
        "upstash_sdk",
        "worker",
        "browser",
        "events",
        "http_cache",
        "realtime",
    ]
    .map(|name| format!("{name}.test.mjs"));
    // A test that hangs fails, and open handles do not keep the results of the others from being reported.
    cmd!(shell, "node --test --test-timeout=300000 --test-force-exit {tests...}").run()?;
    let tsc = tools.node_bin("tsc");
    cmd!(shell, "{tsc} --noEmit").run()?;
    Ok(())
}

/// A server of the tests on a free port, stopped by pid when it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    const TOKEN: &str = "token-of-the-tests";

    /// The local REST server, over an embedded engine or over a Redis.
    fn rest(shell: &Shell, redis: Option<&str>) -> Result<Self> {
        let program = shell.current_dir().join("target/debug/edgecask-server");
        let mut command = Command::new(program);
        command.args(["--port", "0", "--token", Self::TOKEN]);
        if let Some(url) = redis {
            command.args(["--redis", url]);
        }
        let (process, line) = start(command, "UPSTASH_REDIS_REST_URL=")?;
        Ok(Self { process, url: line })
    }

    /// A real Redis without persistence.
    fn redis() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port]);
        let (process, _) = start(command, "Ready to accept")?;
        Ok(Self { process, url: format!("redis://127.0.0.1:{port}") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a program, and waits for a line with this mark; gives what follows the mark.
fn start(mut command: Command, mark: &str) -> Result<(Child, String)> {
    let name = command.get_program().to_owned();
    let mut process =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name:?}"))?;
    let output = process.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
    let found = lines.find_map(|line| Some(line.split_once(mark)?.1.to_owned()));
    // No code needs the rest of the output, but the pipe must not fill up or break.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((process, found.with_context(|| format!("{name:?} did not start"))?))
}
