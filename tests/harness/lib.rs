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

    fn with_arguments<'a>(port: u16, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut process = Command::new("redis-server")
            .args(arguments)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
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
