//! What the tests stand on: real servers on free ports, stopped by pid when they are dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use edgecask::Client;
use edgecask::layer::Deadline;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};

/// A real `redis-server` without persistence on a free port of this host.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
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
        Self::with_arguments(port, ["--port", &port.to_string()])
    }

    /// Starts one that speaks TLS alone, with the certificate and key of these PEM files.
    ///
    /// # Panics
    /// As for [`RedisServer::start`].
    pub fn with_tls(certificate: &Path, key: &Path) -> Self {
        let port = free_port();
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        Self::with_arguments(
            port,
            [
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
                "--tls-auth-clients",
                "no",
                "--tls-cert-file",
                &certificate,
                "--tls-key-file",
                &key,
                "--tls-ca-cert-file",
                &certificate,
            ],
        )
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

    /// A Redis 8 with the JSON module, where `cargo xtask setup` could install one.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub fn redis8() -> Option<Self> {
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
        command.args(["--port", &port.to_string()]);
        Some(Self::run(command, port))
    }

    fn with_arguments<'a>(port: u16, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new("redis-server");
        command.args(arguments);
        Self::run(command, port)
    }

    fn run(mut command: Command, port: u16) -> Self {
        let mut process = command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            // A replica would leave a file behind, which the next server would load.
            .args(["--repl-diskless-load", "on-empty-db"])
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
        Self { process, port }
    }

    /// Lets it stand still, with its port and its connections open.
    ///
    /// # Panics
    /// If the system has no `kill`.
    pub fn pause(&self) {
        let stopped = Command::new("kill").args(["-STOP", &self.process.id().to_string()]).status();
        assert!(stopped.is_ok_and(|status| status.success()), "it is running");
    }

    /// Its `redis://` URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
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
        let transport = TcpTransport::new(TcpOptions::new(self.url())).expect("a good URL");
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

/// A port that was free a moment ago.
///
/// # Panics
/// If the system has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
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
        use edgecask::prelude::*;
        const SLOTS: [(u32, u32); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];
        let directory = tempfile::tempdir().expect("a directory for the nodes' files");
        let path = directory.path().to_string_lossy().into_owned();
        let nodes: Vec<RedisServer> = (0..SLOTS.len())
            .map(|number| {
                let file = format!("node-{number}.conf");
                // The bus has a port of its own, by default 10000 above, which may be too high.
                let bus = free_port().to_string();
                RedisServer::with([
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
            loop {
                let info: String =
                    client.execute(cmd("CLUSTER").arg("INFO")).await.expect("it answers");
                let known = info.contains("cluster_known_nodes:3");
                if known
                    && info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_assigned:16384")
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
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
