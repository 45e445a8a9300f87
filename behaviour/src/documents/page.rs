use std::collections::BTreeMap;
use std::fmt;

use edgecask::prelude::*;
use edgecask::{FromValue, Value};

/// The commands of a document, one a line, as for redis-cli.
///
/// A line that begins with `here:` is not part of the document. It is what the API does in addition, where the document has
/// a weakness.
pub(super) struct Page(&'static str);

const HERE: &str = "here:";

impl Page {
    pub(super) const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// Empties the database, and sends the commands of the document.
    pub(super) async fn store(&self, client: &Client) {
        client.flushdb().await.unwrap();
        self.send(client, |line| (!line.starts_with(HERE)).then_some(line)).await;
    }

    /// Checks that the database holds what the commands of the document store, with the lines `here:` after them. Empties it.
    pub(super) async fn is_stored(&self, client: &Client) {
        let here = Database::of(client).await;
        self.store(client).await;
        self.send(client, |line| line.strip_prefix(HERE)).await;
        let expected = Database::of(client).await;
        let names = |database: &Database| database.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&here), names(&expected), "the keys");
        for ((key, here), expected) in here.0.iter().zip(expected.0.values()) {
            assert_eq!((&here.kind, &here.content), (&expected.kind, &expected.content), "{key}");
            let same = (here.seconds == -1) == (expected.seconds == -1)
                && (here.seconds - expected.seconds).abs() <= SLOWEST;
            assert!(same, "{key} lives for {} s and not {}", here.seconds, expected.seconds);
        }
        client.flushdb().await.unwrap();
    }

    async fn send(&self, client: &Client, select: impl Fn(&'static str) -> Option<&'static str>) {
        let lines = self.0.lines().filter_map(select).map(|line| shlex::split(line).expect(line));
        let commands: Vec<Command> = lines
            .filter_map(|words| {
                let (name, arguments) = words.split_first()?;
                Some(Command::new(name.clone()).args_from(arguments))
            })
            .collect();
        send(client, commands).await;
    }
}

/// How many seconds the longest check takes.
const SLOWEST: i64 = 30;

/// The content of a database as other programs see it, without the cache's own keys under `edgecask:`.
struct Database(BTreeMap<String, Held>);

struct Held {
    kind: String,
    content: Vec<String>,
    seconds: i64,
}

impl Database {
    async fn of(client: &Client) -> Self {
        let keys: Vec<String> = client.keys("*").await.unwrap();
        let keys: Vec<String> =
            keys.into_iter().filter(|key| !key.starts_with("edgecask:")).collect();
        let ask = |name: &'static str| keys.iter().map(move |key| Command::new(name).arg(key));
        let kinds: Vec<String> = replies(client, ask("TYPE").collect()).await;
        let times: Vec<i64> = replies(client, ask("TTL").collect()).await;
        let contents = keys.iter().zip(&kinds).map(|(key, kind)| content(key, kind)).collect();
        let contents: Vec<Value> = send(client, contents).await;
        let held = kinds.into_iter().zip(times).zip(contents).map(|((kind, seconds), content)| {
            let content = parts(&kind, content);
            Held { kind, content, seconds }
        });
        Self(keys.iter().cloned().zip(held).collect())
    }
}

/// The command that returns all of a key's content.
fn content(key: &str, kind: &str) -> Command {
    match kind {
        "string" => Command::new("GET").arg(key),
        "list" => Command::new("LRANGE").arg(key).arg(0).arg(-1),
        "set" => Command::new("SMEMBERS").arg(key),
        "zset" => Command::new("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES"),
        _ => Command::new("HGETALL").arg(key),
    }
}

/// Content, sorted if its type has no order.
fn parts(kind: &str, content: Value) -> Vec<String> {
    match kind {
        "string" => vec![payload(String::from_value(content).unwrap())],
        "hash" => {
            let fields = BTreeMap::<String, String>::from_value(content).unwrap();
            fields.into_iter().map(|(name, value)| format!("{name} {value}")).collect()
        }
        _ => {
            let mut parts = Vec::<String>::from_value(content).unwrap();
            if kind == "set" {
                parts.sort();
            }
            parts
        }
    }
}

/// A text without the envelope's line, which precedes a value with tags.
fn payload(text: String) -> String {
    match text.strip_prefix("edgecask/1 ").and_then(|rest| rest.split_once('\n')) {
        Some((_, payload)) => payload.to_owned(),
        None => text,
    }
}

async fn send(client: &Client, commands: Vec<Command>) -> Vec<Value> {
    let results = client.send_pipeline(&commands).await.unwrap();
    results.into_iter().map(Result::unwrap).collect()
}

async fn replies<T: FromValue + fmt::Debug>(client: &Client, commands: Vec<Command>) -> Vec<T> {
    let values = send(client, commands).await;
    values.into_iter().map(|value| T::from_value(value).unwrap()).collect()
}
