//! What the tests stand on: real servers on free ports, stopped by pid when they are dropped.

mod clock;
mod cluster;
mod cutter;
mod deviant;
mod dice;
mod places;
mod postgrest;
mod tap;

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::panic::Location;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use edgecask::Client;
use edgecask::layer::Deadline;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};

pub use self::clock::MovedClock;
pub use self::cluster::{ClusterNode, NODE_TIMEOUT, PRIMARIES, ReplicatedCluster, SLOTS};
pub use self::cutter::{Cut, Cutter};
pub use self::deviant::{Deviant, Deviation};
pub use self::dice::{Dice, cases, number, runner, seed, seeds};
pub use self::places::{Count, Lossy, Place};
pub use self::postgrest::Postgrest;
pub use self::tap::{By, Deaf, Sent, Tap, Tapped, Trip};

/// A real `redis-server` without persistence on a free port of this host.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
    tls: Option<TlsIdentity>,
}

/// A certificate that stands for this host, signed by itself, and its key, in PEM files.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The certificate in PEM, which a client has to trust.
    pub certificate: String,
    folder: Arc<tempfile::TempDir>,
}

impl TlsIdentity {
    /// A new one.
    ///
    /// # Panics
    /// If there is no place for its files.
    pub fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let identity = rcgen::generate_simple_self_signed(names).expect("good names");
        let certificate = identity.cert.pem();
        let folder = tempfile::tempdir().expect("a directory for the certificate");
        for (name, pem) in
            [("certificate.pem", &certificate), ("key.pem", &identity.signing_key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), pem).expect("the directory is ours");
        }
        Self { certificate, folder: Arc::new(folder) }
    }

    /// The settings of a Redis server or sentinel that speaks TLS alone on this port.
    pub fn settings(&self, port: u16) -> Vec<(&'static str, String)> {
        let file = |name| self.folder.path().join(name).to_string_lossy().into_owned();
        vec![
            ("port", "0".to_owned()),
            ("tls-port", port.to_string()),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-replication", "yes".to_owned()),
            ("tls-cluster", "yes".to_owned()),
            ("tls-cert-file", file("certificate.pem")),
            ("tls-key-file", file("key.pem")),
            ("tls-ca-cert-file", file("certificate.pem")),
        ]
    }
}

impl Default for TlsIdentity {
    fn default() -> Self {
        Self::new()
    }
}

impl RedisServer {
    /// Starts one, and waits until it accepts connections.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not start.
    pub fn start() -> Self {
        Self::on_port(free_port())
    }

