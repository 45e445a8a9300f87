use std::sync::Arc;

use bytes::Bytes;

use super::Layer;
use crate::command::{Access, Arguments, Command, KeyPositions};
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Result, Value};

/// Puts a prefix before every key, and takes it off again where replies name keys: a tenant's or an environment's own
/// keyspace.
///
/// Patterns of KEYS and SCAN match below the prefix only. A command that would reach beyond it fails at once and is not
/// sent: FLUSHALL, RANDOMKEY, and commands whose keys are not known. A Lua script gets its KEYS with the prefix, and
/// should name no others. Channels have no prefix: they are not keys.
///
/// ```
/// use edgecask::{layer::KeyPrefix, prelude::*, transport::memory::MemoryTransport};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let engine = MemoryTransport::new();
/// let staging = Client::new(engine.clone()).layer(KeyPrefix::new("staging:"));
/// staging.set("k", "v").await?;
/// assert_eq!(staging.keys::<String>("*").await?, ["k"]);
/// assert_eq!(Client::new(engine).keys::<String>("*").await?, ["staging:k"]);
/// assert!(staging.flushall().await.is_err());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix {
    prefix: Bytes,
}

impl KeyPrefix {
    /// This prefix, as it is: end it with a `:`.
    pub fn new(prefix: impl Into<Bytes>) -> Self {
        Self { prefix: prefix.into() }
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// A glob that matches below the prefix only.
    fn pattern(&self, pattern: &[u8]) -> Vec<u8> {
        let mut escaped = Vec::new();
        for byte in &self.prefix {
            if b"*?[]\\^".contains(byte) {
                escaped.push(b'\\');
            }
            escaped.push(*byte);
        }
        [&escaped, pattern].concat()
    }

    /// The command as it is sent.
    fn prefixed(&self, command: &Command) -> Result<Command> {
        match command.name() {
            "KEYS" => {
                return Ok(self.replaced(command, |at, arg| (at == 0).then(|| self.pattern(arg))));
            }
            "SCAN" => return Ok(self.scan(command)),
            "SORT" | "SORT_RO" => return Ok(self.sort(command)),
            _ => {}
        }
        let info = command.info();
        if info.keys == KeyPositions::Nowhere && info.access != Access::Control {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "behind a key prefix, only commands whose keys are known can be sent",
            )
            .with_command(|| command.label()));
        }
        let keys = command.key_positions();
        Ok(self.replaced(command, |at, arg| keys.contains(&at).then(|| self.key(arg))))
    }

    fn replaced(
        &self,
        command: &Command,
        replace: impl Fn(usize, &[u8]) -> Option<Vec<u8>>,
    ) -> Command {
        let mut args = Arguments::default();
        for (at, arg) in command.args().enumerate() {
            match replace(at, arg) {
                Some(replaced) => args.push_bytes(&replaced),
                None => args.push_bytes(arg),
            }
        }
        command.with_args(args)
    }

    fn scan(&self, command: &Command) -> Command {
        let given = command.args().skip(1).position(|arg| arg.eq_ignore_ascii_case(b"MATCH"));
        match given {
            Some(before) => {
                self.replaced(command, |at, arg| (at == before + 2).then(|| self.pattern(arg)))
            }
            None => command.clone().arg("MATCH").arg(self.pattern(b"*")),
        }
    }

    /// The key, and what BY, GET and STORE name; `GET #` is no key.
    fn sort(&self, command: &Command) -> Command {
        self.replaced(command, |at, arg| {
            let before = at.checked_sub(1).and_then(|at| command.get(at)).unwrap_or_default();
            let names = ["BY", "GET", "STORE"];
            let named =
                at > 1 && names.iter().any(|word| before.eq_ignore_ascii_case(word.as_bytes()));
            (at == 0 || named && arg != b"#").then(|| self.key(arg))
        })
    }

    /// The reply without the prefix, where it names keys.
    fn stripped(&self, name: &str, reply: Value) -> Value {
        match (name, reply) {
            ("KEYS", Value::Array(keys)) => Value::Array(self.strip_all(keys)),
            ("SCAN", Value::Array(mut parts)) => {
                if let Some(Value::Array(keys)) = parts.get_mut(1) {
                    *keys = self.strip_all(std::mem::take(keys));
                }
                Value::Array(parts)
            }
            (
                "LMPOP" | "ZMPOP" | "BLMPOP" | "BZMPOP" | "BLPOP" | "BRPOP" | "BZPOPMIN"
                | "BZPOPMAX",
                Value::Array(mut parts),
            ) => {
                if let Some(key) = parts.first_mut() {
                    *key = self.strip(std::mem::take(key));
                }
                Value::Array(parts)
            }
            ("XREAD" | "XREADGROUP", Value::Array(streams)) => {
                let strip = |stream| self.stripped("LMPOP", stream);
                Value::Array(streams.into_iter().map(strip).collect())
            }
            ("XREAD" | "XREADGROUP", Value::Map(streams)) => Value::Map(
                streams.into_iter().map(|(key, entries)| (self.strip(key), entries)).collect(),
            ),
            (_, reply) => reply,
        }
    }

    fn strip_all(&self, keys: Vec<Value>) -> Vec<Value> {
        keys.into_iter().map(|key| self.strip(key)).collect()
    }

    fn strip(&self, key: Value) -> Value {
        match key {
            Value::Bulk(key) if key.starts_with(&self.prefix) => {
                Value::Bulk(key.slice(self.prefix.len()..))
            }
            other => other,
        }
    }
}

