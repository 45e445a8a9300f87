use edgecask::prelude::*;
use edgecask::{ErrorKind, Value};

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
    // The connection is as good as before.
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
