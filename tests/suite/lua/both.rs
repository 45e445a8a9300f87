//! A real Redis and an embedded engine that run the same scripts.

use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Error, Value};
use edgecask_tests::RedisServer;
use tokio::runtime::Runtime;

/// What becomes of a command: its reply in the types of RESP2, or the text of its error.
pub(crate) type Outcome = Result<Value, String>;

pub(crate) struct Both {
    pub(crate) engine: Client,
    pub(crate) real: Client,
    runtime: Runtime,
    _redis: RedisServer,
}

impl Both {
    /// `None` where there is no Redis 8.
    pub(crate) fn start() -> Option<Self> {
        let redis = RedisServer::redis8()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = ScriptOptions::new().prefer_native(false);
        let engine = Client::new(MemoryTransport::new().with_script_options(options));
        let real = runtime.block_on(async { redis.client() });
        Some(Self { engine, real, runtime, _redis: redis })
    }

    /// What the engine and the real Redis make of a command.
    pub(crate) fn send(&self, command: &Command) -> [Outcome; 2] {
        self.runtime.block_on(async {
            [outcome(self.engine.send(command).await), outcome(self.real.send(command).await)]
        })
    }

    pub(crate) fn eval(&self, source: &str, keys: &[&str], args: &[&str]) -> [Outcome; 2] {
        self.send(&eval(source, keys, args))
    }

    /// Every key with its type and content.
    pub(crate) fn contents(&self) -> [Vec<String>; 2] {
        self.runtime.block_on(async { [contents(&self.engine).await, contents(&self.real).await] })
    }
}

pub(crate) fn eval(source: &str, keys: &[&str], args: &[&str]) -> Command {
    Command::new("EVAL").arg(source).arg(keys.len()).args_from(keys).args_from(args)
}

fn outcome(reply: Result<Value, Error>) -> Outcome {
    reply.map(plain).map_err(|error| error.message().to_owned())
}

/// The types of RESP2, with doubles as Redis writes them there.
fn plain(value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(plain).collect();
    match value {
        Value::Array(items) | Value::Set(items) => Value::Array(all(items)),
        Value::Map(pairs) => {
            Value::Array(all(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()))
        }
        Value::Double(number) if number != 0.0 && !(1e-7..1e21).contains(&number.abs()) => {
            let text = format!("{number:e}");
            Value::bulk(match text.contains("e-") {
                true => text,
                false => text.replace('e', "e+"),
            })
        }
        other => other.into_resp2(),
    }
}

/// The whole content of a reply, which `Debug` of [`Value`] does not show.
pub(crate) fn shown(outcome: &Outcome) -> String {
    match outcome {
        Ok(value) => text(value),
        Err(error) => format!("error: {error}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Simple(status) => format!("+{}", status.escape_ascii()),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

async fn contents(client: &Client) -> Vec<String> {
    let mut keys: Vec<Vec<u8>> = client.keys("*").await.unwrap();
    keys.sort();
    let mut contents = Vec::new();
    for key in keys {
        let kind: String = client.key_type(&key[..]).await.unwrap();
        let read = match kind.as_str() {
            "string" => Command::new("GET").arg(&key[..]),
            "list" => Command::new("LRANGE").arg(&key[..]).arg(0).arg(-1),
            "set" => Command::new("SMEMBERS").arg(&key[..]),
            "hash" => Command::new("HGETALL").arg(&key[..]),
            "zset" => Command::new("ZRANGE").arg(&key[..]).arg("0").arg("-1").arg("WITHSCORES"),
            _ => Command::new("XRANGE").arg(&key[..]).arg("-").arg("+"),
        };
        let content = outcome(client.send(&read).await);
        let mut shown = shown(&content);
        if let (Ok(Value::Array(items)), "set" | "hash") = (&content, kind.as_str()) {
            let width = if kind == "hash" { 2 } else { 1 };
            let mut items: Vec<String> = items
                .chunks(width)
                .map(|item| item.iter().map(text).collect::<Vec<_>>().join("="))
                .collect();
            items.sort();
            shown = items.join(", ");
        }
        // To ten seconds: the two servers are asked one after the other.
        let left: i64 = client.execute(Command::new("TTL").arg(&key[..])).await.unwrap();
        contents.push(format!("{} {kind} {shown} {}", key.escape_ascii(), (left + 5) / 10));
    }
    contents
}
