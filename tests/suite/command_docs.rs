//! The table of commands in the documentation says what the code does, and each typed method names its command. To write
//! the table again after a change: `EDGECASK_WRITE_DOCS=1 cargo test -p edgecask-tests --test suite command_docs`.

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

/// A method of one of the traits of typed commands: the module and name, its documentation, and the commands that it is an
/// alias of.
struct Method {
    place: String,
    docs: String,
    aliases: Vec<String>,
}

fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for file in std::fs::read_dir(source("")).unwrap() {
        // A family is a file, or the folder of a `mod.rs`.
        let path = file.unwrap().path();
        let Some(module) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let path = if path.is_dir() { path.join("mod.rs") } else { path.clone() };
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().skip_while(|line| !line.contains("Commands: Execute {"));
        let (mut docs, mut aliases) = (String::new(), Vec::new());
        for line in lines.take_while(|line| *line != "}") {
            let line = line.trim();
            if let Some(said) = line.strip_prefix("///") {
                docs.push_str(said);
            } else if let Some(alias) = line.strip_prefix("#[doc(alias = \"") {
                aliases.push(alias.trim_end_matches("\")]").to_owned());
            } else if let Some(declared) = line.strip_prefix("fn ") {
                let name = declared.split(['(', '<']).next().unwrap();
                // Inside of a method, functions are deeper.
                if !docs.is_empty() {
                    let place = format!("`{module}::{name}`");
                    methods.push(Method {
                        place,
                        docs: std::mem::take(&mut docs),
                        aliases: std::mem::take(&mut aliases),
                    });
                }
            }
        }
    }
    methods
}

/// The methods that send each command.
fn by_command() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for method in methods() {
        for alias in method.aliases {
            found.entry(alias).or_default().insert(method.place.clone());
        }
    }
    found
}

/// Where a command is described.
fn link(row: &CommandInfo) -> String {
    let page = row.name.to_ascii_lowercase().replace(' ', "-");
    match row.docs().unwrap().since {
        "Upstash" => "https://upstash.com/docs/redis/sdks/ts/commands/overview".to_owned(),
        _ => format!("https://redis.io/docs/latest/commands/{page}/"),
    }
}

#[test]
fn every_typed_method_names_its_command_and_links_to_it() {
    let methods = methods();
    assert!(methods.len() > 250, "only {} methods were found", methods.len());
    for method in &methods {
        let place = &method.place;
        assert!(!method.aliases.is_empty(), "{place} has no #[doc(alias = \"…\")]");
        for alias in &method.aliases {
            let row = CommandInfo::all().iter().find(|row| row.name == alias);
            let row = row.unwrap_or_else(|| panic!("{place}: {alias} has no row"));
            let name = place.trim_matches('`').split("::").nth(1).unwrap();
            let plain = |name: &str| name.replace(['_', ' ', '.', '-'], "").to_ascii_lowercase();
            let (method_name, command) = (plain(name), plain(alias));
            // `expire` sends PEXPIRE too: a `Duration` has no unit.
            let in_seconds = command.replacen('p', "", 1);
            let sends_both = method.aliases.iter().any(|other| plain(other) == in_seconds);
            assert!(
                method_name.contains(&command) || sends_both && method_name.contains(&in_seconds),
                "{place} does not look like {alias}"
            );
            if row.docs().unwrap().since != "Upstash" {
                assert!(method.docs.contains(&link(row)), "{place} has no link to {}", link(row));
            }
        }
    }
}

/// Whether the embedded engine runs a command. A container of subcommands is asked for each of them.
fn is_embedded(commands: &BTreeSet<&str>, command: &Command) -> bool {
    if command.args().len() == 0 || !commands.contains(command.name()) {
        return commands.contains(command.name());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reply = runtime.block_on(Client::memory().send(command));
    !reply.is_err_and(|error| error.message().starts_with("ERR unknown subcommand '"))
}

fn table() -> String {
    let embedded: BTreeSet<&str> = MemoryTransport::commands().collect();
    let methods = by_command();
    let rest = Capabilities::new(Backend::Redis);
    let tcp = rest.blocking(true);
    let mut out = String::from(
        "| command | what it does | since | typed method | REST | TCP | embedded | changes keys | may be sent twice |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let yes = |yes: bool| if yes { "yes" } else { "" };
    for row in CommandInfo::all() {
        let docs = row.docs().unwrap();
        let mut words = row.name.split(' ').map(str::to_owned);
        let command = Command::new(words.next().unwrap()).args_from(words);
        if row.is_container && command.args().len() == 0 && row.name != "COMMAND" {
            continue;
        }
        let method = methods.get(row.name);
        let method = method.map(|all| all.iter().cloned().collect::<Vec<_>>().join(", "));
        let upstash = docs.since == "Upstash";
        let resend = match row.resend() {
            Some(Resend::Safe) => "yes",
            Some(Resend::Idempotent) => "yes, but its reply may differ",
            None => "depends on its arguments",
            _ => "",
        };
        let passes = |to: Capabilities| {
            to.check(&command).is_ok()
                && (to.blocking || !row.may_wait() || row.name.starts_with("XREAD"))
        };
        writeln!(
            out,
            "| [{}]({}) | {} | {} | {} | {} | {} | {} | {} | {resend} |",
            row.name,
            link(row),
            docs.summary.replace('|', "\\|"),
            docs.since,
            method.unwrap_or_default(),
            yes(passes(rest)),
            yes(passes(tcp) && !upstash),
            yes(passes(rest) && is_embedded(&embedded, &command)),
            yes(row.access == Access::Write),
        )
        .unwrap();
    }
    out
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
