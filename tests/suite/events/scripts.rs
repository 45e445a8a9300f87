//! The scripts of events give the same on a real Redis, by Lua in the engine, and natively.

use edgecask::prelude::*;
use edgecask::{Client, Script, Value};
use edgecask_tests::{Dice, Place, seeds};

const HISTORY: &str = "{t}";
const HEAD: &str = "{t}head";

/// One call of a script, with arguments as the room gives them.
fn call(dice: &Dice) -> (&'static str, Vec<String>, Vec<String>) {
    let pick = |texts: &[&str]| texts[dice.roll(texts.len() as u64) as usize].to_owned();
    let id = pick(&["a", "b c", "d", "q\"\\", "f"]);
    let epoch = pick(&["", "7", "9"]);
    let offset = dice.roll(5).to_string();
    if dice.roll(3) == 0 {
        let args = vec![
            epoch,
            offset,
            id,
            pick(&["0", "2", "9", "-1"]),
            pick(&["0", "9000000"]),
            "042".to_owned(),
        ];
        return ("read", vec![HISTORY.to_owned(), HEAD.to_owned()], args);
    }
    let seen = format!("{{t}}seen{id}");
    let known = if epoch.is_empty() { epoch } else { format!("{epoch}-{offset}") };
    let json = serde_json::to_string(&id).unwrap();
    let event = format!("\"id\":{json},\"data\":{}}}", dice.roll(100));
    let (kept, digits) = (pick(&["0", "1", "3", "9"]), "042".to_owned());
    let [long, longer, short] = ["9000000", "90000000", "900000"].map(str::to_owned);
    let args = vec![event, kept, long, longer, short, known, digits, id];
    ("publish", vec![HISTORY.to_owned(), HEAD.to_owned(), seen], args)
}

/// What happens to the keys from outside.
async fn disturb(dice: &Dice, clients: &[Client; 3]) {
    let command = match dice.roll(8) {
        0 => cmd("DEL").arg(HISTORY),
        1 => cmd("DEL").arg(HEAD),
        2 => cmd("SET").arg(HEAD).arg("7-3 a"),
        3 => cmd("SET").arg(HEAD).arg("nonsense"),
        4 => cmd("XTRIM").arg(HISTORY).arg("MAXLEN").arg("0"),
        5 => cmd("FLUSHALL"),
        6 => cmd("XADD").args_from([HISTORY, "9-9", "by", "others"]),
        _ => cmd("XADD").args_from([HISTORY, "7-2", "by", "others"]),
    };
    for client in clients {
        // A key of another state refuses it on all of them.
        let _ = client.send(&command).await;
    }
}

/// Numbers that the clock has made are made equal.
fn timeless(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        Value::Bulk(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match text.split_once('-') {
                Some((epoch, rest)) if epoch.len() == 19 => {
                    assert!(epoch.ends_with("042"), "{text}");
                    Value::bulk(format!("epoch-{rest}"))
                }
                _ => Value::bulk(text),
            }
        }
        other => other,
    }
}

async fn contents(client: &Client) -> Vec<Value> {
    let mut contents = Vec::new();
    for command in
        [cmd("XRANGE").args_from([HISTORY, "-", "+"]), cmd("GET").arg(HEAD), cmd("DBSIZE")]
    {
        contents.push(timeless(client.send(&command).await.unwrap()));
    }
    for key in [HISTORY, HEAD] {
        // To ten seconds: the servers are asked one after the other.
        let left: i64 = client.execute(cmd("TTL").arg(key)).await.unwrap();
        contents.push(Value::Integer((left + 5) / 10));
    }
    contents
}

#[tokio::test]
async fn scripts_of_events_do_the_same_in_three_ways() {
    let script = |word: &str| -> &'static Script {
        edgecask::scripts().find(|script| script.source().contains(word)).unwrap()
    };
    let (publish, read) = (script("'event', ARGV[1]"), script("18446744073709551615"));
    let places = Place::three_ways();
    let clients = places.each_ref().map(Place::client);
    for seed in seeds(80) {
        let dice = Dice::new(seed);
        for client in &clients {
            client.flushall().await.unwrap();
        }
        let mut heard = Vec::new();
        for client in &clients {
            heard.push(client.subscribe([HISTORY]).await.unwrap());
        }
        for step in 0..12 {
            if dice.roll(3) == 0 {
                disturb(&dice, &clients).await;
            }
            let (which, keys, args) = call(&dice);
            let script = if which == "publish" { publish } else { read };
            let mut seen = Vec::new();
            for (client, heard) in clients.iter().zip(&mut heard) {
                let reply = client.run_script::<Value>(script, &keys, &args).await;
                let reply = reply.map(timeless).map_err(|error| error.kind());
                let frame = match &reply {
                    Ok(Value::Array(items)) if items.last() == Some(&Value::Integer(0)) => {
                        let frame = heard.message().await.unwrap().payload;
                        let text = String::from_utf8_lossy(&frame).into_owned();
                        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                        Some(["offset", "id", "after", "data"].map(|name| json[name].clone()))
                    }
                    _ => None,
                };
                seen.push((reply, frame, contents(client).await));
            }
            assert_eq!(seen[1], seen[0], "Lua, seed {seed}, step {step}: {which} {args:?}");
            assert_eq!(seen[2], seen[0], "native, seed {seed}, step {step}: {which} {args:?}");
        }
    }
}
