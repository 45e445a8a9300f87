//! Fuzzing by cargo-fuzz. It runs on the stable toolchain, because it needs no sanitizer: there is no unsafe code here, so
//! what is looked for are panics, hangs and memory without bound.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::setup;
use crate::tools::Tools;

/// The targets, each with the longest input that it is given.
const TARGETS: [(&str, &str); 4] = [
    ("json_replies", "4096"),
    ("resp2_replies", "4096"),
    ("events", "4096"),
    ("server_requests", "2048"),
];

pub(crate) fn everything(shell: &Shell, tools: &Tools, seconds: u32) -> Result<()> {
    setup::cargo_tool(shell, &tools.cargo_fuzz)?;
    let own = tools.cargo_fuzz.root().join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path)))?;
    let seconds = seconds.to_string();
    for (target, longest) in TARGETS {
        println!("fuzzing {target} for {seconds} s");
        cmd!(
            shell,
            "cargo fuzz run --sanitizer none {target} -- -max_total_time={seconds} -max_len={longest} -timeout=20
             -rss_limit_mb=1024 -print_final_stats=1"
        )
        .env("PATH", &path)
        .run()?;
    }
    Ok(())
}
