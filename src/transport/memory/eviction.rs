//! How much an engine may hold, and which keys it evicts when it is full. Compared with Redis 8.

use super::keyspace::Keyspace;
use crate::Error;
use crate::command::Command;

/// Which keys an engine that is full evicts, by the names of Redis's `maxmemory-policy`. The least recently and the least
/// frequently used ones are found among a few random keys, as in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Eviction {
    /// None: commands that need more memory fail with `OOM`.
    #[default]
    NoEviction,
    /// The least recently used.
    AllKeysLru,
    /// The least frequently used.
    AllKeysLfu,
    /// Any.
    AllKeysRandom,
    /// The least recently used of those with a time to live.
    VolatileLru,
    /// The least frequently used of those with a time to live.
    VolatileLfu,
    /// Any of those with a time to live.
    VolatileRandom,
    /// Those that expire next.
    VolatileTtl,
}

impl Eviction {
    const ALL: [(Self, &'static str); 8] = [
        (Self::VolatileLru, "volatile-lru"),
        (Self::VolatileLfu, "volatile-lfu"),
        (Self::VolatileRandom, "volatile-random"),
        (Self::VolatileTtl, "volatile-ttl"),
        (Self::AllKeysLru, "allkeys-lru"),
        (Self::AllKeysLfu, "allkeys-lfu"),
        (Self::AllKeysRandom, "allkeys-random"),
        (Self::NoEviction, "noeviction"),
    ];

    /// Redis's name of the policy.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(policy, _)| *policy == self).map_or("", |(_, name)| name)
    }

    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let is_it = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(|(_, known)| is_it(known)).map(|(policy, _)| policy)
    }

    /// All names, as Redis lists them in errors.
    pub(super) fn names() -> String {
        Self::ALL.map(|(_, name)| name).join(", ")
    }

    /// Whether it counts how often keys are used, in place of when.
    pub(super) fn counts_uses(self) -> bool {
        matches!(self, Self::AllKeysLfu | Self::VolatileLfu)
    }

    fn is_volatile(self) -> bool {
        matches!(
            self,
            Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl
        )
    }
}

/// What an engine may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_bytes: Option<usize>,
    pub(super) eviction: Eviction,
}

impl Limits {
    /// An instance of a Worker has 128 MB for everything.
    const DEFAULT_MAX_BYTES: usize = if cfg!(target_arch = "wasm32") { 64 << 20 } else { 1 << 30 };

