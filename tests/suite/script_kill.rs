//! SCRIPT KILL and FUNCTION KILL of the embedded engine.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Error, Value};
use edgecask_tests::until;
use tokio::task::JoinHandle;

/// An engine whose scripts may run for long.
fn engine() -> Client {
    let options = ScriptOptions::new().limit_time(Duration::from_secs(60));
    Client::new(MemoryTransport::new().with_script_options(options))
}

fn kill(of: &'static str) -> Command {
    Command::new(of).arg("KILL")
}

fn start(client: &Client, command: Command) -> JoinHandle<Result<Value, Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.send(&command).await })
}

/// Sends this until a script runs, and returns the answer.
async fn answer(client: &Client, command: Command) -> Result<Value, Error> {
    let mut last = Ok(Value::Nil);
    until(async || {
        last = client.send(&command).await;
        last.as_ref().err().and_then(Error::code) != Some("NOTBUSY")
    })
    .await;
    last
}

const ENDLESS: &str = "while true do pcall(function() while true do end end) end";
const LIBRARY: &str = "#!lua name=lib
redis.register_function('endless', function() while true do end end)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_has_written_nothing_is_killed() {
    let client = engine();
    for source in [
        ENDLESS,
        "while true do redis.call('get', 'k') end",
        "while true do pcall(redis.call, 'get', 'k') end",
    ] {
        let script = start(&client, Command::new("EVAL").arg(source).arg(0));
        assert!(answer(&client, kill("SCRIPT")).await.is_ok());
        let error = script.await.unwrap().unwrap_err();
        let begin = "ERR Script killed by user with SCRIPT KILL... script: ";
        assert!(error.message().starts_with(begin), "{error}");
        // The engine goes on.
        client.set("k", "v").await.unwrap();
        assert_eq!(client.eval::<i64>("return 7", [""; 0], [""; 0]).await.unwrap(), 7);
        let error = client.send(&kill("SCRIPT")).await.unwrap_err();
        assert_eq!(error.message(), "NOTBUSY No scripts in execution right now.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_has_written_is_not_killed() {
    let options = ScriptOptions::new().limit_time(Duration::from_secs(2));
    let client = Client::new(MemoryTransport::new().with_script_options(options));
    // It writes when it has been seen.
    let source = "local i = 0 redis.call('set', 'k', 'v') while true do i = i + 1 end";
    let script = start(&client, Command::new("EVAL").arg(source).arg(0));
    let mut error = answer(&client, kill("SCRIPT")).await.map(drop);
    if error.is_ok() {
        // It was killed before it wrote anything.
        assert!(script.await.unwrap().is_err());
        assert_eq!(client.exists(["k"]).await.unwrap(), 0);
        return;
    }
    let error = error.as_mut().unwrap_err();
    assert_eq!(error.code(), Some("UNKILLABLE"), "{error}");
    assert!(script.await.unwrap().unwrap_err().message().contains("time limit"));
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("v"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_is_killed_by_function_kill_alone() {
    let client = engine();
    client.function_load(LIBRARY, false).await.unwrap();
    let function = start(&client, Command::new("FCALL").arg("endless").arg(0));
    let error = answer(&client, kill("SCRIPT")).await.unwrap_err();
    assert_eq!(error.code(), Some("BUSY"), "{error}");
    assert!(error.message().contains("only call FUNCTION"), "{error}");
    client.send(&kill("FUNCTION")).await.unwrap();
    let error = function.await.unwrap().unwrap_err();
    assert!(error.message().contains("killed by user"), "{error}");
    let script = start(&client, Command::new("EVAL").arg(ENDLESS).arg(0));
    let error = answer(&client, kill("FUNCTION")).await.unwrap_err();
    assert!(error.message().contains("only call SCRIPT"), "{error}");
    client.send(&kill("SCRIPT")).await.unwrap();
    assert!(script.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_wait_for_a_script_leave_a_thread_for_the_kill() {
    let client = engine();
    let script = start(&client, Command::new("EVAL").arg(ENDLESS).arg(0));
    let error = answer(&client, kill("FUNCTION")).await.unwrap_err();
    assert_eq!(error.code(), Some("BUSY"), "{error}");
    let mut waiting: Vec<_> =
        (0..20).map(|_| start(&client, Command::new("INCR").arg("n"))).collect();
    waiting.push(start(&client, Command::new("BLPOP").arg("l").arg("0.01")));
    let other = client.clone();
    let transaction =
        tokio::spawn(async move { other.send_transaction(&[Command::new("INCR").arg("n")]).await });
    tokio::task::yield_now().await;
    client.send(&kill("SCRIPT")).await.unwrap();
    assert!(script.await.unwrap().is_err());
    for caller in waiting {
        caller.await.unwrap().unwrap();
    }
    transaction.await.unwrap().unwrap();
    assert_eq!(client.get::<i64>("n").await.unwrap(), Some(21));
}
