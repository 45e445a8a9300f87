//! Commands that wait for data, on a real Redis over TCP and in the embedded engine.

use std::time::Duration;

use edgecask::command::lists::End;
use edgecask::command::streams::XReadOptions;
use edgecask::prelude::*;
use edgecask::{ErrorKind, Value};
use edgecask_tests::{RedisServer, until};

async fn everywhere(test: impl AsyncFn(Client)) {
    let redis = RedisServer::start();
    for client in [redis.client(), Client::memory()] {
        test(client).await;
    }
}

/// Waits until so many callers wait.
async fn blocked(client: &Client, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    until(async || client.info("clients").await.unwrap().contains(&line)).await;
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn who_came_first_is_served_first() {
    everywhere(async |client| {
        let mut waiting = Vec::new();
        for number in 0..5 {
            waiting.push(tokio::spawn(client.blpop::<String>(["other", "list"], LONG)));
            blocked(&client, number + 1).await;
        }
        client.rpush("list", ["0", "1", "2"]).await.unwrap();
        client.rpush("other", ["3", "4", "5"]).await.unwrap();
        for (number, caller) in waiting.into_iter().enumerate() {
            let key = if number < 3 { "list" } else { "other" };
            let expected = Some((key.to_owned(), number.to_string()));
            assert_eq!(caller.await.unwrap().unwrap(), expected);
        }
        assert_eq!(client.lrange::<String>("other", 0, -1).await.unwrap(), ["5"]);
    })
    .await;
}

#[tokio::test]
async fn what_one_moves_wakes_the_next() {
    everywhere(async |client| {
        let last = tokio::spawn(client.brpop::<String>(["c"], LONG));
        blocked(&client, 1).await;
        let second = tokio::spawn(client.blmove::<String>("b", "c", End::Left, End::Left, LONG));
        blocked(&client, 2).await;
        let first = tokio::spawn(client.blmove::<String>("a", "b", End::Left, End::Left, LONG));
        blocked(&client, 3).await;
        client.rpush("a", ["x"]).await.unwrap();
        assert_eq!(first.await.unwrap().unwrap().as_deref(), Some("x"));
        assert_eq!(second.await.unwrap().unwrap().as_deref(), Some("x"));
        assert_eq!(last.await.unwrap().unwrap(), Some(("c".to_owned(), "x".to_owned())));
        assert_eq!(client.dbsize().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_type_wakes_nobody() {
    everywhere(async |client| {
        let waiting = tokio::spawn(client.bzpopmin::<String>(["key"], LONG));
        blocked(&client, 1).await;
        client.rpush("key", ["element"]).await.unwrap();
        client.del(["key"]).await.unwrap();
        client.set("key", "text").await.unwrap();
        blocked(&client, 1).await;
        client.del(["key"]).await.unwrap();
        client.zadd("key", [(1.5, "member")]).await.unwrap();
        let popped = waiting.await.unwrap().unwrap();
        assert_eq!(popped, Some(("key".to_owned(), "member".to_owned(), 1.5)));
        let error = client.set("key", "text").await;
        error.unwrap();
        let error = client.blpop::<String>(["key"], LONG).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_has_gone_takes_nothing() {
    everywhere(async |client| {
        let gone = tokio::spawn(client.blpop::<String>(["list"], LONG));
        blocked(&client, 1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        blocked(&client, 0).await;
        client.rpush("list", ["element"]).await.unwrap();
        assert_eq!(client.llen("list").await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_time_that_is_over_gives_nothing() {
    everywhere(async |client| {
        let short = Duration::from_millis(20);
        assert_eq!(client.blpop::<String>(["list"], short).await.unwrap(), None);
        let options = XReadOptions::new().block(short);
        let read = client.xread::<String>(&options, [("stream", "$")]).await.unwrap();
        assert!(read.is_empty());
        blocked(&client, 0).await;
        client.rpush("list", ["element"]).await.unwrap();
        assert_eq!(client.llen("list").await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn readers_of_a_stream_get_what_comes_after_they_asked() {
    everywhere(async |client| {
        client.xadd("stream", [("field", "old")]).await.unwrap();
        client.xgroup_create("stream", "group", "$", false).await.unwrap();
        let options = XReadOptions::new().block(LONG);
        let reader = tokio::spawn(client.xread::<String>(&options, [("stream", "$")]));
        blocked(&client, 1).await;
        let consumer = tokio::spawn(client.xreadgroup::<String>(
            "group",
            "consumer",
            &options,
            [("stream", ">")],
        ));
        blocked(&client, 2).await;
        let id = client.xadd("stream", [("field", "new")]).await.unwrap();
        for read in [reader.await.unwrap().unwrap(), consumer.await.unwrap().unwrap()] {
            let entries = &read[0].1;
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].id, id);
            assert_eq!(entries[0].get("field").map(String::as_str), Some("new"));
        }
        // A group that is destroyed keeps nobody waiting.
        let consumer = tokio::spawn(client.xreadgroup::<String>(
            "group",
            "consumer",
            &options,
            [("stream", ">")],
        ));
        blocked(&client, 1).await;
        client.xgroup_destroy("stream", "group").await.unwrap();
        assert_eq!(consumer.await.unwrap().unwrap_err().code(), Some("NOGROUP"));
    })
    .await;
}

#[tokio::test]
async fn nothing_waits_in_a_transaction_or_a_pipeline() {
    everywhere(async |client| {
        let commands = [cmd("BLPOP").arg("list").arg(0), cmd("SET").arg("key").arg("value")];
        let replies = client.send_transaction(&commands).await.unwrap();
        assert_eq!(replies[0].as_ref().unwrap(), &Value::Nil);
        let error = client.send_pipeline(&commands).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    })
    .await;
}
