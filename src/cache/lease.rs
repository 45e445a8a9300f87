//! Leases: a value that is older than an invalidation cannot be stored after it.
//!
//! Who is about to load or write an entry takes a lease first: a token in a key beside the entry. Invalidation deletes
//! both keys. The value is stored by a script that checks the token, so it is stored only if nobody invalidated the entry,
//! or began a later write, in between.
//!
//! The server makes the tokens, of its clock and a random number of the caller's, so none is ever the same twice: a
//! command that arrives late, or a second time, makes a token that nobody knows, and what is stored under it is refused.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;

use super::Cache;
use super::outage::Access;
use crate::client::{ScriptBatch, ScriptReplies};
use crate::command::{Command, Script, ScriptContext};
use crate::{Client, Error, FromValue, Key, Outcome, Result, Value, platform};

/// The role of a lease's key beside its entry's; see [`Key::companion`].
pub(super) const ROLE: &str = "edgecask:lease";

/// Begins what stands in the place of a lease that its holder has stored with.
const DONE: u8 = b'=';

/// `KEYS`: the entry, its lease. `ARGV`: a random text, the time to live of the lease in milliseconds, and `take`, `try` or
/// `look`. Gives the token, or nil if somebody else holds the lease and it is not to be taken from them; for `look` also
/// what stands in the entry, and for how many milliseconds the lease will last that somebody else holds.
///
/// The same request sent twice gives the same token, as long as nobody deleted the lease in between.
pub(crate) static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[2])\n\
         if held and string.sub(held, 1, 1) == '=' then held = false end\n\
         local token = false\n\
         if held and string.sub(held, -string.len(ARGV[1])) == ARGV[1] then\n\
         token = held\n\
         elseif not held or ARGV[3] == 'take' then\n\
         local now = redis.call('TIME')\n\
         token = now[1] .. '.' .. now[2] .. '-' .. ARGV[1]\n\
         redis.call('SET', KEYS[2], token, 'PX', ARGV[2])\n\
         end\n\
         if ARGV[3] ~= 'look' then return {token} end\n\
         local left = 0\n\
         if not token then left = redis.call('PTTL', KEYS[2]) end\n\
         return {token, redis.call('GET', KEYS[1]), left}",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([entry, lease], [random, ttl, how]) = (keys, args) else {
            return Err(Error::server("ERR this script takes 2 keys and 3 arguments"));
        };
        let held = redis.call(Command::new("GET").arg(lease))?;
        let held = held.as_bytes().filter(|held| held.first() != Some(&DONE));
        let token = match held {
            Some(held) if held.ends_with(random) => Value::bulk(held.to_vec()),
            Some(_) if how != "take" => Value::Nil,
            _ => {
                let token = unique(redis, random)?;
                redis.call(Command::new("SET").arg(lease).arg(&token).arg("PX").arg(ttl))?;
                Value::bulk(token)
            }
        };
        if how != "look" {
            return Ok(Value::Array(vec![token]));
        }
        let left = match token.is_nil() {
            true => redis.call(Command::new("PTTL").arg(lease))?,
            false => Value::Integer(0),
        };
        let stored = redis.call(Command::new("GET").arg(entry))?;
        Ok(Value::Array(vec![token, stored, left]))
    })
});

