//! The commands of another program, as a proxy recorded them, with the scripts of BullMQ or redlock among them: both servers give
//! the same replies and end with the same contents.
//!
//! `EDGECASK_RECORDING` names the file: a command a line, a JSON array of its words in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use edgecask::{Command, Value};

use super::both::{Both, Outcome, shown};

/// What belongs to a connection.
const SKIPPED: [&str; 7] = ["CLIENT", "INFO", "QUIT", "HELLO", "MULTI", "EXEC", "SELECT"];

#[test]
#[ignore = "it needs a recording: see the head of this file"]
fn a_recording_gives_the_same_replies_and_contents() {
    let file = std::env::var("EDGECASK_RECORDING").expect("EDGECASK_RECORDING names the file");
    let Some(both) = Both::start() else { return };
    let recording = std::fs::read_to_string(file).unwrap();
    let (mut ran, mut failed) = (0, 0);
    for line in recording.lines() {
        let words: Vec<String> = serde_json::from_str(line).unwrap();
        let mut words = words.iter().map(|word| BASE64_STANDARD.decode(word).unwrap());
        let name = String::from_utf8(words.next().unwrap()).unwrap();
        let mut args: Vec<Vec<u8>> = words.collect();
        if SKIPPED.contains(&name.to_ascii_uppercase().as_str()) {
            continue;
        }
        if name.eq_ignore_ascii_case("BZPOPMIN") {
            // Nothing comes while it waits.
            *args.last_mut().unwrap() = b"0.001".to_vec();
        }
        let command = Command::new(name).args_from(args);
        let [engine, real] =
            both.send(&command).map(|reply| without_ids(&[shown(&timeless(reply))]));
        assert_eq!(engine, real, "command {ran}: {command:?}");
        ran += 1;
        failed += usize::from(engine.iter().any(|reply| reply.starts_with("error")));
        if ran % 20 == 0 {
            let [engine, real] = both.contents().map(|contents| without_ids(&contents));
            assert_eq!(engine, real, "after command {ran}: {command:?}");
        }
    }
    let [engine, real] = both.contents().map(|contents| without_ids(&contents));
    assert_eq!(engine, real);
    eprintln!("{ran} commands, {failed} of them errors on both");
}

/// The ids of streams come from the clocks of the servers.
fn without_ids(shown: &[String]) -> Vec<String> {
    let is_id = |word: &str| {
        let parts = word.split_once('-');
        parts.is_some_and(|(time, _)| time.len() == 13 && time.parse::<u64>().is_ok())
    };
    let word = |word| if is_id(word) { "id" } else { word };
    shown.iter().map(|text| text.split('"').map(word).collect::<Vec<_>>().join("\"")).collect()
}

/// Lifetimes in milliseconds differ by the time between the two servers, and the fields of a large hash have any order.
fn timeless(reply: Outcome) -> Outcome {
    reply.map(comparable)
}

fn comparable(value: Value) -> Value {
    match value {
        Value::Integer(left) if left > 100_000 => Value::Integer(left / 10_000),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(comparable).collect();
            let is_text = |item: &Value| matches!(item, Value::Bulk(_));
            if items.len().is_multiple_of(2) && items.iter().all(is_text) {
                let (pairs, _) = items.as_chunks_mut::<2>();
                pairs.sort_by(|one, other| one[0].as_bytes().cmp(&other[0].as_bytes()));
            }
            Value::Array(items)
        }
        other => other,
    }
}
