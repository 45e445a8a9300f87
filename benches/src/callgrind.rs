//! Counts instructions and allocations by valgrind, which no other load of the machine changes.

use std::process::Command;

/// The instructions of one repetition: this program is run with these arguments and a number of repetitions, for a few of
/// them and for many. `None` where there is no valgrind.
pub(crate) fn instructions(arguments: &[&str], few: u32, many: u32) -> Option<f64> {
    const TOOL: &[&str] = &["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    each(TOOL, "Collected", arguments, few, many)
}

/// The allocations of one repetition, by the same way.
pub(crate) fn allocations(arguments: &[&str], few: u32, many: u32) -> Option<f64> {
    const TOOL: &[&str] = &["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    each(TOOL, "total heap usage:", arguments, few, many)
}

/// What a tool counts for one repetition: the first number after a mark in its output.
fn each(tool: &[&str], mark: &str, arguments: &[&str], few: u32, many: u32) -> Option<f64> {
    let count = |times: u32| {
        let output = Command::new("valgrind")
            .args(tool)
            .arg(std::env::current_exe().ok()?)
            .args(arguments)
            .arg(times.to_string())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let (_, rest) = text.split_once(mark)?;
        let digits = rest.trim_start_matches([' ', ':']).split([' ', '\n']).next()?;
        digits.replace(',', "").parse::<f64>().ok()
    };
    Some((count(many)? - count(few)?) / f64::from(many - few))
}