/// `KEYS`: the entry, its lease. `ARGV`: the token, the value, its time to live in milliseconds or 0, and that of the
/// mark which a write leaves in place of its lease, or 0 for a load. Gives 1 if the value was stored.
///
/// A write that came too late to be stored leaves no older value behind: it deletes the entry, unless its mark tells of a
/// later write.
pub(crate) static STORE_IF_LEASED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[2])\n\
         if held ~= ARGV[1] then\n\
         if ARGV[4] == '0' then return 0 end\n\
         if held == '=' .. ARGV[1] then return 1 end\n\
         if not held or string.sub(held, 1, 1) ~= '=' then redis.call('DEL', KEYS[1]) end\n\
         return 0\n\
         end\n\
         if ARGV[3] == '0' then\n\
         redis.call('SET', KEYS[1], ARGV[2])\n\
         else\n\
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n\
         end\n\
         if ARGV[4] == '0' then\n\
         redis.call('DEL', KEYS[2])\n\
         else\n\
         redis.call('SET', KEYS[2], '=' .. ARGV[1], 'PX', ARGV[4])\n\
         end\n\
         return 1",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([entry, lease], [token, value, ttl, mark]) = (keys, args) else {
            return Err(Error::server("ERR this script takes 2 keys and 4 arguments"));
        };
        let held = redis.call(Command::new("GET").arg(lease))?;
        let held = held.as_bytes();
        let done = [&[DONE], &token[..]].concat();
        if held != Some(token) {
            if mark == "0" {
                return Ok(Value::Integer(0));
            }
            if held == Some(&done) {
                return Ok(Value::Integer(1));
            }
            if held.is_none_or(|held| held.first() != Some(&DONE)) {
                redis.call(Command::new("DEL").arg(entry))?;
            }
            return Ok(Value::Integer(0));
        }
        let set = Command::new("SET").arg(entry).arg(value);
        redis.call(if ttl == "0" { set } else { set.arg("PX").arg(ttl) })?;
        redis.call(match mark == "0" {
            true => Command::new("DEL").arg(lease),
            false => Command::new("SET").arg(lease).arg(&done).arg("PX").arg(mark),
        })?;
        Ok(Value::Integer(1))
    })
});

/// `KEYS`: a lease. `ARGV`: its token, its new time to live in milliseconds. Gives 1 if it still holds.
pub(crate) static RENEW_LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n\
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([lease], [token, ttl]) = (keys, args) else {
            return Err(Error::server("ERR this script takes 1 key and 2 arguments"));
        };
        let held = redis.call(Command::new("GET").arg(lease))?;
        match held.as_bytes() == Some(token) {
            true => redis.call(Command::new("PEXPIRE").arg(lease).arg(ttl)),
            false => Ok(Value::Integer(0)),
        }
    })
});

/// `KEYS`: a lease. `ARGV`: its token, or the random text at its end. Deletes the lease if it is this one, and nothing was
/// stored with it; gives how many keys were deleted.
pub(crate) static RELEASE_LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])\n\
         if not held or string.sub(held, 1, 1) == '=' then return 0 end\n\
         if string.sub(held, -string.len(ARGV[1])) ~= ARGV[1] then return 0 end\n\
         return redis.call('DEL', KEYS[1])",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([lease], [token]) = (keys, args) else {
            return Err(Error::server("ERR this script takes 1 key and 1 argument"));
        };
        let held = redis.call(Command::new("GET").arg(lease))?;
        match held.as_bytes() {
            Some(held) if held.first() != Some(&DONE) && held.ends_with(token) => {
                redis.call(Command::new("DEL").arg(lease))
            }
            _ => Ok(Value::Integer(0)),
        }
    })
});

/// A text that was never there before: of the server's clock and the caller's random text.
pub(super) fn unique(redis: &mut dyn ScriptContext, random: &[u8]) -> Result<Vec<u8>> {
    let now = redis.call(Command::new("TIME"))?;
    let [seconds, micros] = <Vec<Bytes>>::from_value(now)?
        .try_into()
        .map_err(|_| Error::server("ERR the clock gave no two numbers"))?;
    Ok([&seconds[..], b".", &micros, b"-", random].concat())
}

/// The caller's part of a token or a version.
pub(super) fn random_part() -> Result<String> {
    Ok(format!("{:016x}", u64::from_le_bytes(platform::random()?)))
}

pub(super) fn lease_key(key: &Key) -> String {
    key.companion(ROLE)
}

/// The right to store what is loaded or written from now on. Whoever has it stores with it or releases it; what is dropped
/// in between, as by a call that is cancelled or panics, is released in the background.
pub(super) struct Lease {
    cache: Cache,
    key: String,
    token: Bytes,
    /// The server has nothing of it any more.
    over: bool,
}

