use std::collections::HashMap;

use edgecask::prelude::*;
use edgecask::{ErrorKind, Slot, Value};

use crate::Scope;

pub(crate) async fn a_pipeline_keeps_order_and_errors(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let pipeline = client.pipeline();
    let set = pipeline.set(&key, "text");
    let wrong = pipeline.incr(&key);
    let get = pipeline.get::<String>(&key);
    let absent = pipeline.get::<String>(scope.key("absent"));
    assert_eq!(pipeline.len(), 4);
    let mut replies = pipeline.exec().await.unwrap();
    replies.take(set).unwrap();
    let error = replies.take(wrong).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("ERR")));
    assert_eq!(error.command(), Some(format!("INCR {key}").as_str()));
    assert_eq!(replies.take(get).unwrap().as_deref(), Some("text"));
    assert_eq!(replies.take(absent).unwrap(), None);
}

pub(crate) async fn a_transaction_is_one(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let transaction = client.transaction();
    let incr = transaction.incr(&key);
    let wrong = transaction.lpush(&key, ["x"]);
    let list = transaction.mget::<u16>([&key, &scope.key("absent")]);
    let mut replies = transaction.exec().await.unwrap();
    assert_eq!(replies.take(incr).unwrap(), 1);
    assert_eq!(replies.take(wrong).unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(replies.take(list).unwrap(), [Some(1), None]);
}

pub(crate) async fn a_bad_transaction_runs_nothing(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let transaction = client.transaction();
    let _ = transaction.set(&key, "v");
    let _ = transaction.execute::<Value>(Command::new("GET"));
    let error = transaction.exec().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Discarded, "{error}");
    assert_eq!(client.exists([&key]).await.unwrap(), 0);
    // The connection still works.
    client.set(&key, "v").await.unwrap();
}

pub(crate) async fn an_empty_batch_sends_nothing(scope: Scope) {
    assert!(scope.client.pipeline().exec().await.unwrap().is_empty());
    assert!(scope.client.transaction().exec().await.unwrap().is_empty());
}

pub(crate) async fn long_batches(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let pipeline = client.pipeline();
    let slots: Vec<_> = (0..500).map(|_| pipeline.incr(&key)).collect();
    let mut replies = pipeline.exec().await.unwrap();
    for (slot, expected) in slots.into_iter().zip(1..) {
        assert_eq!(replies.take(slot).unwrap(), expected);
    }
}

pub(crate) async fn replies_come_in_the_shape_of_their_slots(scope: Scope) {
    let (client, key, hash) = (&scope.client, scope.key("k"), scope.key("h"));
    let (count, fields): (i64, HashMap<String, u8>) =
        client.pipelined(|p| (p.incr(&key), p.hgetall(&hash))).await.unwrap();
    assert_eq!((count, fields), (1, HashMap::new()));
    let (counts, (set, nested), none) = client
        .transacted(|t| {
            let many: Vec<_> = (0..3).map(|_| t.incr(&key)).collect();
            (many, (t.hset(&hash, [("f", 7)]), [(t.hlen(&hash),)]), None::<Slot<i64>>)
        })
        .await
        .unwrap();
    assert_eq!((counts, set, nested, none), (vec![2, 3, 4], 1, [(1,)], None));
    // The caller chooses the order of the slots.
    let (later, earlier) = client
        .pipelined(|p| {
            let earlier = p.incr(&key);
            (p.incr(&key), earlier)
        })
        .await
        .unwrap();
    assert_eq!((later, earlier), (6, 5));
    let twelve = client
        .pipelined(|p| {
            let next = || p.incr(&key);
            (
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
                next(),
            )
        })
        .await
        .unwrap();
    assert_eq!(twelve, (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));

    client.pipelined(|_| ()).await.unwrap();
    let nothing: Vec<i64> = client.transacted(|_| Vec::<Slot<i64>>::new()).await.unwrap();
    assert!(nothing.is_empty());
}

pub(crate) async fn the_first_error_ends_a_batch(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set(&key, "text").await.unwrap();
    let error = client
        .pipelined(|p| {
            let wrong = p.incr(&key);
            // Its slot comes first, its command second.
            (p.llen(&key), p.get::<String>(&key), wrong)
        })
        .await
        .unwrap_err();
    assert_eq!(error.command(), Some(format!("INCR {key}").as_str()));
    let error = client
        .transacted(|t| {
            let _ = t.llen(&key);
            t.get::<String>(&key)
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"), "also of a slot that is not given back");
    assert_eq!(error.command(), Some(format!("LLEN {key}").as_str()));
    let error = client.pipelined(|p| (p.exists([&key]), p.get::<i64>(&key))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    assert_eq!(error.command(), Some(format!("GET {key}").as_str()));
    // A slot of another queue has no reply.
    let other = client.pipeline();
    let foreign = other.incr(&key);
    let error = client.pipelined(|p| (p.exists([&key]), foreign)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