    /// Starts one on this port.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn on_port(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string()]);
        Self::run(command, port)
    }

    /// Starts one on a free port with these further arguments.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn with<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string()]).args(arguments);
        Self::run(command, port)
    }

    /// Starts one on a free port with the settings of this file, and these further arguments.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn configured<'a>(file: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.arg(file).args(["--port", &port.to_string()]).args(arguments);
        Self::launch(command, port)
    }

    /// Starts one that speaks TLS alone, with these further arguments.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn with_tls<'a>(
        identity: &TlsIdentity,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let port = free_port();
        let mut command = Command::new("redis-server");
        for (name, value) in identity.settings(port) {
            command.arg(format!("--{name}")).arg(value);
        }
        command.args(arguments);
        let mut server = Self::run(command, port);
        server.tls = Some(identity.clone());
        server
    }

    /// A Redis 8 with the JSON module, where `cargo xtask setup` could install one.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub fn redis8() -> Option<Self> {
        Self::redis8_with([])
    }

    /// The same with these further arguments.
    ///
    /// # Panics
    /// As for [`RedisServer::redis8`].
    pub fn redis8_with<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let root = std::env::home_dir()?.join(".cache/edgecask/redis8");
        let libraries =
            root.join("root/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        let loader = libraries.join("ld-linux-x86-64.so.2");
        let modules = root.join("modules");
        if !loader.exists() || !modules.join("rejson.so").exists() {
            return None;
        }
        let port = free_port();
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(libraries).args(["--argv0", "redis-server"]);
        command.arg(root.join("root/usr/bin/redis-server"));
        command.arg("--loadmodule").arg(modules.join("rejson.so"));
        command.args(["--port", &port.to_string()]).args(arguments);
        Some(Self::run(command, port))
    }

    /// Starts one on this port that keeps what it acknowledged in this directory, and has it again after it was killed.
    /// Dropping a server kills it with SIGKILL.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn durable(port: u16, directory: &std::path::Path) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string()]).arg("--dir").arg(directory);
        Self::run_with(command, port, ["--appendonly", "yes", "--appendfsync", "always"])
    }

    fn run(command: Command, port: u16) -> Self {
        Self::run_with(command, port, ["--appendonly", "no"])
    }

    fn run_with<'a>(
        mut command: Command,
        port: u16,
        persistence: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        command
            .args(["--save", ""])
            .args(persistence)
            // A replica would leave a file behind, which the next server would load.
            .args(["--repl-diskless-load", "on-empty-db"]);
        Self::launch(command, port)
    }

    fn launch(mut command: Command, port: u16) -> Self {
        let mut process = command
            .args(["--bind", "127.0.0.1", "--daemonize", "no"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("redis-server is installed: run `cargo xtask setup`");
        let output = process.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept")));
        assert!(ready, "redis-server did not start on port {port}");
        // It writes little, but its pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port, tls: None }
    }

    /// Sends a line on a connection of its own, as a person at a terminal does, and gives the first line of the reply: for
    /// what a client refuses to send.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn by_hand(&self, line: &str) -> String {
        let mut connection =
            std::net::TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        connection.write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
        let mut reply = String::new();
        BufReader::new(connection).read_line(&mut reply).expect("the server answers");
        reply.trim_end().to_owned()
    }

    /// Lets it stand still, with its port and its connections open.
    ///
    /// # Panics
    /// If the system has no `kill`.
    pub fn pause(&self) {
        let stopped = Command::new("kill").args(["-STOP", &self.process.id().to_string()]).status();
        assert!(stopped.is_ok_and(|status| status.success()), "it is running");
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client by TCP.
    ///
    /// # Panics
    /// Never: the URL is a good one.
    pub fn client(&self) -> Client {
        let mut options = TcpOptions::new(self.url());
        if let Some(identity) = &self.tls {
            options = options.root_certificate(identity.certificate.as_str());
        }
        let transport = TcpTransport::new(options).expect("a good URL");
        Client::new(transport).layer(Deadline::default())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been stopped by the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A free port of this host, below those that the system gives to outgoing connections: a server that is stopped and started
/// again finds it free.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 12_000..32_000;
    /// Each process begins at another port, and no test is given a port twice.
    static NEXT: LazyLock<AtomicU32> =
        LazyLock::new(|| AtomicU32::new(RandomState::new().hash_one(std::process::id()) as u32));
    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len() as u32;
        let port = PORTS.start + next as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

/// Waits until this is so. Other tasks run between two attempts; after the first attempts, other programs do too.
///
/// # Panics
/// If it takes longer than two minutes.
#[track_caller]
pub fn until(mut condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    const LONGEST: Duration = Duration::from_secs(120);
    const PAUSE: Duration = Duration::from_millis(1);
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        for attempt in 0.. {
            if condition().await {
                break;
            }
            assert!(start.elapsed() < LONGEST, "{caller}: this is not so after {LONGEST:?}");
            match attempt {
                0..50 => tokio::task::yield_now().await,
                // A paused clock stands still meanwhile, unlike in a sleep of the runtime.
                _ => drop(tokio::task::spawn_blocking(|| std::thread::sleep(PAUSE)).await),
            }
        }
    }
}

/// A real cluster of three primaries that share all slots, without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    // Each node keeps a file about the cluster there.
    _directory: tempfile::TempDir,
}

impl RedisCluster {
    /// Starts one, and waits until all nodes agree on it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        Self::of(|arguments| RedisServer::with(arguments)).await
    }

    /// Starts one that speaks TLS alone.
    ///
    /// # Panics
    /// As for [`RedisCluster::start`].
    pub async fn with_tls(identity: &TlsIdentity) -> Self {
        Self::of(|arguments| RedisServer::with_tls(identity, arguments)).await
    }

    async fn of(node: impl Fn([&str; 8]) -> RedisServer) -> Self {
        use edgecask::prelude::*;
        const SLOTS: [(u32, u32); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];
        let directory = tempfile::tempdir().expect("a directory for the nodes' files");
        let path = directory.path().to_string_lossy().into_owned();
        let nodes: Vec<RedisServer> = (0..SLOTS.len())
            .map(|number| {
                let file = format!("node-{number}.conf");
                // The bus has a port of its own, by default 10000 above, which may be too high.
                let bus = free_port().to_string();
                node([
                    "--cluster-enabled",
                    "yes",
                    "--cluster-config-file",
                    &file,
                    "--cluster-port",
                    &bus,
                    "--dir",
                    &path,
                ])
            })
            .collect();
        let clients: Vec<Client> = nodes.iter().map(RedisServer::client).collect();
        let run = async |client: &Client, words: &[&str]| {
            let command = cmd("CLUSTER").args_from(words);
            client.execute::<edgecask::Value>(command).await.expect("the cluster takes it")
        };
        for (epoch, (client, (first, last))) in (1..).zip(clients.iter().zip(SLOTS)) {
            run(client, &["SET-CONFIG-EPOCH", &i32::to_string(&epoch)]).await;
            run(client, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
        }
        for node in &nodes[1..] {
            let bus: Vec<String> = node
                .client()
                .config_get("cluster-port")
                .await
                .expect("it answers")
                .into_values()
                .collect();
            run(&clients[0], &["MEET", "127.0.0.1", &node.port.to_string(), &bus[0]]).await;
        }
        for client in &clients {
            until(async || {
                let info: String =
                    client.execute(cmd("CLUSTER").arg("INFO")).await.expect("it answers");
                ["known_nodes:3", "state:ok", "slots_assigned:16384"]
                    .iter()
                    .all(|line| info.contains(&format!("cluster_{line}")))
            })
            .await;
        }
        Self { nodes, _directory: directory }
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }
}