impl Lease {
    /// Nothing of it is left on the server: it was stored with, or lost to somebody else.
    pub(super) fn end(mut self) {
        self.over = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let client = self.cache.client.clone();
        let (key, token) = (std::mem::take(&mut self.key), std::mem::take(&mut self.token));
        self.cache.in_background(platform::send(|| async move {
            // If this fails, the lease expires.
            let _ = release(&client, &key, &token).await;
        }));
    }
}

/// A lease that was asked for. Until the answer comes, the server may hold it for this caller without his knowing. If the
/// answer is lost, or the caller goes away before, the lease is released in the background by its random text.
struct Unanswered {
    cache: Cache,
    key: String,
    random: String,
}

impl Unanswered {
    /// The answer came, or the request never reached the server.
    fn answered(mut self) {
        self.random.clear();
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.random.is_empty() {
            return;
        }
        let client = self.cache.client.clone();
        let (key, random) = (std::mem::take(&mut self.key), std::mem::take(&mut self.random));
        self.cache.in_background(platform::send(|| async move {
            // If this fails, or comes before the request itself, the lease expires.
            let _ = release(&client, &key, random.as_bytes()).await;
        }));
    }
}

/// Deletes a lease, known by its token or by the random text at its end. One script.
async fn release(client: &Client, key: &str, token: &[u8]) -> Result<bool> {
    let mut batch = ScriptBatch::new(client);
    let place = batch.script(&RELEASE_LEASE, [key], [token]);
    batch.exec().await?.take(place)
}

/// What stands beside and in an entry.
pub(super) struct Look {
    /// `None`: somebody else has it.
    pub(super) lease: Option<Lease>,
    pub(super) stored: Option<Bytes>,
    /// For how long somebody else's lease will last at the most.
    pub(super) left: Option<Duration>,
}

/// Who stores under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Load,
    Write,
}

impl Cache {
    /// Takes the lease of an entry if nobody holds it. One script.
    pub(super) async fn try_lease(&self, key: &Key) -> Result<Option<Lease>> {
        Ok(self.ask_for_lease(key, "try").await?.lease)
    }

    /// As [`Cache::try_lease`], and what stands in Redis then: another process may have stored it since it was looked up.
    pub(super) async fn try_lease_and_look(&self, key: &Key) -> Result<Look> {
        self.ask_for_lease(key, "look").await
    }

    /// Takes the lease of an entry, also from somebody else who holds it: who begins last may store. One script.
    pub(super) async fn take_lease(&self, key: &Key) -> Result<Lease> {
        let mut batch = ScriptBatch::new(&self.client);
        let taken = self.queue_take(&mut batch, key)?;
        taken.redeem(self, &mut batch.exec().await?)
    }

    async fn ask_for_lease(&self, key: &Key, how: &str) -> Result<Look> {
        let mut batch = ScriptBatch::new(&self.client);
        let asked = self.queue_lease(&mut batch, key, how)?;
        let unanswered = Unanswered {
            cache: self.clone(),
            key: asked.key.clone(),
            random: asked.random.clone(),
        };
        let look = match batch.exec().await {
            Ok(mut replies) => asked.look(self, &mut replies),
            Err(error) => Err(error),
        };
        if look.as_ref().err().is_none_or(|error| error.outcome() != Outcome::Unknown) {
            unanswered.answered();
        }
        look
    }

    /// Queues [`Cache::take_lease`].
    pub(super) fn queue_take(&self, batch: &mut ScriptBatch, key: &Key) -> Result<Asked> {
        self.queue_lease(batch, key, "take")
    }

    fn queue_lease(&self, batch: &mut ScriptBatch, key: &Key, how: &str) -> Result<Asked> {
        let lease = lease_key(key);
        let (random, ttl) = (random_part()?, self.lease_millis());
        let place = batch.script(&LEASE, [key.as_str(), &lease], [&random, &ttl, how]);
        Ok(Asked { key: lease, random, place })
    }

