use std::fmt::Write;

use super::rounds::Row;
use super::{Measured, limit, queue};

/// The part on coordination.
pub(crate) fn write(measured: &Measured) -> String {
    let mut text = format!(
        "\n## Rate limits, locks, queues and events\n\n\
         Each peer is a process on one core, with a real `redis-server` on the other and an empty Redis for each round; {} \
         rounds. A ratio is Edgecask's figure, that of the first row, to the row's own.\n",
        measured.rounds
    );
    if let Some(limits) = &measured.limit {
        text.push_str(&of_limits(limits));
    }
    if !measured.lock.is_empty() {
        text.push_str(
            "\nHand-overs of one lock among 100 waiters on ten connections, from the moment when a holder begins to let go, over TCP:\n\n",
        );
        text.push_str(&times("lock", &measured.lock, "hand-over"));
    }
    if let Some(queues) = &measured.queue {
        text.push_str(&of_queues(queues));
    }
    if !measured.events.is_empty() {
        text.push_str(
            "\nEvents of one topic to 1,000 subscribers over TCP: 100 events as fast as they are published, and how long single ones take \
             until a subscriber has them:\n\n\
             | subscribers | delivered/s | ratio | half within ms | 99 % within ms | all within ms | Redis's CPU µs for each delivery |\n\
             |---|---:|---:|---:|---:|---:|---:|\n",
        );
        for row in &measured.events {
            let [rate, half, most, all] = figures(row);
            let (ratio, cpu) = (row.ratios.first().copied().unwrap_or(f64::NAN), row.redis_micros);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {rate:.0} | {ratio:.2} | {half:.1} | {most:.1} | {all:.1} | {cpu:.1} |",
                row.name
            );
        }
    }
    text
}

/// The first figures of a row.
fn figures<const N: usize>(row: &Row) -> [f64; N] {
    std::array::from_fn(|place| row.figures.get(place).copied().unwrap_or(f64::NAN))
}

fn of_limits(limits: &limit::Measured) -> String {
    let mut text = String::from(
        "\nDecisions of a rate limit by 64 callers for 1,000 identifiers, `edgecask-server` before a `redis-server`:\n\n\
         | algorithm | client | decisions/s | ratio | Redis's CPU µs |\n|---|---|---:|---:|---:|\n",
    );
    for (algorithm, rows) in &limits.remote {
        for row in rows {
            let ([rate], ratio) = (figures(row), row.ratios.first().copied().unwrap_or(f64::NAN));
            let (name, cpu) = (row.name, row.redis_micros);
            let _ = writeln!(text, "| {algorithm} | {name} | {rate:.0} | {ratio:.2} | {cpu:.1} |");
        }
    }
    text.push_str(
        "\nDecisions without a server, by one thread for 10,000 keys; the speed is Edgecask's as a ratio to the row's:\n\n\
         | limiter | ns | speed | bytes of a key, of 100,000 | of 120,000 |\n|---|---:|---:|---:|---:|\n",
    );
    for row in &limits.local.rows {
        let limit::local::Row { name, nanos, ratio, bytes: [few, many] } = row;
        let _ = writeln!(text, "| {name} | {nanos:.0} | {ratio:.2} | {few:.0} | {many:.0} |");
    }
    text
}

fn of_queues(queues: &queue::Measured) -> String {
    let mut text = String::from(
        "\nTasks in a second, over TCP: added one by one by 64 callers, added 800 at once by one caller, and processed by one worker \
         that works on 64 at the same time:\n\n\
         | queue | added/s | ratio | in bulk/s | ratio | processed/s | ratio | Redis's CPU µs for each task |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in &queues.throughput {
        let _ = write!(text, "| {} |", row.name);
        for (rate, ratio) in row.figures.iter().zip(&row.ratios) {
            let _ = write!(text, " {rate:.0} | {ratio:.2} |");
        }
        let _ = writeln!(text, " {:.1} |", row.redis_micros);
    }
    text.push_str("\nHow late a worker that was idle starts delayed tasks, over TCP:\n\n");
    text.push_str(&times("queue", &queues.delay, "task"));
    text
}

/// A table of times.
fn times(what: &str, rows: &[Row], operation: &str) -> String {
    let mut text = format!(
        "| {what} | half within ms | 99 % within ms | all within ms | Redis's CPU µs for each {operation} |\n\
         |---|---:|---:|---:|---:|\n"
    );
    for row in rows {
        let ([half, most, all], cpu) = (figures(row), row.redis_micros);
        let _ = writeln!(text, "| {} | {half:.2} | {most:.2} | {all:.2} | {cpu:.0} |", row.name);
    }
    text
}