impl Layer for KeyPrefix {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Prefixing { prefix: self, inner })
    }
}

#[derive(Debug)]
struct Prefixing {
    prefix: KeyPrefix,
    inner: Arc<dyn Transport>,
}

impl Prefixing {
    fn all(&self, commands: &[Command]) -> Result<Vec<Command>> {
        commands.iter().map(|command| self.prefix.prefixed(command)).collect()
    }

    fn all_stripped(&self, commands: &[Command], results: Results) -> Results {
        let pairs = results.into_iter().zip(commands);
        pairs
            .map(|(result, command)| {
                result.map(|reply| self.prefix.stripped(command.name(), reply))
            })
            .collect()
    }
}

impl Transport for Prefixing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move {
            let reply = self.inner.send(&self.prefix.prefixed(command)?).await?;
            Ok(self.prefix.stripped(command.name(), reply))
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let results = self.inner.pipeline(&self.all(commands)?).await?;
            Ok(self.all_stripped(commands, results))
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let results = self.inner.transaction(&self.all(commands)?).await?;
            Ok(self.all_stripped(commands, results))
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.inner.subscribe(to)
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> String {
        let mut words = line.split(' ').map(str::to_owned);
        let command = Command::new(words.next().unwrap_or_default()).args_from(words);
        match KeyPrefix::new("t*:").prefixed(&command) {
            Ok(sent) => {
                let args: Vec<_> = sent.args().map(String::from_utf8_lossy).collect();
                format!("{} {}", sent.name(), args.join(" "))
            }
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn every_key_gets_the_prefix_and_nothing_else_does() {
        for (line, expected) in [
            ("GET a", "GET t*:a"),
            ("MSET a 1 b 2", "MSET t*:a 1 t*:b 2"),
            ("EVAL script 1 a b", "EVAL script 1 t*:a b"),
            ("EVAL script 0 b", "EVAL script 0 b"),
            ("ZUNIONSTORE d 2 a b", "ZUNIONSTORE t*:d 2 t*:a t*:b"),
            ("XREAD STREAMS a b 0 0", "XREAD STREAMS t*:a t*:b 0 0"),
            ("KEYS a*", r"KEYS t\*:a*"),
            ("SCAN 0", r"SCAN 0 MATCH t\*:*"),
            ("SCAN 0 COUNT 5 MATCH a", r"SCAN 0 COUNT 5 MATCH t\*:a"),
            (
                "SORT a BY w_* GET # GET o_* STORE d",
                "SORT t*:a BY t*:w_* GET # GET t*:o_* STORE t*:d",
            ),
            ("PING", "PING "),
            ("PUBLISH c m", "PUBLISH c m"),
            ("FLUSHALL", "Unsupported"),
            ("RANDOMKEY", "Unsupported"),
            ("DBSIZE", "Unsupported"),
            ("NOSUCHCOMMAND a", "Unsupported"),
        ] {
            assert_eq!(sent(line), expected);
        }
    }

    #[test]
    fn replies_name_keys_without_the_prefix() {
        let prefix = KeyPrefix::new("t:");
        let array =
            |items: &[&'static str]| Value::Array(items.iter().map(|i| Value::bulk(*i)).collect());
        assert_eq!(prefix.stripped("KEYS", array(&["t:a", "x"])), array(&["a", "x"]));
        assert_eq!(prefix.stripped("GET", Value::bulk("t:a")), Value::bulk("t:a"));
        let popped = |key| Value::Array(vec![Value::bulk(key), array(&["t:member"])]);
        assert_eq!(prefix.stripped("LMPOP", popped("t:a")), popped("a"));
        let read = |key| Value::Array(vec![popped(key)]);
        assert_eq!(prefix.stripped("XREAD", read("t:a")), read("a"));
    }
}
