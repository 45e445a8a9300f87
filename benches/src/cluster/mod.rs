//! A real cluster of three primaries, by Edgecask and by two other clients of clusters.

mod chaos;
mod peer;
mod speed;

use std::fmt::Write;

use anyhow::Result;
use clap::Args;

use self::peer::Kind;

/// What is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// The seed of what happens to the nodes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a round of the speed takes, in milliseconds; 0 leaves the speed out
    #[arg(long, default_value_t = 1000)]
    millis: u64,
}

/// The tables, as Markdown.
pub(crate) fn measure(options: &Options) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut text = String::new();
    if options.millis > 0 {
        text += &runtime.block_on(speed::measure(options.millis))?;
        text.push('\n');
    }
    text += &runtime.block_on(chaos::measure(options.seed))?;
    Ok(text)
}

/// A table whose first column names the rows, with a column for each client.
fn table(what: &str, rows: &[(String, Vec<String>)]) -> String {
    let mut text = format!("| {what} |");
    // Writing to a String cannot fail.
    for kind in Kind::ALL {
        let _ = write!(text, " {} |", kind.name());
    }
    text += "\n|---|";
    text += &"---:|".repeat(Kind::ALL.len());
    text.push('\n');
    for (name, cells) in rows {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}
