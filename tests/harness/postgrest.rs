//! A real PostgreSQL, and a server that is compatible with PostgREST in front of it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::free_port;

/// What to do where the programs are missing.
const MISSING: &str = "the tests on a real PostgreSQL are left out: install PostgreSQL 15 or later (Debian: `apt-get install \
                       postgresql`), and run `cargo xtask setup`, which builds postrust";

/// `postrust` on a PostgreSQL without data, on free ports of this host.
#[derive(Debug)]
pub struct Postgrest {
    processes: Vec<Child>,
    port: u16,
    database: String,
    _folder: tempfile::TempDir,
}

impl Postgrest {
    /// The secret by which tokens are signed.
    pub const SECRET: &str = "a secret of the tests, of 32 bytes or more";

    /// Starts both, after these files of SQL.
    ///
    /// # Errors
    /// What to do, if a program is missing.
    ///
    /// # Panics
    /// If a program does not start, or if PostgreSQL refuses a file.
    pub fn start(files: &[&Path]) -> Result<Self, &'static str> {
        let Some((programs, postrust)) = postgres().zip(postrust()) else {
            return Err(MISSING);
        };
        let folder = tempfile::tempdir().expect("a directory for the data");
        let is_root = run(Command::new("id").arg("-u")).trim() == "0";
        if is_root {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let program = |name: &str| {
            let path = programs.join(name);
            let mut command = if is_root { Command::new("setpriv") } else { Command::new(&path) };
            if is_root {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
            }
            command.current_dir("/");
            command
        };
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        run(initdb
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "-D"])
            .arg(&data));

        let database_port = free_port();
        let mut server = program("postgres");
        server.arg("-D").arg(&data).args(["-p", &database_port.to_string(), "-c", "fsync=off"]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let mut processes =
            vec![spawn(server.stdout(Stdio::null()).stderr(Stdio::piped()), "ready to accept")];

        let host = format!("127.0.0.1:{database_port}/postgres");
        let database = format!("postgres://postgres@{host}");
        for file in files {
            let mut psql = Command::new(programs.join("psql"));
            run(psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &database, "-f"]).arg(file));
        }

        let port = free_port();
        let mut server = Command::new(postrust);
        server
            .env("PGRST_DB_URI", format!("postgres://authenticator@{host}"))
            .env("PGRST_DB_SCHEMAS", "public")
            .env("PGRST_DB_ANON_ROLE", "anon")
            .env("PGRST_JWT_SECRET", Self::SECRET)
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", port.to_string())
            .env("PGRST_COMPAT_MODE", "true")
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        processes.push(spawn(&mut server, "Listening on"));
        Ok(Self { processes, port, database, _folder: folder })
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the database answers to its owner, in lines with `|` between columns.
    ///
    /// # Panics
    /// If it refuses the statement.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = Command::new(postgres().expect("it was there").join("psql"));
        run(psql.args(["-qAt", "-v", "ON_ERROR_STOP=1", "-d", &self.database, "-c", statement]))
    }
}

impl Drop for Postgrest {
    fn drop(&mut self) {
        // A program that a shell runs in the background ignores an interrupt, so that `postrust` is killed: it keeps nothing.
        if let Some(mut postrust) = self.processes.pop() {
            let _ = postrust.kill();
            let _ = postrust.wait();
        }
        for process in &mut self.processes {
            // It cleans up after an interrupt, which it takes in the background too.
            let _ = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }
}

/// The folder of PostgreSQL's programs, the newest where there are several.
fn postgres() -> Option<PathBuf> {
    let is_there =
        |folder: &PathBuf| folder.join("initdb").exists() && folder.join("psql").exists();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    debian.into_iter().rev().chain(path).find(is_there)
}

/// The program that `cargo xtask setup` builds.
fn postrust() -> Option<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => std::env::home_dir()?.join(".cache"),
    };
    let program = cache.join("edgecask/postrust-server-3.1.0/bin/postrust");
    program.exists().then_some(program)
}

/// Starts a server, and waits for a line with this mark on the output that is piped.
fn spawn(command: &mut Command, mark: &str) -> Child {
    let mut process = command.spawn().expect("the program is there");
    let output: Box<dyn Read + Send> = match (process.stdout.take(), process.stderr.take()) {
        (Some(output), _) => Box::new(output),
        (None, Some(output)) => Box::new(output),
        (None, None) => panic!("its output is piped"),
    };
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let is_ready = lines.any(|line| {
        let is_ready = line.contains(mark);
        said.push(line);
        is_ready
    });
    assert!(is_ready, "{command:?} did not start: {said:?}");
    // Its pipe must not fill up.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

/// Runs a program to its end, and gives its output.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program is there");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
