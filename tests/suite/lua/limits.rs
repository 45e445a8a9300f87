//! Scripts that never end, and scripts that take all memory.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Error};
use edgecask_tests::RedisServer;

fn engine(time: Duration) -> Client {
    let options = ScriptOptions::new().limit_time(time).limit_memory(16 << 20);
    Client::new(MemoryTransport::new().with_script_options(options))
}

async fn run(client: &Client, source: &str) -> Result<i64, Error> {
    client.eval(source, ["k"], [""; 0]).await
}

/// What a script did before it was ended stays, and the next script runs.
async fn goes_on(client: &Client) {
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("written"));
    client.del(["k"]).await.unwrap();
    assert_eq!(run(client, "return redis.call('incr', KEYS[1])").await.unwrap(), 1);
    client.del(["k"]).await.unwrap();
}

const WRITE: &str = "redis.call('set', KEYS[1], 'written') ";

#[tokio::test]
async fn a_script_without_an_end_is_ended() {
    let client = engine(Duration::from_millis(100));
    for endless in [
        "while true do end",
        "while true do redis.call('get', KEYS[1]) end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) while true do end end f()",
        "while true do pcall(error) end",
        "repeat xpcall(function() while true do end end, function() while true do end end) until false",
        "local co = coroutine.wrap(function() while true do end end) co()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
        "for i = 1, 1e18 do local x = string.rep('x', 100) end",
        "local t = {} for i = 1, 100 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 15 do t = {t, t, t, t} end while true do cmsgpack.pack(t) end",
        "return load(function() while true do end end)",
        "local t = {} for i = 1, 50 do t[i] = i end while true do table.sort(t, function(a, b) return a > b end) end",
    ] {
        let error = run(&client, &format!("{WRITE}{endless}")).await.unwrap_err();
        assert!(error.message().contains("exceeded the time limit"), "{endless}: {error}");
        goes_on(&client).await;
    }
    let endless = "#!lua name=endless\nwhile true do end";
    let error = client.function_load(endless, false).await.unwrap_err();
    assert!(error.message().contains("time limit"), "{error}");
    let code = "#!lua name=endless\nredis.register_function('f', function(keys) redis.call('set', keys[1], 'written') while true do end end)";
    client.function_load(code, false).await.unwrap();
    let error = client.fcall::<i64>("f", ["k"], [""; 0]).await.unwrap_err();
    assert!(error.message().contains("time limit"), "{error}");
    goes_on(&client).await;
}

#[tokio::test]
async fn a_script_that_takes_all_memory_is_ended() {
    let client = engine(Duration::from_secs(100));
    for bomb in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 1e9)",
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('y', 1000) .. i end",
        "local t = {} while true do t[#t + 1] = redis.call('get', KEYS[1]) .. #t end",
        "return cjson.encode({string.rep('x', 9e6), string.rep('y', 9e6), string.rep('z', 9e6)})",
        "local t = {} pcall(function() while true do t[#t + 1] = {} end end) error('full')",
    ] {
        let error = run(&client, &format!("{WRITE}{bomb}")).await.unwrap_err();
        let text = error.message();
        assert!(text.contains("not enough memory") || text.contains("full"), "{bomb}: {text}");
        goes_on(&client).await;
    }
    // A function that was loaded before is still there.
    let code = "#!lua name=l\nredis.register_function('f', function() return 7 end)";
    client.function_load(code, false).await.unwrap();
    run(&client, "local t = {} while true do t[#t + 1] = {} end").await.unwrap_err();
    assert_eq!(client.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 7);
}

#[tokio::test]
async fn a_fork_has_the_scripts_and_functions_and_not_the_state() {
    let engine = MemoryTransport::new();
    let client = Client::new(engine.clone());
    let code =
        "#!lua name=l\nlocal n = 0 redis.register_function('f', function() n = n + 1 return n end)";
    client.function_load(code, false).await.unwrap();
    let sha = client.script_load("return 5").await.unwrap();
    assert_eq!(client.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 1);
    let fork = Client::new(engine.fork());
    assert_eq!(fork.evalsha::<i64>(&sha, [""; 0], [""; 0]).await.unwrap(), 5);
    assert_eq!(fork.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 1);
    assert_eq!(client.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 2);
}

