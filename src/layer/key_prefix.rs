use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, future};

use super::Layer;
use crate::command::{Access, Arguments, Command, KeyPositions, ReplyKeys, Role, Script};
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Capabilities, Message, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Result, Value};

/// Adds a prefix to every key, and removes it from replies that name keys. So a tenant or an environment has its own
/// keyspace.
///
/// Patterns of KEYS and SCAN match keys with the prefix only. Commands that would reach other keys fail at once with
/// [`ErrorKind::Unsupported`] and are not sent:
///
/// * commands whose keys or options are not known;
/// * commands that reach keys that they do not name: FLUSHALL, RANDOMKEY, DBSIZE, `SEARCH.QUERY`;
/// * commands that move or copy keys to another database or server: MOVE, MIGRATE, COPY with `DB`;
/// * commands that show or change the server that tenants share: CONFIG, most of ACL, `CLIENT LIST`, SLOWLOG, MONITOR,
///   FUNCTION, `SCRIPT FLUSH`. INFO is sent, because it shows no keys and no values.
///
/// A Lua script or function gets its KEYS with the prefix. It must not name other keys; this layer cannot check that.
/// Channels have no prefix, those of SPUBLISH included: they are not keys, and all tenants share them. Keyspace notifications
/// (`__keyspace@…`, `__keyevent@…`) name the keys of all tenants. So a subscription to one of their channels, or to a pattern
/// that begins like one, fails with [`ErrorKind::Unsupported`], and other patterns do not receive their messages.
///
/// On a Redis Cluster, a prefix changes the slots of keys without a hash tag, and not those of keys with one. Keys that share
/// a slot only because one is the other's hash tag, as `a` and `lease:{a}` do, are separated. The cache keeps a lease beside
/// each entry in this way. So give the prefix a hash tag, such as `{acme}:`, which puts all of its keys into one slot; or make
/// the prefix a part of each key by [`Keyspace::join`](crate::Keyspace::join), which keeps an entry and its lease together.
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

const UNKNOWN_OPTION: &str =
    "behind a key prefix, a command can be sent only if all its options are known, and complete";

/// The beginnings of the channels of keyspace notifications. The last one is for fields of hashes.
const NOTIFICATIONS: [&[u8]; 3] = [b"__keyspace@", b"__keyevent@", b"__subkey"];

fn is_notification(channel: &[u8]) -> bool {
    NOTIFICATIONS.iter().any(|begin| channel.starts_with(begin))
}

impl KeyPrefix {
    /// A layer with this prefix. Nothing is added to it, so end it with a `:`. For a cluster, see [above](Self).
    pub fn new(prefix: impl Into<Bytes>) -> Self {
        Self { prefix: prefix.into() }
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// A glob that matches keys with the prefix only.
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

    /// The reason why a command may not be sent behind a prefix.
    fn refusal(&self, command: &Command) -> Option<&'static str> {
        let info = command.info();
        if let Some(refusal) = info.refused {
            return Some(refusal.advice());
        }
        if command.is_unknown_subcommand() || info.name.is_empty() {
            return Some("behind a key prefix, only commands whose keys are known can be sent");
        }
        if command.reaches_elsewhere() {
            return Some(
                "this command moves or copies keys to another database or server, where the prefix does not apply",
            );
        }
        if info.keys != KeyPositions::Nowhere || info.reaches_no_keys() {
            return None;
        }
        match (info.reply_keys, info.access) {
            (ReplyKeys::Every | ReplyKeys::Scan, _) => None,
            (_, Access::Control) => Some(
                "this command shows or changes the whole server, which clients with other prefixes share",
            ),
            _ => Some(
                "this command reaches keys that it does not name, and they may have other prefixes",
            ),
        }
    }

    /// The command with the prefix before its keys.
    fn prefixed(&self, command: &Command) -> Result<Command> {
        let refused = |why: &'static str| {
            Error::new(ErrorKind::Unsupported, why).with_command(|| command.label())
        };
        if let Some(why) = self.refusal(command) {
            return Err(refused(why));
        }
        match command.info().reply_keys {
            ReplyKeys::Every => {
                return Ok(self.replaced(command, |at, arg| (at == 0).then(|| self.pattern(arg))));
            }
            ReplyKeys::Scan => return self.scan(command).ok_or_else(|| refused(UNKNOWN_OPTION)),
            _ => {}
        }
        let (mut keys, mut has_pattern) = (Vec::new(), false);
        let known = command.each_key(|at, role| match (role, command.get(at)) {
            // `#` is the element itself and not a key.
            (Role::Pattern, Some(b"#")) => {}
            (role, _) => {
                has_pattern |= role == Role::Pattern;
                keys.push(at);
            }
        });
        if !known {
            return Err(refused(UNKNOWN_OPTION));
        }
        if has_pattern && self.prefix.contains(&b'*') {
            return Err(refused(
                "patterns of SORT cannot be used behind a prefix that contains a `*`",
            ));
        }
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

    /// SCAN with all patterns limited to keys with the prefix; `None` if an option is not known.
    fn scan(&self, command: &Command) -> Option<Command> {
        let mut patterns = Vec::new();
        let options = &[("MATCH", 1), ("COUNT", 1), ("TYPE", 1)];
        let known = command.options(1, options, |word, at| {
            if word == "MATCH" {
                patterns.push(at);
            }
        });
        // An option without a value would take the MATCH that is added here as its value.
        let complete = command.args().len() % 2 == 1;
        if !known || !complete {
            return None;
        }
        if patterns.is_empty() {
            return Some(command.clone().arg("MATCH").arg(self.pattern(b"*")));
        }
        Some(self.replaced(command, |at, arg| patterns.contains(&at).then(|| self.pattern(arg))))
    }

