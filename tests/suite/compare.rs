//! Compare and set where the server has it (the embedded engine) and where a script stands in (Redis 7).

use std::time::Duration;

use edgecask::command::strings::{SetOptions, ValueIs};
use edgecask::prelude::*;
use edgecask::{Change, ErrorKind};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;
use futures_util::future::join_all;

async fn everywhere(test: impl AsyncFn(Client)) {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    for client in [Client::memory(), redis.client(), rest] {
        client.flushall().await.unwrap();
        test(client).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn only_the_expected_value_is_changed() {
    everywhere(async |client| {
        assert!(client.compare_and_set("k", None, "a").await.unwrap());
        assert!(!client.compare_and_set("k", None, "b").await.unwrap());
        assert!(!client.compare_and_set("k", Some(b"x"), "b").await.unwrap());
        assert!(!client.compare_and_set("absent", Some(b"x"), "b").await.unwrap());
        client.expire("k", Duration::from_secs(100)).await.unwrap();
        assert!(client.compare_and_set("k", Some(b"a"), vec![0xff]).await.unwrap());
        assert!(matches!(
            client.ttl("k").await.unwrap(),
            edgecask::command::keys::Lifetime::Expires(_)
        ));
        assert!(!client.compare_and_delete("k", b"a").await.unwrap());
        assert!(client.compare_and_delete("k", &[0xff]).await.unwrap());
        client.rpush("l", ["x"]).await.unwrap();
        let error = client.compare_and_set("l", Some(b"x"), "y").await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
    })
    .await;
}

#[tokio::test]
async fn no_update_is_lost() {
    everywhere(async |client| {
        let add = async |client: Client| {
            client
                .update("n", |old| {
                    let old: u64 = old
                        .and_then(|old| std::str::from_utf8(old).ok()?.parse().ok())
                        .unwrap_or(0);
                    Change::from((old + 1).to_string())
                })
                .await
        };
        let results = join_all((0..8).map(|_| add(client.clone()))).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(client.get::<u64>("n").await.unwrap(), Some(8));
        assert_eq!(client.update("n", |_| Change::Keep).await.unwrap().unwrap(), "8");
        assert_eq!(client.update("n", |_| Change::Delete).await.unwrap(), None);
        assert_eq!(client.exists(["n"]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn who_never_comes_first_is_told() {
    let client = Client::memory();
    let other = client.clone();
    let mut number = 0;
    let error = client
        .update("k", |_| {
            number += 1;
            let set = futures_util::FutureExt::now_or_never(other.set("k", number));
            set.expect("the embedded engine answers at once").unwrap();
            Change::from("mine")
        })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Conflict, Some("SET k")));
}

#[tokio::test]
async fn conditions_on_values_and_digests() {
    let client = Client::memory();
    let set = async |value: &str, is: ValueIs| {
        client.set_with("k", value, SetOptions::new().if_value(is)).await.unwrap()
    };
    assert!(!set("a", ValueIs::Equal(b"x".to_vec())).await, "an absent key equals nothing");
    assert!(set("a", ValueIs::NotEqual(b"x".to_vec())).await);
    assert!(!set("b", ValueIs::NotEqual(b"a".to_vec())).await);
    let digest = client.digest("k").await.unwrap().unwrap();
    assert_eq!(digest, "e6c632b61e964e1f", "XXH3 of \"a\"");
    assert_eq!(client.digest("absent").await.unwrap(), None);
    assert!(!set("b", ValueIs::DigestNotEqual(digest.clone())).await);
    assert!(set("b", ValueIs::DigestEqual(digest.clone())).await);
    assert!(!client.delex("k", &ValueIs::DigestEqual(digest.clone())).await.unwrap());
    assert!(client.delex("k", &ValueIs::DigestNotEqual(digest)).await.unwrap());
    assert_eq!(client.exists(["k"]).await.unwrap(), 0);
}
