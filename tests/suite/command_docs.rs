//! The table of commands in the documentation says what the code does. To write it anew after a change:
//! `EDGECASK_WRITE_DOCS=1 cargo test -p edgecask-tests --test suite command_docs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use edgecask::command::{Access, CommandInfo, Resend};
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::{Backend, Capabilities};

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/command").join(path)
}

/// The methods that send each command, by its name, from their documentation: "Redis GET", "Upstash ARGET".
fn methods() -> BTreeMap<String, BTreeSet<String>> {
    let mut methods = BTreeMap::<String, BTreeSet<String>>::new();
    for file in std::fs::read_dir(source("")).unwrap() {
        let path = file.unwrap().path();
        let Some(module) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let mut name = None;
        for line in text.lines() {
            if let Some(declared) = line.trim_start().strip_prefix("fn ") {
                name = declared.split(['(', '<']).next().map(str::to_owned);
            }
            let helpers = ["Command::new(\"", "script_command(\"", "radius_command(\""];
            for rest in helpers.into_iter().filter_map(|helper| Some(line.split_once(helper)?.1)) {
                let mut command = rest.split('"').next().unwrap().to_owned();
                let sub = rest.split_once("\").arg(\"").and_then(|(_, sub)| sub.split('"').next());
                let with_subs = [
                    "ACL", "CONFIG", "FUNCTION", "MEMORY", "OBJECT", "PUBSUB", "SCRIPT", "XGROUP",
                    "XINFO", "COMMAND", "CLIENT",
                ];
                if let Some(sub) = sub.filter(|_| with_subs.contains(&command.as_str())) {
                    command = format!("{command} {sub}");
                }
                if let Some(name) = &name
                    && command != "X"
                {
                    methods.entry(command).or_default().insert(format!("`{module}::{name}`"));
                }
            }
        }
    }
    methods
}

fn table() -> String {
    let embedded: BTreeSet<&str> = MemoryTransport::commands().collect();
    let methods = methods();
    let mut names: BTreeSet<String> = methods.keys().cloned().collect();
    names.extend(CommandInfo::all().iter().map(|row| row.name.to_owned()));
    // Rows that only stand for their subcommands.
    names.retain(|name| !names_subcommands(name, &methods));
    let rest = Capabilities::new(Backend::Redis);
    let tcp = rest.blocking(true);
    let mut out = String::from(
        "| command | typed method | REST | TCP | embedded | changes keys | may be sent twice |\n|---|---|---|---|---|---|---|\n",
    );
    let yes = |yes: bool| if yes { "yes" } else { "" };
    for name in names {
        let mut words = name.split(' ').map(str::to_owned);
        let command = Command::new(words.next().unwrap()).args_from(words);
        let info = command.info();
        let upstash_only =
            ["AR", "SEARCH.", "VECTOR."].iter().any(|prefix| name.starts_with(prefix));
        let method = methods
            .get(&name)
            .map(|methods| methods.iter().cloned().collect::<Vec<_>>().join(", "));
        let resend = match info.resend {
            Resend::Safe => "yes",
            Resend::ReplyMayDiffer => "yes, but its reply may differ",
            _ => "",
        };
        writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {resend} |",
            method.unwrap_or_default(),
            if rest.check(&command).is_ok() {
                if upstash_only { "Upstash" } else { "yes" }
            } else {
                ""
            },
            yes(tcp.check(&command).is_ok() && !upstash_only),
            yes(embedded.contains(command.name()) && rest.check(&command).is_ok()),
            yes(info.access == Access::Write),
        )
        .unwrap();
    }
    out
}

/// Whether a name is a container whose subcommands have rows of their own.
fn names_subcommands(name: &str, methods: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let prefix = format!("{name} ");
    methods.keys().any(|other| other.starts_with(&prefix))
        || CommandInfo::all().iter().any(|row| row.name.starts_with(&prefix))
}

#[test]
fn the_table_of_commands_is_up_to_date() {
    let (path, table) = (source("commands.md"), table());
    if std::env::var_os("EDGECASK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table,
        "src/command/commands.md is not what the code says: see the head of this file"
    );
}
