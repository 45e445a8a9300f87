//! Libraries of functions.

use edgecask::{Command, Value};

use super::both::{Both, Outcome, shown};

/// Commands, one after the other: four dashes between them, two between their words.
const COMMANDS: &str = include_str!("functions.txt");

#[test]
fn libraries_and_functions_do_what_they_do_in_redis() {
    let Some(both) = Both::start() else { return };
    let mut different = Vec::new();
    both.send(&Command::new("SET").arg("s").arg("v"))
        .into_iter()
        .for_each(|set| drop(set.unwrap()));
    for line in COMMANDS.trim_end().split("\n----\n") {
        let mut words = line.split("\n--\n").map(str::to_owned);
        let command = Command::new(words.next().unwrap()).args_from(words);
        let [engine, real] = both.send(&command).map(|reply| shown(&unordered(&command, reply)));
        if engine != real {
            different.push(format!("{line}\n  engine: {engine}\n  redis:  {real}"));
        }
        let [engine, real] = both.contents();
        assert_eq!(engine, real, "{line}");
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

/// Redis lists libraries and functions in the order of its hash tables.
fn unordered(command: &Command, reply: Outcome) -> Outcome {
    let is_list = command.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"list"));
    reply.map(|reply| if is_list { sorted(reply) } else { reply })
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            if items.iter().all(|item| matches!(item, Value::Array(_))) {
                items.sort_by_key(|item| shown(&Ok(item.clone())));
            }
            Value::Array(items)
        }
        other => other,
    }
}
