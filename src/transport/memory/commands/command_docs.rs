//! COMMAND DOCS: group, version and summary of what the engine runs. Compared with Redis 8, which also says what arguments a
//! command has. Containers name all their subcommands, also those that the engine refuses.

use std::collections::HashSet;

use crate::Value;
use crate::command::{CommandInfo, Group};
use crate::transport::memory::args::Args;
use crate::transport::memory::engine::Engine;

/// What is known of the named commands. Unknown names are left out, as in Redis. Redis also describes a command as often as it is
/// named; here it is once, so that no request makes a reply longer than that for all commands.
pub(super) fn docs(engine: &Engine, args: Args<'_>) -> Value {
    let mut seen = HashSet::new();
    let rows = args.from(1).filter_map(|name| {
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let container = name.split('|').next().unwrap_or_default();
        engine.handler(container).and_then(|_| CommandInfo::find(&name.replacen('|', " ", 1)))
    });
    described(rows.filter(|row| seen.insert(row.name)))
}

/// What is known of all commands of these names.
pub(super) fn described(rows: impl Iterator<Item = &'static CommandInfo>) -> Value {
    let pairs = rows.flat_map(|row| {
        let name = row.name.to_ascii_lowercase().replace(' ', "|");
        [Value::bulk(name), fields(row)]
    });
    Value::Array(pairs.collect())
}

fn fields(row: &CommandInfo) -> Value {
    let Some(docs) = row.docs() else { return Value::Array(Vec::new()) };
    let since = docs.since.rsplit(' ').next().unwrap_or_default();
    let mut fields = vec![
        Value::bulk("summary"),
        Value::bulk(docs.summary),
        Value::bulk("since"),
        Value::bulk(since),
        Value::bulk("group"),
        Value::bulk(group(docs.group)),
    ];
    let below = format!("{} ", row.name);
    let mut subcommands =
        CommandInfo::all().iter().filter(|other| other.name.starts_with(&below)).peekable();
    if subcommands.peek().is_some() {
        fields.extend([Value::bulk("subcommands"), described(subcommands)]);
    }
    Value::Array(fields)
}

/// A group in Redis's words.
fn group(group: Group) -> String {
    match group {
        Group::Keys => "generic".to_owned(),
        Group::SortedSet => "sorted-set".to_owned(),
        Group::Transaction => "transactions".to_owned(),
        Group::Json => "module".to_owned(),
        other => other.to_string().to_ascii_lowercase(),
    }
}
