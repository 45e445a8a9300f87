//! The sizes of what users download, beside a budget: growth is decided, and does not happen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use xshell::Shell;

const BUDGET: &str = "js/sizes.json";
/// In percent: compilers of different days differ by less.
const TOLERANCE: usize = 3;

type Sizes = BTreeMap<String, usize>;

/// Compares these files, as they were just built, with the budget.
pub(crate) fn check(shell: &Shell, files: &[&str]) -> Result<()> {
    let budget = budget(shell)?;
    let measured = files.iter().map(|file| Ok((*file, gzip(shell, file)?)));
    let measured = measured.collect::<Result<Vec<_>>>()?;
    for (file, bytes) in &measured {
        println!("{file}: {bytes} bytes by gzip, {} in {BUDGET}", budget.get(*file).unwrap_or(&0));
    }
    match over(&budget, &measured) {
        None => Ok(()),
        Some(text) => bail!("{text}"),
    }
}

/// Writes the sizes of these files, as they were just built, into the budget.
pub(crate) fn write(shell: &Shell, files: &[&str]) -> Result<()> {
    let sizes = files.iter().map(|file| Ok(((*file).to_owned(), gzip(shell, file)?)));
    let budget = sizes.collect::<Result<Sizes>>()?;
    shell.write_file(BUDGET, serde_json::to_string_pretty(&budget)? + "\n")?;
    Ok(())
}

fn budget(shell: &Shell) -> Result<Sizes> {
    serde_json::from_str(&shell.read_file(BUDGET)?).context(BUDGET)
}

fn gzip(shell: &Shell, file: &str) -> Result<usize> {
    let content = shell
        .read_binary_file(file)
        .with_context(|| format!("{file} is not built: `cargo xtask pkg` builds it"))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&content)?;
    Ok(gzip.finish()?.len())
}

/// What to do about files that are over their budget; `None` if there are none.
fn over(budget: &Sizes, measured: &[(&str, usize)]) -> Option<String> {
    let mut text = String::new();
    for (file, bytes) in measured {
        let most = budget.get(*file).map_or(0, |bytes| bytes + bytes * TOLERANCE / 100);
        if *bytes > most {
            let grown = budget.get(*file).map_or(0, |before| bytes.saturating_sub(*before));
            // Writing to a String cannot fail.
            let _ =
                writeln!(text, "{file} has {bytes} bytes by gzip, {grown} more than its budget.");
        }
    }
    let what_to_do = "\
        Every user downloads it. Look for what came in: `twiggy diff` of a build without wasm-opt tells it, and so do\n\
        `format!`, floats, serde_json::Value and new generic instances in the change. If it is worth its size,\n\
        `cargo xtask sizes` writes the new sizes into js/sizes.json; say why in the commit.";
    (!text.is_empty()).then(|| text + what_to_do)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_over_the_tolerance_fails_and_says_what_to_do() {
        let budget = Sizes::from([("a.wasm".to_owned(), 1000), ("b.wasm".to_owned(), 2000)]);
        assert_eq!(over(&budget, &[("a.wasm", 1030), ("b.wasm", 10)]), None);
        let text = over(&budget, &[("a.wasm", 1031), ("b.wasm", 2000)]).unwrap_or_default();
        assert!(text.starts_with("a.wasm has 1031 bytes by gzip, 31 more than its budget.\n"));
        assert!(text.contains("cargo xtask sizes") && !text.contains("b.wasm"));
    }

    #[test]
    fn a_file_without_a_budget_fails() {
        assert!(over(&Sizes::new(), &[("new.wasm", 1)]).is_some());
    }
}
