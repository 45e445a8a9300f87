//! Scripts a second, beside a real Redis.

use std::time::Instant;

use anyhow::Result;
use edgecask::{Client, Script};
use edgecask_tests::RedisServer;
use futures_util::future::try_join_all;

use crate::throughput::median;

const ROUNDS: usize = 7;
const CALLS: usize = 20_000;
const CALLERS: usize = 64;

const TOKEN_BUCKET: &str = "
local capacity, rate, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or capacity, tonumber(bucket[2]) or now
tokens = math.min(capacity, tokens + (now - at) * rate)
local allowed = tokens >= 1
if allowed then tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
return {allowed and 1 or 0, tostring(tokens)}";

pub(crate) struct Row {
    pub(super) what: &'static str,
    pub(super) per_second: f64,
    pub(super) of_redis: f64,
    pub(super) ratio: f64,
}

/// A script of a hundred lines: some reads, some writes, and work on tables and texts.
fn long() -> String {
    let mut lines = vec!["local sum, parts = 0, {}".to_owned()];
    for at in 0..24 {
        lines.push(format!("local v{at} = (tonumber(ARGV[1]) * {at} + {at}) % 97"));
        lines.push(format!("if v{at} > 48 then sum = sum + v{at} else sum = sum - v{at} end"));
        lines.push(format!("parts[#parts + 1] = string.format('%d:%d', {at}, v{at})"));
    }
    for at in 0..12 {
        lines.push(format!("redis.call('HINCRBY', KEYS[1], 'f{at}', v{at})"));
        lines.push(format!("sum = sum + tonumber(redis.call('HGET', KEYS[1], 'f{at}'))"));
    }
    lines.push("redis.call('SET', KEYS[2], table.concat(parts, ','))".to_owned());
    lines.push("return sum".to_owned());
    lines.join("\n")
}

/// Calls a second, by some callers at the same time.
async fn rate(client: &Client, script: &Script, callers: usize) -> Result<f64> {
    let begin = Instant::now();
    let call = async |caller: usize| {
        for number in 0..CALLS / callers {
            let keys = [format!("{{{caller}}}:a"), format!("{{{caller}}}:b")];
            let args = ["1000".to_owned(), "0.5".to_owned(), number.to_string()];
            client.run_script::<edgecask::Value>(script, keys, args).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..callers).map(call)).await?;
    Ok((CALLS / callers * callers) as f64 / begin.elapsed().as_secs_f64())
}

pub(super) async fn measure() -> Result<Vec<Row>> {
    let redis = RedisServer::redis8().unwrap_or_else(RedisServer::start);
    let (real, engine) = (redis.client(), Client::memory());
    let mut rows = Vec::new();
    let scripts = [("a token bucket", TOKEN_BUCKET.to_owned()), ("100 lines", long())];
    for (what, source) in scripts {
        let script = Script::new(source);
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let own = rate(&engine, &script, 1).await?;
            let of_redis = rate(&real, &script, CALLERS).await?;
            ours.push(own);
            theirs.push(of_redis);
            ratios.push(own / of_redis);
        }
        let (per_second, of_redis) = (median(ours.into_iter()), median(theirs.into_iter()));
        rows.push(Row { what, per_second, of_redis, ratio: median(ratios.into_iter()) });
    }
    Ok(rows)
}
