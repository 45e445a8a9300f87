use edgecask::command::Script;
use edgecask::prelude::*;
use edgecask::{ErrorKind, Value};

use crate::Scope;

/// The Lua source and the native implementation set a key to the sum of the arguments, and return all of their input.
fn sum() -> Script {
    Script::new(
        "local sum = 0\n\
         for _, arg in ipairs(ARGV) do sum = sum + tonumber(arg) end\n\
         redis.call('SET', KEYS[1], sum)\n\
         return {KEYS[1], #ARGV, sum, redis.call('GET', KEYS[1])}",
    )
    .with_native(|redis, keys, args| {
        let numbers = args.iter().map(|arg| String::from_utf8_lossy(arg).parse::<i64>());
        let sum: i64 = numbers.map(|number| number.unwrap_or(0)).sum();
        redis.call(Command::new("SET").arg(&keys[0]).arg(sum))?;
        let stored = redis.call(Command::new("GET").arg(&keys[0]))?;
        let count = i64::try_from(args.len()).unwrap_or(0);
        Ok(Value::Array(vec![Value::Bulk(keys[0].clone()), count.into(), sum.into(), stored]))
    })
}

pub(crate) async fn a_script_runs_and_is_remembered(scope: Scope) {
    let (client, key, script) = (&scope.client, scope.key("k"), sum());
    if !client.capabilities().lua {
        // This transport runs scripts by their native implementations, which need an engine in this process.
        let reply: (String, i64, i64, i64) =
            client.run_script(&script, [&key], [1, 2, 3]).await.unwrap();
        assert_eq!(reply, (key.to_string(), 3, 6, 6));
        return;
    }
    match client.run_script::<(String, i64, i64, i64)>(&script, [&key], [1, 2, 3]).await {
        Ok(reply) => {
            assert_eq!(reply, (key.to_string(), 3, 6, 6));
            assert_eq!(client.script_exists([script.sha()]).await.unwrap(), [true]);
            let again: (String, i64, i64, i64) =
                client.evalsha(script.sha(), [&key], [4]).await.unwrap();
            assert_eq!(again.2, 4);
        }
        // A REST server may serve an embedded engine that was built without Lua.
        Err(error) => assert!(error.message().contains("does not run Lua"), "{error}"),
    }
}

pub(crate) async fn unknown_scripts_are_told(scope: Scope) {
    let client = &scope.client;
    let nothing: [&str; 0] = [];
    let sha = "0000000000000000000000000000000000000000";
    let error = client.evalsha::<Value>(sha, nothing, nothing).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("NOSCRIPT")));
    let loaded: String = client.script_load("return 7").await.unwrap();
    assert_eq!(loaded, Script::new("return 7").sha());
    assert_eq!(client.script_exists([sha, &loaded]).await.unwrap(), [false, true]);
}
