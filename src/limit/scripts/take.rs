//! What `take.lua` does, for engines without Lua. All numbers are doubles, as in Lua, so that both decide alike.

use bytes::Bytes;

use crate::command::{Command, ScriptContext, native};
use crate::{Error, FromValue, Result, Value};

/// The largest whole number of a double, minus one.
const LARGEST: f64 = 9_007_199_254_740_991.0;

fn wrong() -> Error {
    Error::server("ERR wrong arguments of a rate limit's script")
}

fn no_number() -> Error {
    Error::server("ERR the key of a rate limit holds no number")
}

fn str_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn number(bytes: &[u8]) -> Option<f64> {
    str_of(bytes).parse().ok()
}

fn text(number: f64) -> String {
    format!("{:.0}", number + 0.0)
}

/// Digits, after a sign if one is allowed.
fn is_whole(text: &[u8], signed: bool) -> bool {
    let digits = if signed { text.strip_prefix(b"-").unwrap_or(text) } else { text };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// A limit that is absent or no number is the default.
fn setting(value: &Value, default: f64) -> f64 {
    match value.as_bytes() {
        Some(text) if text.len() <= 15 && is_whole(text, false) => number(text).unwrap_or(default),
        _ => default,
    }
}

struct Redis<'a> {
    context: &'a mut dyn ScriptContext,
    now: f64,
    now_ms: f64,
}

impl Redis<'_> {
    fn call(&mut self, command: Command) -> Result<Value> {
        self.context.call(command)
    }

    fn get(&mut self, key: &Bytes) -> Result<Value> {
        self.call(Command::new("GET").arg(key))
    }

    /// A count that is absent is 0. One that is no number is an error, as it is for INCRBY.
    fn count(&mut self, key: &Bytes) -> Result<f64> {
        match self.get(key)?.as_bytes() {
            None => Ok(0.0),
            Some(text) if is_whole(text, true) => number(text).ok_or_else(no_number),
            Some(_) => Err(no_number()),
        }
    }

    fn expire(&mut self, key: &Bytes, ttl: f64) -> Result<()> {
        self.call(Command::new("PEXPIRE").arg(key).arg(text(ttl))).map(drop)
    }

    fn ttl(&mut self, key: &Bytes) -> Result<f64> {
        i64::from_value(self.call(Command::new("PTTL").arg(key))?).map(|ttl| ttl as f64)
    }

    fn increase(&mut self, key: &Bytes, by: f64, ttl: f64, renew: bool) -> Result<()> {
        if by == 0.0 {
            return Ok(());
        }
        self.call(Command::new("INCRBY").arg(key).arg(text(by)))?;
        if renew || self.ttl(key)? < 0.0 {
            self.expire(key, ttl)?;
        }
        Ok(())
    }
}

/// The change of a count by an addition: a refund does not go below 0.
fn addition(cost: f64, used: f64) -> f64 {
    if cost < 0.0 { -(-cost).min(used.max(0.0)) } else { cost }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fixed,
    Sliding,
    Bucket,
    Gcra,
    Lease,
}

struct Policy<'a> {
    kind: Kind,
    keys: &'a [Bytes],
    cost: f64,
    limit: f64,
    window: f64,
    extra: &'a [u8],
    bucket: f64,
    shadow: bool,
    burst: Value,
    room: bool,
    /// Microseconds.
    reset: f64,
    retry: f64,
    /// The used amount: a count, a debt.
    used: f64,
    /// The weight of the window before, or the tokens of a bucket.
    other: f64,
    /// When that was so.
    at: f64,
    /// The burst of a GCRA in units of its debt.
    most: f64,
    /// The units of debt that a GCRA pays in a microsecond.
    rate: f64,
    /// The microseconds by which the time of a GCRA's debt is ahead of the clock.
    ahead: f64,
}