/// Scripts, functions and transactions in an engine and in a Redis that may hold nothing more.
#[tokio::test]
async fn when_it_is_full_scripts_are_refused_as_in_redis() {
    const LIBRARY: &str = "#!lua name=full
redis.register_function('f', function() return redis.call('SET', 'x', '1') end)
redis.register_function('p', function() return 5 end)
redis.register_function{function_name='g', callback=function() return 5 end, flags={'no-writes'}}
redis.register_function{function_name='h', callback=function() return redis.call('SET', 'x', '1') end, flags={'allow-oom'}}";
    const LINES: &[&[&str]] = &[
        &["EVAL", "return redis.call('SET','x','1')", "0"],
        &["EVAL", "return redis.pcall('SET','x','1')", "0"],
        &["EVAL", "redis.call('DEL','nosuch') return redis.call('SET','x','1')", "0"],
        &["EVAL", "redis.pcall('SET','k','1') return redis.call('SET','x','1')", "0"],
        &["EVAL", "redis.call('GET','k') return redis.pcall('LPUSH','l','1')", "0"],
        &["EVAL", "return redis.call('GET','k')", "0"],
        &["EVAL", "#!lua\nreturn 5", "0"],
        &["EVAL", "#!lua flags=no-writes\nreturn 5", "0"],
        &["EVAL", "#!lua flags=allow-oom\nreturn redis.call('SET','x','1')", "0"],
        &["EVAL_RO", "return redis.call('GET','x')", "0"],
        &["FCALL", "f", "0"],
        &["FCALL", "g", "0"],
        &["FCALL", "h", "0"],
        &["FCALL", "p", "0"],
        &["FUNCTION", "LOAD", "REPLACE", LIBRARY],
        &["XGROUP", "CREATE", "s", "g", "0"],
        &["XGROUP", "DESTROY", "s", "g"],
        &["SET", "k", "2"],
        &["GET", "k"],
        &["DEL", "x"],
    ];
    let Some(redis) = RedisServer::redis8() else { return };
    let mut replies = Vec::new();
    for client in [redis.client(), Client::memory()] {
        client.set("k", "v").await.unwrap();
        client.xadd("s", [("a", "b")]).await.unwrap();
        client.function_load(LIBRARY, false).await.unwrap();
        client.config_set("maxmemory", "1").await.unwrap();
        let mut all = Vec::new();
        for line in LINES {
            let command = Command::new(line[0]).args_from(&line[1..]);
            let reply = client.send(&command).await;
            all.push(format!("{line:?} {:?}", reply.map_err(|error| error.message().to_owned())));
        }
        // Reading and deleting is possible; what needs memory takes all of its transaction with it.
        for lines in [&["GET k", "DEL x"][..], &["GET k", "SET x 1", "DEL k"]] {
            let commands = lines.iter().map(|line| {
                let mut words = line.split(' ');
                Command::new(words.next().unwrap_or_default()).args_from(words)
            });
            let reply = client.send_transaction(&commands.collect::<Vec<_>>()).await;
            all.push(format!("{lines:?} {:?}", reply.map_err(|error| error.kind())));
        }
        assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("v"));
        client.config_set("maxmemory", "0").await.unwrap();
        replies.push(all);
    }
    for (theirs, ours) in replies[0].iter().zip(&replies[1]) {
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
async fn a_script_that_fills_the_engine_is_refused_more() {
    use edgecask::transport::memory::MemoryOptions;
    let options = MemoryOptions::new().max_bytes(4 << 20);
    let client = Client::new(MemoryTransport::with_options(&options));
    for bomb in [
        "for i = 1, 1e9 do redis.call('SET', KEYS[1] .. i, string.rep('x', 100000)) end",
        "for i = 1, 1e9 do redis.call('SETRANGE', KEYS[1] .. i, 1000000, 'x') end",
        "for i = 1, 1e9 do redis.call('RPUSH', KEYS[1], string.rep('x', 100000)) end",
        "#!lua flags=allow-oom\nfor i = 1, 1e9 do redis.call('APPEND', KEYS[1], string.rep('x', 100000)) end",
        "redis.call('JSON.SET', KEYS[1], '$', '[]') for i = 1, 1e9 do redis.call('JSON.ARRAPPEND', KEYS[1], '$', '\"' .. string.rep('x', 100000) .. '\"') end",
    ] {
        let error = run(&client, bomb).await.unwrap_err();
        assert_eq!(error.code(), Some("OOM"), "{bomb}: {error}");
        let info = client.send(&Command::new("INFO").arg("memory")).await.unwrap();
        let info = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        assert!(used.trim().parse::<usize>().unwrap() < 14 << 20, "{bomb}: {used}");
        client.flushall().await.unwrap();
    }
}
