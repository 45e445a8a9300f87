use edgecask::Pairs;
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::prelude::*;

use crate::Scope;

pub(crate) async fn fields_are_kept(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("h"));
    assert!(client.hgetall::<String>(&key).await.unwrap().is_empty());
    assert_eq!(client.hset(&key, [("a", "1"), ("b", "2")]).await.unwrap(), 2);
    assert_eq!(client.hset(&key, [("b", "3"), ("c", "4")]).await.unwrap(), 1);
    assert!(!client.hsetnx(&key, "a", "9").await.unwrap());
    client.hmset(&key, [("d", "")]).await.unwrap();
    assert_eq!(client.hget::<u16>(&key, "b").await.unwrap(), Some(3));
    assert_eq!(client.hget::<String>(&key, "none").await.unwrap(), None);
    assert_eq!(
        client.hmget::<String>(&key, ["a", "none", "d"]).await.unwrap(),
        [Some("1".to_owned()), None, Some(String::new())]
    );
    let all = client.hgetall::<String>(&key).await.unwrap();
    assert_eq!((all.len(), all["c"].as_str()), (4, "4"));
    assert!(client.hexists(&key, "d").await.unwrap());
    assert_eq!(client.hlen(&key).await.unwrap(), 4);
    assert_eq!(client.hstrlen(&key, "d").await.unwrap(), 0);
    assert_eq!(client.hkeys::<String>(&key).await.unwrap().len(), 4);
    assert_eq!(client.hvals::<String>(&key).await.unwrap().len(), 4);
    assert_eq!(client.hdel(&key, ["a", "b", "c", "d", "e"]).await.unwrap(), 4);
    assert_eq!(client.exists([&key]).await.unwrap(), 0, "an empty hash is no hash");
}

pub(crate) async fn counters_in_fields(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("h"));
    assert_eq!(client.hincrby(&key, "n", 5).await.unwrap(), 5);
    assert_eq!(client.hincrby(&key, "n", -7).await.unwrap(), -2);
    assert_eq!(client.hincrbyfloat(&key, "f", 10.5).await.unwrap(), 10.5);
    assert_eq!(client.hincrbyfloat(&key, "f", 0.1).await.unwrap(), 10.6);
    client.hset(&key, [("text", "x")]).await.unwrap();
    assert!(client.hincrby(&key, "text", 1).await.is_err());
}

pub(crate) async fn random_fields(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("h"));
    assert_eq!(client.hrandfield::<String>(&key).await.unwrap(), None);
    client.hset(&key, [("a", "1"), ("b", "2")]).await.unwrap();
    assert!(client.hrandfield::<String>(&key).await.unwrap().is_some());
    let mut all = client.hrandfields::<String>(&key, 10).await.unwrap();
    all.sort();
    assert_eq!(all, ["a", "b"]);
    assert_eq!(client.hrandfields::<String>(&key, -10).await.unwrap().len(), 10);
}

pub(crate) async fn fields_are_scanned(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("h"));
    client.hset(&key, [("a1", "1"), ("a2", "2"), ("b1", "3")]).await.unwrap();
    let options = ScanOptions::new().pattern("a*");
    let page = client.hscan::<String, u16>(&key, &Cursor::default(), &options).await.unwrap();
    let Pairs(mut pairs) = page.items;
    pairs.sort();
    assert!(page.cursor.is_done());
    assert_eq!(pairs, [("a1".to_owned(), 1), ("a2".to_owned(), 2)]);
}