    /// The most bytes that a script or a transaction may reach: the usual limit is checked when it begins.
    pub(super) fn overrun(self) -> Option<usize> {
        const LEAST: usize = 8 << 20;
        self.max_bytes.map(|max| max.saturating_add((max / 2).max(LEAST)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: Some(Self::DEFAULT_MAX_BYTES), eviction: Eviction::NoEviction }
    }
}

/// Commands that Redis refuses when it is full (`denyoom`), in order.
const GROWING: &[&str] = &[
    "APPEND",
    "BITFIELD",
    "BITOP",
    "BLMOVE",
    "BRPOPLPUSH",
    "COPY",
    "DECR",
    "DECRBY",
    "GEOADD",
    "GEORADIUS",
    "GEORADIUSBYMEMBER",
    "GEOSEARCHSTORE",
    "GETSET",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HMSET",
    "HSET",
    "HSETEX",
    "HSETNX",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "JSON.ARRAPPEND",
    "JSON.ARRINSERT",
    "JSON.MERGE",
    "JSON.MSET",
    "JSON.SET",
    "JSON.STRAPPEND",
    "JSON.TOGGLE",
    "LINSERT",
    "LMOVE",
    "LPUSH",
    "LPUSHX",
    "LSET",
    "MSET",
    "MSETNX",
    "PFADD",
    "PFMERGE",
    "PSETEX",
    "RESTORE",
    "RPOPLPUSH",
    "RPUSH",
    "RPUSHX",
    "SADD",
    "SDIFFSTORE",
    "SET",
    "SETBIT",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "SINTERSTORE",
    "SORT",
    "SUNIONSTORE",
    "XADD",
    "XSETID",
    "ZADD",
    "ZDIFFSTORE",
    "ZINCRBY",
    "ZINTERSTORE",
    "ZRANGESTORE",
    "ZUNIONSTORE",
];

/// Whether a command may need more memory.
pub(super) fn grows(command: &Command) -> bool {
    let subcommand = || command.get(0).unwrap_or_default();
    let is_one_of =
        |names: &[&[u8]]| names.iter().any(|name| subcommand().eq_ignore_ascii_case(name));
    match command.name() {
        "FUNCTION" => is_one_of(&[b"LOAD", b"RESTORE"]),
        "XGROUP" => is_one_of(&[b"CREATE", b"CREATECONSUMER"]),
        name => GROWING.binary_search(&name).is_ok(),
    }
}

/// The error of a command that needs more memory than there may be.
pub(super) fn refused() -> Error {
    Error::server("OOM command not allowed when used memory > 'maxmemory'.")
}

/// How many random keys are compared to find one to evict.
const SAMPLES: usize = 10;

/// How many keys a command evicts before it leaves the rest to the next ones.
const STEP: u64 = 64;

/// Evicts keys until the limit is kept, or a part of them: at least as many bytes as were written since `used_before`, the bytes
/// that were in use after the last call. Returns whether that succeeded, and the number of evicted keys. Expired keys are
/// removed first, and do not count.
pub(super) fn make_room(
    keyspace: &mut Keyspace,
    limits: Limits,
    used_before: usize,
) -> (bool, u64) {
    let Some(max_bytes) = limits.max_bytes else { return (true, 0) };
    let (mut evicted, mut steps) = (0, 0);
    while keyspace.used_bytes() > max_bytes {
        if steps >= STEP && keyspace.used_bytes() < used_before {
            break;
        }
        steps += 1;
        if keyspace.remove_overdue() {
            continue;
        }
        let Some(key) = choose(keyspace, limits.eviction) else { return (false, evicted) };
        keyspace.remove(&key);
        evicted += 1;
    }
    (true, evicted)
}

fn choose(keyspace: &mut Keyspace, policy: Eviction) -> Option<bytes::Bytes> {
    match policy {
        Eviction::NoEviction => return None,
        Eviction::VolatileTtl => return keyspace.next_to_expire(),
        Eviction::AllKeysRandom => return keyspace.random_key(),
        Eviction::VolatileRandom => return keyspace.random_volatile_key(),
        _ => {}
    }
    let mut worst = None;
    for _ in 0..SAMPLES {
        let key = match policy.is_volatile() {
            true => keyspace.random_volatile_key(),
            false => keyspace.random_key(),
        }?;
        let entry = keyspace.entry(&key)?;
        let uselessness = match policy.counts_uses() {
            true => u64::from(u8::MAX - entry.usage.frequency(keyspace.now())),
            false => entry.usage.idle_seconds(keyspace.now()),
        };
        if worst.as_ref().is_none_or(|(most, _)| uselessness > *most) {
            worst = Some((uselessness, key));
        }
    }
    worst.map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::{commands, engine::Engine, size};
    use crate::{Result, Value};

    /// An engine that may hold about a hundred keys of the tests.
    struct Full {
        engine: Engine,
        /// Unix time in milliseconds.
        now: u64,
    }

    impl Full {
        fn new(policy: Eviction) -> Self {
            let mut engine = Engine::new(commands::find);
            engine.set_limits(Limits { max_bytes: Some(100_000), eviction: policy });
            Self { engine, now: 60_000_000 }
        }

        fn reply(&mut self, line: &str) -> Result<Value> {
            let mut words = line.split(' ').map(str::to_owned);
            let name = words.next().unwrap_or_default();
            self.engine.run(&Command::new(name).args_from(words), self.now)
        }

        fn run(&mut self, line: &str) -> Value {
            self.reply(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        }

        fn set(&mut self, key: &str, options: &str) -> Result<Value> {
            let value = "x".repeat(700);
            self.reply(format!("SET {key} {value} {options}").trim_end())
        }

        fn exists(&mut self, key: &str) -> bool {
            self.engine.keyspace.contains(key.as_bytes())
        }

        /// Sets many keys more than there is room for.
        fn overflow(&mut self, options: &str) {
            for number in 0..300 {
                assert!(self.set(&format!("more:{number}"), options).is_ok(), "{number}");
                assert!(self.engine.keyspace.used_bytes() < 102_000);
            }
            assert!(self.engine.evicted() > 100);
        }
    }

    #[test]
    fn without_eviction_commands_that_need_memory_fail() {
        let mut full = Full::new(Eviction::NoEviction);
        assert!(full.set("first", "").is_ok());
        let mut count = 1;
        let error = loop {
            match full.set(&format!("k:{count}"), "") {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert!((50..200).contains(&count), "{count}");
        assert_eq!(error.message(), "OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(error.code(), Some("OOM"));
        // What is there can be read, and deleting makes room.
        assert!(full.run("GET first").as_bytes().is_some());
        assert!(full.reply("LPUSH l a").is_err());
        let transaction = [Command::new("SET").arg("n").arg("1")];
        let error = full.engine.run_all(&transaction, full.now).expect_err("it is refused");
        assert_eq!(error.kind(), crate::ErrorKind::Discarded);
        let transaction = [Command::new("GET").arg("first"), Command::new("DEL").arg("nosuch")];
        assert!(full.engine.run_all(&transaction, full.now).is_ok());
        full.run("DEL first k:1 k:2");
        assert!(full.set("k:1", "").is_ok());
        full.run("CONFIG SET maxmemory 0");
        full.run("LPUSH l a");
    }

    #[test]
    fn a_transaction_that_writes_far_too_much_is_cut() {
        let mut full = Full::new(Eviction::NoEviction);
        let bomb = |number: usize| {
            Command::new("SETRANGE").arg(format!("k:{number}")).arg(4 << 20).arg("x")
        };
        let commands: Vec<_> = (0..10).map(bomb).collect();
        let results =
            full.engine.run_all(&commands, full.now).expect("there is room when it begins");
        let done = results.iter().take_while(|result| result.is_ok()).count();
        assert!((1..=3).contains(&done), "{done}");
        assert!(results[done..].iter().all(std::result::Result::is_err));
        assert!(full.engine.keyspace.used_bytes() < 13 << 20);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let mut full = Full::new(Eviction::AllKeysLru);
        for number in 0..20 {
            assert!(full.set(&format!("hot:{number}"), "").is_ok());
            assert!(full.set(&format!("cold:{number}"), "").is_ok());
        }
        full.now += 100_000;
        for _ in 0..60 {
            full.now += 1000;
            for number in 0..20 {
                full.run(&format!("GET hot:{number}"));
            }
            for number in 0..2 {
                let key = format!("new:{}:{number}", full.now);
                assert!(full.set(&key, "").is_ok());
            }
        }
        let hot = (0..20).filter(|number| full.exists(&format!("hot:{number}"))).count();
        let cold = (0..20).filter(|number| full.exists(&format!("cold:{number}"))).count();
        assert!(hot >= 18 && cold <= 8, "{hot} of what is used, {cold} of what is not");
    }

    #[test]
    fn the_least_frequently_used_go_first() {
        let mut full = Full::new(Eviction::AllKeysLfu);
        for number in 0..20 {
            assert!(full.set(&format!("hot:{number}"), "").is_ok());
            for _ in 0..200 {
                full.run(&format!("GET hot:{number}"));
            }
        }
        let Value::Integer(frequency) = full.run("OBJECT FREQ hot:0") else { panic!("a number") };
        assert!((8..=40).contains(&frequency), "{frequency}");
        assert!(full.reply("OBJECT IDLETIME hot:0").is_err());
        full.overflow("");
        let hot = (0..20).filter(|number| full.exists(&format!("hot:{number}"))).count();
        assert!(hot >= 18, "{hot}");
        // The counter falls by one a minute.
        full.now += 3 * 60_000;
        let after = full.engine.keyspace.keys().find(|(key, _)| key.starts_with(b"hot"));
        let after = after.map(|(_, entry)| entry.usage.frequency(full.now));
        assert!(after.is_some_and(|after| i64::from(after) <= frequency + 10), "{after:?}");
    }

    #[test]
    fn volatile_policies_keep_what_never_expires() {
        for policy in [Eviction::VolatileLru, Eviction::VolatileLfu, Eviction::VolatileRandom] {
            let mut full = Full::new(policy);
            assert!(full.set("stays", "").is_ok());
            full.overflow("EX 1000");
            assert!(full.exists("stays"), "{policy:?}");
            full.run("FLUSHALL");
            while full.set(&format!("k:{}", full.engine.keyspace.len()), "").is_ok() {}
            assert!(full.engine.keyspace.len() > 50, "{policy:?}");
        }
    }

    #[test]
    fn what_expires_next_goes_first() {
        let mut full = Full::new(Eviction::VolatileTtl);
        assert!(full.set("late", "EX 5000").is_ok());
        assert!(full.set("soon", "EX 10").is_ok());
        full.overflow("EX 1000");
        assert!(full.exists("late") && !full.exists("soon"));
    }

    #[test]
    fn a_lower_limit_evicts_in_steps_and_never_lets_it_grow() {
        let mut full = Full::new(Eviction::AllKeysLru);
        full.run("CONFIG SET maxmemory 0");
        for number in 0..2000 {
            assert!(full.set(&format!("k:{number}"), "").is_ok());
        }
        full.run("CONFIG SET maxmemory 100000");
        let mut used = full.engine.keyspace.used_bytes();
        assert!(used > 1_000_000);
        let mut commands = 0;
        while full.engine.keyspace.used_bytes() > 102_000 {
            let evicted = full.engine.evicted();
            // Larger than what a step of small keys frees.
            let large = "x".repeat(50_000);
            full.run(&format!("SET large:{} {large}", commands % 3));
            let evicted = full.engine.evicted() - evicted;
            assert!((1..=200).contains(&evicted), "{evicted}");
            assert!(full.engine.keyspace.used_bytes() <= used + 51_000, "{commands}");
            used = full.engine.keyspace.used_bytes().min(used);
            commands += 1;
            assert!(commands < 1000);
        }
        assert!(commands > 5, "{commands}");
    }

    #[test]
    fn what_has_expired_makes_room_before_anything_is_evicted() {
        let mut full = Full::new(Eviction::AllKeysLru);
        assert!(full.set("stays", "").is_ok());
        full.run("CONFIG SET maxmemory 0");
        for number in 0..3000 {
            assert!(full.set(&format!("k:{number}"), "EX 10").is_ok());
        }
        full.run("CONFIG SET maxmemory 100000");
        full.now += 10_000;
        for _ in 0..100 {
            full.run("PING");
        }
        assert_eq!((full.engine.evicted(), full.engine.keyspace.len()), (0, 1));
    }

    #[test]
    fn any_key_goes_by_chance() {
        let mut full = Full::new(Eviction::AllKeysRandom);
        full.overflow("");
    }

    #[test]
    fn the_memory_in_use_is_that_of_the_keys() {
        let mut full = Full::new(Eviction::NoEviction);
        for line in [
            "SET s v",
            "APPEND s vvvv",
            "RPUSH l a b c",
            "LPOP l",
            "HSET h a b c d",
            "HDEL h a",
            "SADD t a b c",
            "SREM t a b c",
            "ZADD z 1 a 2 b",
            "XADD x * f v",
            "RENAME s r",
            "COPY r s",
            "EXPIRE r 10",
            "SET s w",
            "PFADD p a b",
            "SETBIT b 1000 1",
        ] {
            full.run(line);
            let keyspace = &full.engine.keyspace;
            let sum: usize = keyspace.keys().map(|(key, entry)| size::of(key, &entry.data)).sum();
            assert_eq!(keyspace.used_bytes(), sum, "{line}");
        }
        full.now += 10_000;
        full.run("FLUSHALL");
        assert_eq!(full.engine.keyspace.used_bytes(), 0);
    }

    #[test]
    fn commands_that_grow_are_in_order() {
        assert!(GROWING.is_sorted());
        let grows = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            grows(&Command::new(words.next().unwrap_or_default()).args_from(words))
        };
        for line in ["SET", "PFADD", "XGROUP create", "XGROUP CREATECONSUMER", "FUNCTION LOAD"] {
            assert!(grows(line), "{line}");
        }
        for line in ["DEL", "GET", "XGROUP DESTROY", "XGROUP SETID", "FUNCTION LIST", "XGROUP"] {
            assert!(!grows(line), "{line}");
        }
    }

    #[test]
    fn config_changes_the_limits() {
        let mut full = Full::new(Eviction::NoEviction);
        full.run("CONFIG SET maxmemory 2mb maxmemory-policy allkeys-lfu");
        let limits = full.engine.limits();
        assert_eq!((limits.max_bytes, limits.eviction), (Some(2 << 20), Eviction::AllKeysLfu));
        for line in ["CONFIG SET maxmemory x", "CONFIG SET maxmemory 1 maxmemory-policy foo"] {
            assert!(full.reply(line).is_err(), "{line}");
        }
        assert_eq!(full.engine.limits().max_bytes, Some(2 << 20));
    }
}
