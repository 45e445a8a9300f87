//! Hits of each cache, one process on one core, under the load of `wrk` on the other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::throughput::{Server, median, on_core};

const ROUNDS: usize = 5;
const SECONDS: u64 = 2;

/// The bodies: their name, their path, and how many variants are stored.
const BODIES: [(&str, &str, usize); 5] = [
    ("1 KB", "/1024/text", 1),
    ("100 KB of text", "/102400/text", 1),
    ("100 KB of binary", "/102400/binary", 1),
    ("100 KB, eight variants", "/102400/binary/vary", 8),
    ("1 MiB, eight variants", "/1048576/binary/vary", 8),
];
const OTHERS: [&str; 4] = ["first-tier", "engine", "redis", "bare"];

/// A body, and the hits in a second of processor time of nginx and of the others.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) nginx: f64,
    pub(crate) others: Vec<Rate>,
}

/// The medians of the rounds.
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) to_nginx: f64,
}

pub(crate) fn measure() -> Result<Vec<Case>> {
    let redis = Server::redis_on(0)?;
    let program = std::env::current_exe()?;
    let own = |kind: &str| {
        let mut command = on_core(1, &program);
        command.args(["http-cache-server", kind, redis.url()]);
        Server::start(command, "http://")
    };
    let origin = own("bare")?;
    let folder = std::env::temp_dir().join(format!("edgecask-bench-nginx-{}", std::process::id()));
    let nginx = nginx(&folder, origin.url());
    let measured = nginx.and_then(|nginx| {
        let others = OTHERS.iter().map(|kind| own(kind)).collect::<Result<Vec<_>>>()?;
        BODIES.into_iter().map(|body| case(body, &nginx, &others)).collect()
    });
    let _ = std::fs::remove_dir_all(folder);
    measured
}

/// nginx as the cache of a reverse proxy before this origin, in one process.
fn nginx(folder: &Path, origin: &str) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let at = folder.display();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=1000;\n\
         proxy_cache_path {at}/cache keys_zone=bench:8m inactive=60m;\n\
         client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{origin}; proxy_cache bench; }} }}\n\
         }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = on_core(1, Path::new("nginx"));
    command.args(["-e", "stderr", "-c"]).arg(&file);
    let server = Server::started(command, format!("127.0.0.1:{port}"))?;
    for _ in 0..200 {
        if TcpStream::connect(server.url()).is_ok() {
            return Ok(server);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    anyhow::bail!("nginx does not listen")
}

fn case(
    (name, path, variants): (&'static str, &str, usize),
    nginx: &Server,
    others: &[Server],
) -> Result<Case> {
    let servers: Vec<&Server> = std::iter::once(nginx).chain(others).collect();
    for server in &servers {
        for variant in (0..variants).rev() {
            fetch(server.url(), path, variant)?;
        }
    }
    let mut rounds: Vec<Vec<f64>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(load(server, path)?);
        }
    }
    let rates = rounds[1..].iter().map(|own| {
        let ratios = own.iter().zip(&rounds[0]).map(|(own, nginx)| own / nginx);
        Rate { per_second: median(own.iter().copied()), to_nginx: median(ratios) }
    });
    println!("{name}: done");
    Ok(Case { name, nginx: median(rounds[0].iter().copied()), others: rates.collect() })
}

/// One request, which fills the cache.
fn fetch(address: &str, path: &str, variant: usize) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: bench\r\naccept-language: {variant}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{address} does not answer");
    Ok(())
}

/// A round: the requests in a second of the server's processor time.
fn load(server: &Server, path: &str) -> Result<f64> {
    let before = server.cpu_seconds()?;
    let url = format!("http://{}{path}", server.url());
    let mut command = on_core(0, Path::new("wrk"));
    command.args([
        "-t1",
        "-c64",
        &format!("-d{SECONDS}s"),
        "-H",
        "host: bench",
        "-H",
        "accept-language: 0",
    ]);
    let output = command.arg(url).output().context("wrk is installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && !text.contains("Non-2xx"), "wrk: {text}");
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: f64 =
        requests.and_then(|(number, _)| number.parse().ok()).context("wrk tells how many")?;
    Ok(requests / (server.cpu_seconds()? - before).max(0.01))
}
