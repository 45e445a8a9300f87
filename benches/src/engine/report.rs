use std::fmt::Write;

use super::Measured;

/// The part on the embedded engine.
pub(crate) fn write(engine: &Measured) -> String {
    let mut text = String::from(
        "\n## The embedded engine\n\n\
         Resident memory of a key, in a process of its own, beside MEMORY USAGE of a real Redis:\n\n\
         | key | bytes | Redis's | ratio |\n|---|---:|---:|---:|\n",
    );
    // Writing to a String cannot fail.
    for row in &engine.memory {
        let (bytes, of_redis) = (row.bytes, row.of_redis);
        let ratio = bytes / of_redis;
        let _ = writeln!(text, "| {} | {bytes:.0} | {of_redis:.0} | {ratio:.2} |", row.what);
    }
    text.push_str(
        "\nScripts by EVALSHA: one caller in the process, and 64 callers over TCP of a real Redis:\n\n\
         | script | a second | Redis's | ratio |\n|---|---:|---:|---:|\n",
    );
    for row in &engine.scripts {
        let (own, of_redis, ratio) = (row.per_second, row.of_redis, row.ratio);
        let _ = writeln!(text, "| {} | {own:.0} | {of_redis:.0} | {ratio:.2} |", row.what);
    }
    text.push_str(
        "\nHow long a caller waits for one command:\n\n\
         | what | longest µs | 99.9 % within µs | all done after ms |\n|---|---:|---:|---:|\n",
    );
    for row in &engine.pauses {
        let (longest, high) = (row.longest.as_secs_f64() * 1e6, row.high.as_secs_f64() * 1e6);
        let all = row.all.as_secs_f64() * 1e3;
        let _ = writeln!(text, "| {} | {longest:.0} | {high:.1} | {all:.0} |", row.what);
    }
    text
}