    fn lease_millis(&self) -> String {
        self.options().lease.as_millis().clamp(1, u128::from(u32::MAX)).to_string()
    }

    /// What `load` gives. The lease is renewed each time that half of it has passed, by one script, so that it holds for as
    /// long as the load goes on.
    pub(super) async fn while_held<T>(&self, lease: &Lease, load: impl Future<Output = T>) -> T {
        use futures_util::future::{Either, select};
        let half = (self.options().lease / 2).max(Duration::from_millis(1));
        let renewals = async {
            let mut pause = half;
            loop {
                platform::sleep(pause).await;
                pause = match self.renew(lease).await {
                    Ok(true) => half,
                    // Somebody invalidated the entry: what is loaded will not be stored.
                    Ok(false) => return std::future::pending::<T>().await,
                    Err(_) => half / 4,
                };
            }
        };
        let (load, renewals) = (std::pin::pin!(load), std::pin::pin!(renewals));
        match select(load, renewals).await {
            Either::Left((loaded, _)) => loaded,
            Either::Right((never, _)) => never,
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<bool> {
        let mut batch = ScriptBatch::new(&self.client);
        let ttl = self.lease_millis();
        let args = [&lease.token[..], ttl.as_bytes()];
        let place = batch.script(&RENEW_LEASE, [&lease.key], args);
        batch.exec().await?.take(place)
    }

    /// Gives a lease back that nothing will be stored with. One script; if it fails, the lease expires.
    pub(super) async fn release(&self, lease: Lease) {
        let released = release(&self.client, &lease.key, &lease.token).await;
        lease.end();
        let _ = self.counted(Access::Write, released);
    }

    /// Stores a value if the lease still holds; tells whether it did. One script.
    pub(super) async fn store_leased(
        &self,
        key: &Key,
        lease: Lease,
        value: &[u8],
        ttl_millis: u64,
    ) -> Result<bool> {
        let mut batch = ScriptBatch::new(&self.client);
        let place = self.queue_store(&mut batch, key, &lease, value, ttl_millis, By::Load);
        let stored = batch.exec().await?.take(place)?;
        lease.end();
        Ok(stored)
    }

    /// Queues the storing of a value; its reply is whether it was stored.
    pub(super) fn queue_store(
        &self,
        batch: &mut ScriptBatch,
        key: &Key,
        lease: &Lease,
        value: &[u8],
        ttl_millis: u64,
        by: By,
    ) -> usize {
        let ttl = ttl_millis.to_string();
        let mark = match by {
            By::Load => "0".to_owned(),
            By::Write => self.lease_millis(),
        };
        let args = [&lease.token[..], value, ttl.as_bytes(), mark.as_bytes()];
        batch.script(&STORE_IF_LEASED, [key.as_str(), &lease.key], args)
    }
}

/// A lease that was asked for.
pub(super) struct Asked {
    key: String,
    random: String,
    place: usize,
}

impl Asked {
    /// The lease, where it was to be taken in any case.
    pub(super) fn redeem(self, cache: &Cache, replies: &mut ScriptReplies) -> Result<Lease> {
        let without =
            || Error::new(crate::ErrorKind::Protocol, "a lease was asked for, and none came");
        self.look(cache, replies)?.lease.ok_or_else(without)
    }

    fn look(self, cache: &Cache, replies: &mut ScriptReplies) -> Result<Look> {
        let mut parts = replies.take::<Vec<Value>>(self.place)?.into_iter();
        let token: Option<Bytes> = Option::from_value(parts.next().unwrap_or_default())?;
        let lease =
            token.map(|token| Lease { cache: cache.clone(), key: self.key, token, over: false });
        let stored = Option::from_value(parts.next().unwrap_or_default())?;
        let left: Option<i64> = Option::from_value(parts.next().unwrap_or_default())?;
        let left = left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis);
        Ok(Look { lease, stored, left })
    }
}