impl Policy<'_> {
    fn key(&self, place: usize) -> Result<&Bytes> {
        self.keys.get(place).ok_or_else(wrong)
    }

    fn extra(&self) -> f64 {
        number(self.extra).unwrap_or(0.0)
    }

    /// The units of debt of one call.
    fn unit(&self) -> f64 {
        self.window * 1000.0
    }

    fn look(&mut self, redis: &mut Redis<'_>) -> Result<()> {
        let (now, now_ms) = (redis.now, redis.now_ms);
        match self.kind {
            Kind::Fixed => {
                self.used = redis.count(self.key(0)?)?;
                self.reset = (self.bucket + 1.0) * self.window * 1000.0 - now;
                self.retry = if self.cost > self.limit { -1.0 } else { self.reset };
            }
            Kind::Sliding => {
                self.used = redis.count(self.key(0)?)?;
                let previous = redis.count(self.key(1)?)?;
                let passed = now_ms % self.window;
                // The weight of `of` calls of the window before, `after` milliseconds after its end.
                let weight = |of: f64, passed: f64| ((1.0 - passed / self.window) * of).floor();
                self.other = weight(previous, passed);
                self.reset = (self.bucket + 1.0) * self.window * 1000.0 - now;
                // The first millisecond at which `of` calls of the window before weigh no more than `room`.
                let first = |of: f64, room: f64| {
                    if of <= room {
                        return 0.0;
                    }
                    // One millisecond early, because the weight is rounded too.
                    let early = ((self.window * (1.0 - (room + 1.0) / of)).floor() - 1.0).max(0.0);
                    (0..3).fold(early, |at, _| if weight(of, at) > room { at + 1.0 } else { at })
                };
                let room = self.limit - self.used - self.cost;
                self.retry = if self.cost > self.limit {
                    -1.0
                } else if room >= 0.0 {
                    (first(previous, room) * 1000.0 - now + (now_ms - passed) * 1000.0).max(0.0)
                } else {
                    self.reset + first(self.used, self.limit - self.cost) * 1000.0
                };
            }
            Kind::Bucket => {
                let refill = self.extra();
                let stored =
                    Command::new("HMGET").arg(self.key(0)?).arg("refilledAt").arg("tokens");
                let [at, tokens] = <[Value; 2]>::from_value(redis.call(stored)?)?;
                (self.at, self.other) = (now_ms, self.limit);
                if let Some(at) = at.as_bytes() {
                    self.at = number(at).ok_or_else(no_number)?;
                    self.other = tokens.as_bytes().and_then(number).ok_or_else(no_number)?;
                }
                if now_ms >= self.at + self.window {
                    let refills = ((now_ms - self.at) / self.window).floor();
                    self.other = self.limit.min(self.other + refills * refill);
                    self.at += refills * self.window;
                }
                self.reset = (self.at + self.window) * 1000.0 - now;
                self.retry = -1.0;
                if self.cost <= self.limit {
                    let refills = ((self.cost - self.other) / refill).ceil().max(0.0);
                    self.retry = ((self.at + refills * self.window) * 1000.0 - now).max(0.0);
                }
            }
            Kind::Gcra => {
                // Without a burst of its own, the limit is the burst. A limit of 0 admits none.
                let burst = setting(&self.burst, number(self.extra).unwrap_or(self.limit));
                let burst = match self.limit > 0.0 {
                    true => burst.min((LARGEST / self.unit()).floor()),
                    false => 0.0,
                };
                (self.most, self.at, self.used) = (burst * self.unit(), now, 0.0);
                if let Some(stored) = redis.get(self.key(0)?)?.as_bytes() {
                    let (debt, at) = str_of(stored).split_once(':').ok_or_else(no_number)?;
                    if !is_whole(debt.as_bytes(), false) || !is_whole(at.as_bytes(), false) {
                        return Err(no_number());
                    }
                    let debt = number(debt.as_bytes()).ok_or_else(no_number)?;
                    let at = number(at.as_bytes()).ok_or_else(no_number)?;
                    self.at = at.max(now);
                    self.used = (debt - (self.at - at) * self.limit).max(0.0);
                }
                (self.rate, self.limit, self.retry) = (self.limit, burst, -1.0);
                // After the clock went back, nothing is paid until it is where it was.
                self.ahead = self.at - now;
                if self.cost <= burst && self.rate > 0.0 {
                    let over = self.used + self.cost * self.unit() - self.most;
                    self.retry = (over / self.rate).ceil().max(0.0) + self.ahead;
                }
                self.reset = self.until_paid();
            }
            Kind::Lease => {
                let live = format!("({}", text(now_ms));
                let count = Command::new("ZCOUNT").arg(self.key(0)?).arg(&live).arg("+inf");
                self.used = i64::from_value(redis.call(count)?)? as f64;
                let mut held = false;
                if !self.extra.is_empty() {
                    let score = Command::new("ZSCORE").arg(self.key(0)?).arg(self.extra);
                    let score = Option::<f64>::from_value(redis.call(score)?)?;
                    held = score.is_some_and(|score| score > now_ms);
                }
                self.cost = if held { 0.0 } else { 1.0 };
                (self.reset, self.retry) = (0.0, 0.0);
                if self.used > 0.0 {
                    let first = Command::new("ZRANGEBYSCORE").arg(self.key(0)?).arg(&live);
                    let first = first.arg("+inf").arg("WITHSCORES").arg("LIMIT").arg(0).arg(1);
                    let first = Vec::<(Value, f64)>::from_value(redis.call(first)?)?;
                    self.reset = first.first().map_or(0.0, |(_, at)| at * 1000.0 - now);
                    self.retry = if self.limit > 0.0 { self.reset } else { -1.0 };
                }
            }
        }
        Ok(())
    }

    /// The microseconds in which a debt is paid.
    fn until_paid(&self) -> f64 {
        match self.rate > 0.0 && self.used > 0.0 {
            true => (self.used / self.rate).ceil() + self.ahead,
            false => 0.0,
        }
    }

    fn left(&self) -> f64 {
        match self.kind {
            Kind::Fixed | Kind::Lease => self.limit - self.used,
            Kind::Sliding => self.limit - self.used - self.other,
            Kind::Bucket => self.other,
            Kind::Gcra => ((self.most - self.used) / self.unit()).floor(),
        }
    }

    fn add(&mut self, redis: &mut Redis<'_>, taken: bool) -> Result<()> {
        let key = self.key(0)?.clone();
        match self.kind {
            Kind::Fixed | Kind::Sliding => {
                let by = addition(self.cost, self.used);
                self.used += by;
                let ttl = match self.kind {
                    Kind::Fixed => self.window,
                    _ => self.window * 2.0 + 1000.0,
                };
                redis.increase(&key, by, ttl, self.extra == b"renew")
            }
            Kind::Bucket => {
                self.other = (self.other - self.cost).min(self.limit.max(self.other));
                let refills = ((self.limit - self.other) / self.extra()).ceil().max(1.0);
                let set = Command::new("HSET").arg(&key).arg("refilledAt").arg(text(self.at));
                redis.call(set.arg("tokens").arg(text(self.other)))?;
                redis.expire(&key, (refills * self.window).min(LARGEST))
            }
            Kind::Gcra => {
                self.used = (self.used + self.cost * self.unit()).clamp(0.0, LARGEST);
                self.reset = self.until_paid();
                if self.used == 0.0 {
                    return redis.call(Command::new("DEL").arg(&key)).map(drop);
                }
                let ttl = match self.rate > 0.0 {
                    true => (self.reset / 1000.0).ceil() + 1.0,
                    false => self.window,
                };
                let value = [text(self.used), text(self.at)].join(":");
                let set = Command::new("SET").arg(&key).arg(value).arg("PX").arg(text(ttl));
                redis.call(set).map(drop)
            }
            Kind::Lease if !taken => Ok(()),
            Kind::Lease => {
                let gone = Command::new("ZREMRANGEBYSCORE").arg(&key).arg("-inf");
                redis.call(gone.arg(text(redis.now_ms)))?;
                let add = Command::new("ZADD").arg(&key).arg(text(redis.now_ms + self.window));
                redis.call(add.arg(self.extra))?;
                if redis.ttl(&key)? < self.window {
                    redis.expire(&key, self.window)?;
                }
                self.used += self.cost;
                Ok(())
            }
        }
    }
}