    /// The reply, with the prefix removed from the keys that it names.
    fn stripped(&self, keys: ReplyKeys, reply: Value) -> Value {
        match (keys, reply) {
            (ReplyKeys::Whole, key) => self.strip(key),
            (ReplyKeys::Every, Value::Array(keys)) => Value::Array(self.strip_all(keys)),
            (ReplyKeys::Scan, Value::Array(mut parts)) => {
                if let Some(Value::Array(keys)) = parts.get_mut(1) {
                    *keys = self.strip_all(std::mem::take(keys));
                }
                Value::Array(parts)
            }
            (ReplyKeys::First, Value::Array(mut parts)) => {
                if let Some(key) = parts.first_mut() {
                    *key = self.strip(std::mem::take(key));
                }
                Value::Array(parts)
            }
            (ReplyKeys::Streams, Value::Array(streams)) => {
                let strip = |stream| self.stripped(ReplyKeys::First, stream);
                Value::Array(streams.into_iter().map(strip).collect())
            }
            (ReplyKeys::Streams, Value::Map(streams)) => Value::Map(
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
        Arc::new(WithPrefix { prefix: self, inner })
    }
}

#[derive(Debug)]
struct WithPrefix {
    prefix: KeyPrefix,
    inner: Arc<dyn Transport>,
}

impl WithPrefix {
    fn all(&self, commands: &[Command]) -> Result<Vec<Command>> {
        commands.iter().map(|command| self.prefix.prefixed(command)).collect()
    }

    fn all_stripped(&self, commands: &[Command], results: Results) -> Results {
        let pairs = results.into_iter().zip(commands);
        pairs
            .map(|(result, command)| {
                result.map(|reply| self.prefix.stripped(command.info().reply_keys, reply))
            })
            .collect()
    }
}

fn refused<'a>(why: &'static str) -> BoxFuture<'a, Result<Messages>> {
    boxed(|| async move { Err(Error::new(ErrorKind::Unsupported, why)) })
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithPrefix {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move {
            let reply = self.inner.send(&self.prefix.prefixed(command)?).await?;
            Ok(self.prefix.stripped(command.info().reply_keys, reply))
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
        let names = match to {
            Subscription::Channels(names)
            | Subscription::Patterns(names)
            | Subscription::ShardChannels(names) => names,
            Subscription::Monitor => {
                return refused(
                    "MONITOR shows the commands of all clients, also of those with other prefixes",
                );
            }
        };
        if names.iter().any(|name| is_notification(name)) {
            return refused(
                "keyspace notifications name the keys of all clients, also of those with other prefixes",
            );
        }
        boxed(|| async move {
            let messages = self.inner.subscribe(to).await?;
            // A pattern such as `*` also matches the channels of notifications.
            let is_open = |message: &Result<Message>| {
                future::ready(!message.as_ref().is_ok_and(|sent| is_notification(&sent.channel)))
            };
            Ok(messages.filter(is_open).boxed())
        })
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.inner.register(script);
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
            ("SCAN 0 MATCH x MATCH *", r"SCAN 0 MATCH t\*:x MATCH t\*:*"),
            ("SCAN 0 MATCH", "Unsupported"),
            ("SCAN 0 NEW MATCH", "Unsupported"),
            ("SORT l STORE #", "SORT t*:l STORE t*:#"),
            ("SORT l GET # STORE d", "SORT t*:l GET # STORE t*:d"),
            ("SORT l BY w_*", "Unsupported"),
            ("SORT l NEW x STORE d", "Unsupported"),
            (
                "GEORADIUS store 0 0 1 m STORE a STORE b",
                "GEORADIUS t*:store 0 0 1 m STORE t*:a STORE t*:b",
            ),
            (
                "GEORADIUSBYMEMBER a store 1 m ASC STOREDIST store",
                "GEORADIUSBYMEMBER t*:a store 1 m ASC STOREDIST t*:store",
            ),
            ("XREADGROUP GROUP STREAMS c STREAMS s >", "XREADGROUP GROUP STREAMS c STREAMS t*:s >"),
            ("COPY a b REPLACE", "COPY t*:a t*:b REPLACE"),
            ("COPY a b REPLACE DB 1", "Unsupported"),
            ("MOVE a 1", "Unsupported"),
            ("MIGRATE h 1 a 0 1", "Unsupported"),
            ("CONFIG GET *", "Unsupported"),
            ("CONFIG", "Unsupported"),
            ("ACL LIST", "Unsupported"),
            ("CLIENT LIST", "Unsupported"),
            ("SLOWLOG GET", "Unsupported"),
            ("SCRIPT FLUSH", "Unsupported"),
            ("SCRIPT LOAD x", "SCRIPT LOAD x"),
            ("FUNCTION LIST", "Unsupported"),
            ("OBJECT NEW a", "Unsupported"),
            ("OBJECT encoding a", "OBJECT encoding t*:a"),
            ("SPUBLISH c m", "SPUBLISH c m"),
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
        let every = prefix.stripped(ReplyKeys::Every, array(&["t:a", "x"]));
        assert_eq!(every, array(&["a", "x"]));
        let value = || Value::bulk("t:a");
        assert_eq!(prefix.stripped(ReplyKeys::Nowhere, value()), value());
        let popped = |key| Value::Array(vec![Value::bulk(key), array(&["t:member"])]);
        assert_eq!(prefix.stripped(ReplyKeys::First, popped("t:a")), popped("a"));
        let read = |key| Value::Array(vec![popped(key)]);
        assert_eq!(prefix.stripped(ReplyKeys::Streams, read("t:a")), read("a"));
    }
}
