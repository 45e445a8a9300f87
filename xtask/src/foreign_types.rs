//! Checks the public API by the table of foreign types in ARCHITECTURE.md: rustdoc tells which types of other crates the API
//! names.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::tools::Tools;

/// The crates of the standard library: their types need no row.
const STANDARD: [&str; 3] = ["alloc", "core", "std"];

/// Names of types, by the crate that defines them.
type Types = BTreeMap<String, BTreeSet<String>>;

/// Checks the library with every feature: native, and on a JavaScript host.
pub(crate) fn check(shell: &Shell, tools: &Tools) -> Result<()> {
    let page = shell.read_file("ARCHITECTURE.md")?;
    let wasm = tools.wasm_shell(shell)?;
    let features = "encryption,http-cache,limit-http,lz4,msgpack,supabase,uuid,worker";
    let mut types = api(shell, "target/doc", &["--all-features"])?;
    let folder = "target/wasm32-unknown-unknown/doc";
    let target = ["--target", "wasm32-unknown-unknown", "--features", features];
    for (name, found) in api(&wasm, folder, &target)? {
        types.entry(name).or_default().extend(found);
    }
    let faults = compare(&listed(&page)?, &types);
    ensure!(
        faults.is_empty(),
        "the types of other crates in the public API:\n{}",
        faults.join("\n")
    );
    Ok(())
}

/// The types of other crates that the library's public API names.
fn api(shell: &Shell, folder: &str, arguments: &[&str]) -> Result<Types> {
    let rustdoc = shell.current_dir().join("xtask/rustdoc.sh");
    // The build of the documentation checks links; here, links to items of other targets would be broken.
    let json = ["-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"];
    cmd!(shell, "cargo rustdoc --package edgecask --lib {arguments...} -- {json...}")
        .env("RUSTDOC", rustdoc)
        .run()?;
    let docs = shell.read_file(format!("{folder}/edgecask.json"))?;
    types(&serde_json::from_str(&docs)?)
}

/// The types of other crates in rustdoc's JSON. Only what each version of that format has is looked at.
fn types(docs: &Value) -> Result<Types> {
    let items = docs["index"].as_object().context("rustdoc's JSON has an index")?;
    let mut types = Types::new();
    for item in items.values().filter(|item| item["crate_id"] == 0) {
        let implementation = &item["inner"]["impl"];
        // Implementations by other crates for every type are not part of this API.
        if implementation["is_synthetic"] != true && implementation["blanket_impl"].is_null() {
            collect(docs, &item["inner"], &mut types);
        }
    }
    ensure!(
        types.contains_key("core"),
        "rustdoc's JSON is not understood: the API names no type of core"
    );
    types.retain(|name, _| !STANDARD.contains(&name.as_str()));
    Ok(types)
}

fn collect(docs: &Value, part: &Value, types: &mut Types) {
    match part {
        Value::Object(fields) => {
            // A type in a signature has a path, one that is re-exported by `use` has a source.
            if (fields.contains_key("path") || fields.contains_key("source"))
                && let Some(id) = fields.get("id")
                && let Some((krate, name)) = foreign(docs, id)
            {
                types.entry(krate).or_default().insert(name);
            }
            fields.values().for_each(|field| collect(docs, field, types));
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(docs, part, types)),
        _ => {}
    }
}

/// The crate and the path of a type, unless it is the library's own.
fn foreign(docs: &Value, id: &Value) -> Option<(String, String)> {
    let summary = &docs["paths"][id.to_string()];
    let krate = summary["crate_id"].as_u64().filter(|number| *number != 0)?;
    let name = docs["external_crates"][krate.to_string()]["name"].as_str()?;
    let path: Vec<&str> = summary["path"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some((name.to_owned(), path.join("::")))
}

/// The crates that the page's table names. The crate after `through` re-exports them.
fn listed(page: &str) -> Result<BTreeSet<String>> {
    let table = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let cell = cell.split("through").next().unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(|name| name.replace('-', "_")).collect::<Vec<_>>()
    });
    let names: BTreeSet<String> = names.collect();
    ensure!(!names.is_empty(), "ARCHITECTURE.md has no table that starts with `| crate |`");
    Ok(names)
}

fn compare(listed: &BTreeSet<String>, types: &Types) -> Vec<String> {
    let new = types.iter().filter(|(name, _)| !listed.contains(*name));
    let new = new.map(|(name, types)| {
        let types = types.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("  {name} is not in the table of ARCHITECTURE.md, but the API names {types}")
    });
    let gone = listed.iter().filter(|name| !types.contains_key(*name));
    let gone = gone.map(|name| {
        format!("  {name} is in the table of ARCHITECTURE.md, but the API names no type of it")
    });
    new.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGE: &str = "\
| crate | where | why it is public |
|---|---|---|
| `bytes` | `Bytes` | |
| `futures-core`, through `futures-util` | | |
| `http`, `web-time` | | |

| other | table |
";

    #[test]
    fn the_table_and_the_api_name_the_same_crates() -> Result<()> {
        let path = |id: u64| json!({"resolved_path": {"path": "Name", "id": id, "args": null}});
        let item = |krate: u64, inner: Value| json!({"crate_id": krate, "inner": inner});
        let blanket = json!({"impl": {
            "is_synthetic": false, "blanket_impl": {"generic": "T"}, "trait": {"path": "Trait", "id": 4}
        }});
        let docs = json!({
            "index": {
                "10": item(0, json!({"function": {"sig": {"inputs": [["a", path(1)], ["b", path(2)]]}}})),
                "11": item(0, json!({"struct_field": path(3)})),
                "12": item(0, json!({"use": {"source": "web_time::Instant", "id": 6}})),
                "15": item(0, json!({"struct_field": path(5)})),
                "13": item(0, blanket),
                "14": item(3, json!({"struct_field": path(4)})),
            },
            "paths": {
                "1": {"crate_id": 1, "path": ["core", "option", "Option"]},
                "2": {"crate_id": 2, "path": ["futures_core", "Stream"]},
                "3": {"crate_id": 3, "path": ["url", "Url"]},
                "4": {"crate_id": 4, "path": ["tracing", "Instrument"]},
                "5": {"crate_id": 0, "path": ["edgecask", "Value"]},
                "6": {"crate_id": 5, "path": ["web_time", "Instant"]},
            },
            "external_crates": {
                "1": {"name": "core"}, "2": {"name": "futures_core"}, "3": {"name": "url"}, "4": {"name": "tracing"},
                "5": {"name": "web_time"},
            },
        });
        let faults = compare(&listed(PAGE)?, &types(&docs)?);
        assert_eq!(
            faults,
            [
                "  url is not in the table of ARCHITECTURE.md, but the API names url::Url",
                "  bytes is in the table of ARCHITECTURE.md, but the API names no type of it",
                "  http is in the table of ARCHITECTURE.md, but the API names no type of it",
            ]
        );
        Ok(())
    }
}
