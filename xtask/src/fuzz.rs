//! Fuzzing by cargo-fuzz. It runs on the stable toolchain, because it needs no sanitizer: there is no unsafe code here, so
//! it looks for panics, hangs and unbounded memory.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::setup;
use crate::tools::Tools;

struct Target {
    name: &'static str,
    /// The longest input that it is given, in bytes.
    longest: &'static str,
    /// The most memory that the whole process may take. Each starts with about 30 MB.
    megabytes: &'static str,
}

const TARGETS: [Target; 6] = [
    Target { name: "json_replies", longest: "4096", megabytes: "128" },
    Target { name: "resp2_replies", longest: "4096", megabytes: "128" },
    Target { name: "events", longest: "4096", megabytes: "128" },
    Target { name: "payloads", longest: "4096", megabytes: "512" },
    Target { name: "engine_commands", longest: "4096", megabytes: "512" },
    Target { name: "server_requests", longest: "2048", megabytes: "512" },
];

pub(crate) fn everything(shell: &Shell, tools: &Tools, seconds: u32) -> Result<()> {
    setup::cargo_tool(shell, &tools.cargo_fuzz)?;
    let own = tools.cargo_fuzz.root().join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path)))?;
    let seconds = seconds.to_string();
    // The folders below are relative to it.
    let _folder = shell.push_dir("fuzz");
    for Target { name, longest, megabytes } in TARGETS {
        println!("fuzzing {name} for {seconds} s");
        // New inputs are stored in the first folder.
        shell.create_dir(format!("corpus/{name}"))?;
        cmd!(
            shell,
            "cargo fuzz run --sanitizer none {name} corpus/{name} seeds/{name} -- -dict=dictionaries/{name}
             -max_total_time={seconds} -max_len={longest} -timeout=10 -rss_limit_mb={megabytes} -print_final_stats=1"
        )
        .env("PATH", &path)
        .run()?;
    }
    Ok(())
}
