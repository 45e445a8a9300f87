//! The scripts of schedules give the same on a real Redis, by Lua in the engine, and natively.

use edgecask::prelude::*;
use edgecask::{Client, Script, Value};
use edgecask_tests::{Dice, Place, seeds};

const STATE: &str = "{s}state";
const RECORDS: &str = "{s}records";

/// One call of one of the three scripts, with arguments as the room gives them.
fn call(dice: &Dice, now: u64) -> (usize, Vec<String>) {
    let pick = |texts: &[&str]| texts[dice.roll(texts.len() as u64) as usize].to_owned();
    // Far from the clock, so that three servers that are asked one after the other agree.
    let slot = || (now - 3_600_000 + dice.roll(4) * 600_000).to_string();
    let token = pick(&["a", "b c", ""]);
    match dice.roll(4) {
        0 | 1 => {
            let late = if dice.roll(6) == 0 { (now + 9_000_000).to_string() } else { slot() };
            let known = if dice.roll(5) == 0 { String::new() } else { slot() };
            let mut args = vec![token, known, late, pick(&["pass", "wait"])];
            args.push(pick(&["1", "1", "2", "100"]));
            let floor = if dice.roll(2) == 0 { "0".to_owned() } else { slot() };
            let begin = pick(&["now", "since"]);
            let begin = if begin == "now" { begin } else { slot() };
            args.extend([pick(&["0", "9000000"]), floor, begin, "5".to_owned()]);
            args.push(pick(&["", "0", "2400000", "90000000"]));
            if dice.roll(3) == 0 {
                args.extend([slot(), slot(), pick(&["", "3"])]);
            }
            (0, args)
        }
        2 => (1, vec![token, slot(), pick(&["0", "9000000"])]),
        _ => (2, vec![token, slot(), pick(&["done", "failed"]), "5".to_owned()]),
    }
}

/// Numbers near the clock are made equal: to the quarter of an hour.
fn timeless(value: Value) -> Value {
    let near = |text: &str| match text.parse::<u64>() {
        Ok(number) if number > 1_000_000_000_000 => (number / 900_000).to_string(),
        _ => text.to_owned(),
    };
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        Value::Bulk(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Value::bulk(text.split(' ').map(near).collect::<Vec<_>>().join(" "))
        }
        other => other,
    }
}

async fn contents(client: &Client) -> Vec<Value> {
    let fields = client.hgetall::<String>(STATE).await.unwrap();
    let fields: std::collections::BTreeMap<String, String> = fields.into_iter().collect();
    let mut contents: Vec<Value> = fields
        .into_iter()
        .flat_map(|(field, value)| [Value::bulk(field), timeless(Value::bulk(value))])
        .collect();
    let entries: Vec<edgecask::command::streams::Entry<String>> =
        client.xrange(RECORDS, "-", "+", None).await.unwrap();
    for entry in entries {
        contents.extend(entry.fields.into_iter().map(|(_, value)| timeless(Value::bulk(value))));
    }
    contents
}

#[tokio::test]
async fn scripts_of_schedules_do_the_same_in_three_ways() {
    let scripts: Vec<&Script> =
        edgecask::scripts().filter(|script| script.source().contains("'run:'")).collect();
    assert_eq!(scripts.len(), 3);
    let places = Place::three_ways();
    let clients = places.each_ref().map(Place::client);
    for seed in seeds(60) {
        let dice = Dice::new(seed);
        for client in &clients {
            client.flushall().await.unwrap();
        }
        for step in 0..12 {
            let now = edgecask::platform::unix_millis() / 900_000 * 900_000;
            let (which, args) = call(&dice, now);
            let keys: &[&str] = if which == 1 { &[STATE] } else { &[STATE, RECORDS] };
            let mut seen = Vec::new();
            for client in &clients {
                let reply: Value = client.run_script(scripts[which], keys, &args).await.unwrap();
                seen.push((timeless(reply), contents(client).await));
            }
            assert_eq!(seen[1], seen[0], "Lua, seed {seed}, step {step}: {which} {args:?}");
            assert_eq!(seen[2], seen[0], "native, seed {seed}, step {step}: {which} {args:?}");
        }
    }
}