/// The native implementation.
pub(super) fn take(
    context: &mut dyn ScriptContext,
    keys: &[Bytes],
    args: &[Bytes],
) -> Result<Value> {
    let [op, now, keep, members, args @ ..] = args else { return Err(wrong()) };
    let remembered = keys.last().filter(|_| keep != "0");
    let mut redis = Redis { context, now: 0.0, now_ms: 0.0 };
    if let Some(key) = remembered {
        let reply = redis.get(key)?;
        if let Some(reply) = reply.as_bytes() {
            return Ok(Value::bulk(str_of(reply).replacen(" 1", " 2", 1)));
        }
    }
    let servers_clock = now.is_empty();
    redis.now = match servers_clock {
        true => native::clock(redis.context)? as f64,
        false => number(now).ok_or_else(wrong)?,
    };
    redis.now_ms = (redis.now / 1000.0).floor();

    let mut keys = keys;
    let mut next = |count: usize| -> Result<&[Bytes]> {
        let (taken, rest) = keys.split_at_checked(count).ok_or_else(wrong)?;
        keys = rest;
        Ok(taken)
    };
    let members = number(members).ok_or_else(wrong)? as usize;
    let (members, policies) = args.split_at_checked(members).ok_or_else(wrong)?;
    if !members.is_empty() {
        let list = next(1)?;
        let found = Command::new("SMISMEMBER").args_from(list).args_from(members);
        let found = Vec::<i64>::from_value(redis.call(found)?)?;
        if let Some(place) = found.iter().position(|&found| found == 1) {
            return Ok(Value::bulk(format!("{} -2 {}", text(redis.now), place + 1)));
        }
    }

    let mut admitted = true;
    let mut asked = Vec::with_capacity(policies.len() / 9);
    for policy in policies.chunks(9) {
        let [kind, cost, limit, window, extra, bucket, shadow, field, burst] = policy else {
            return Err(wrong());
        };
        let kind = match &kind[..] {
            b"fixed" => Kind::Fixed,
            b"sliding" => Kind::Sliding,
            b"bucket" => Kind::Bucket,
            b"gcra" => Kind::Gcra,
            b"lease" => Kind::Lease,
            _ => return Err(wrong()),
        };
        let window = number(window).ok_or_else(wrong)?;
        let bucket = number(bucket);
        if servers_clock && bucket.is_some_and(|bucket| (redis.now_ms / window).floor() != bucket) {
            return Ok(Value::bulk(format!("{} -1", text(redis.now))));
        }
        let mut policy = Policy {
            kind,
            keys: next(if kind == Kind::Sliding { 2 } else { 1 })?,
            cost: number(cost).ok_or_else(wrong)?,
            limit: number(limit).ok_or_else(wrong)?,
            window,
            extra,
            bucket: bucket.unwrap_or(0.0),
            shadow: shadow == "1",
            burst: Value::Nil,
            room: false,
            reset: 0.0,
            retry: 0.0,
            used: 0.0,
            other: 0.0,
            at: 0.0,
            most: 0.0,
            rate: 0.0,
            ahead: 0.0,
        };
        let hget = |field: &Bytes, key: &[Bytes]| Command::new("HGET").args_from(key).arg(field);
        if field == "=" {
            let key = next(1)?;
            policy.limit = setting(&redis.call(Command::new("GET").args_from(key))?, policy.limit);
        } else if !field.is_empty() || !burst.is_empty() {
            let key = next(1)?;
            if !field.is_empty() {
                policy.limit = setting(&redis.call(hget(field, key))?, policy.limit);
            }
            if !burst.is_empty() {
                policy.burst = redis.call(hget(burst, key))?;
            }
        }
        policy.look(&mut redis)?;
        policy.room = policy.cost <= 0.0 || policy.cost <= policy.left();
        admitted &= policy.room || policy.shadow;
        asked.push(policy);
    }

    let taken = op == "take";
    let said = if op == "add" { true } else { admitted };
    let mut reply = format!("{} {}", text(redis.now), u8::from(said));
    for policy in &mut asked {
        if op == "add" || taken && admitted && policy.room {
            policy.add(&mut redis, taken)?;
        }
        let left = policy.left().max(0.0);
        let retry = if policy.room { 0.0 } else { policy.retry };
        let room = f64::from(u8::from(policy.room));
        for number in [room, policy.limit, left, policy.reset.max(0.0), retry] {
            reply.push(' ');
            reply.push_str(&text(number));
        }
    }
    if let Some(key) = remembered
        && taken
        && admitted
    {
        redis.call(Command::new("SET").arg(key).arg(&reply).arg("PX").arg(keep))?;
    }
    Ok(Value::bulk(reply))
}
