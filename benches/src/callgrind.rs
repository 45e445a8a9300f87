//! Counts instructions by valgrind, which no other load of the machine changes.

use std::process::Command;

/// The instructions of one repetition: this program is run with these arguments and a number of repetitions, for a few of
/// them and for many. `None` where there is no valgrind.
pub(crate) fn instructions(arguments: &[&str], few: u32, many: u32) -> Option<f64> {
    let count = |times: u32| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(arguments)
            .arg(times.to_string())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected"))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    Some((count(many)? - count(few)?) / f64::from(many - few))
}
