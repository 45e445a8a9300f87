use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::prelude::*;

use crate::Scope;

fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

pub(crate) async fn members_are_unique(scope: Scope) {
    let client = &scope.client;
    let (key, other) = (scope.key("s"), scope.key("other"));
    assert_eq!(client.sadd(&key, ["a", "b", "a"]).await.unwrap(), 2);
    assert_eq!(client.scard(&key).await.unwrap(), 2);
    assert!(client.sismember(&key, "a").await.unwrap());
    assert_eq!(client.smismember(&key, ["a", "x"]).await.unwrap(), [true, false]);
    assert_eq!(sorted(client.smembers(&key).await.unwrap()), ["a", "b"]);
    assert!(client.smove(&key, &other, "a").await.unwrap());
    assert!(!client.smove(&key, &other, "a").await.unwrap());
    let page = client.sscan(&other, &Cursor::default(), &ScanOptions::new()).await.unwrap();
    assert_eq!(sorted(page.items), ["a"]);
    assert_eq!(client.srem(&key, ["b", "x"]).await.unwrap(), 1);
    assert_eq!(client.exists([&key]).await.unwrap(), 0);
}

pub(crate) async fn algebra(scope: Scope) {
    let client = &scope.client;
    let (a, b, to) = (scope.key("a"), scope.key("b"), scope.key("to"));
    client.sadd(&a, ["1", "2", "3"]).await.unwrap();
    client.sadd(&b, ["2", "3", "4"]).await.unwrap();
    assert_eq!(sorted(client.sinter([&a, &b]).await.unwrap()), ["2", "3"]);
    assert_eq!(sorted(client.sdiff([&a, &b]).await.unwrap()), ["1"]);
    assert_eq!(sorted(client.sunion([&a, &b]).await.unwrap()), ["1", "2", "3", "4"]);
    assert_eq!(client.sintercard([&a, &b], 1).await.unwrap(), 1);
    assert_eq!(client.sinterstore(&to, [&a, &b]).await.unwrap(), 2);
    assert_eq!(client.sunionstore(&to, [&a, &to]).await.unwrap(), 3);
    assert_eq!(client.sdiffstore(&to, [&a, &a]).await.unwrap(), 0);
    assert_eq!(client.exists([&to]).await.unwrap(), 0);
}

pub(crate) async fn random_members(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("s"));
    assert_eq!(client.srandmember::<String>(&key).await.unwrap(), None);
    assert_eq!(client.spop::<String>(&key).await.unwrap(), None);
    client.sadd(&key, ["a", "b", "c"]).await.unwrap();
    assert_eq!(sorted(client.srandmembers(&key, 5).await.unwrap()), ["a", "b", "c"]);
    assert_eq!(client.srandmembers::<String>(&key, -5).await.unwrap().len(), 5);
    assert!(client.spop::<String>(&key).await.unwrap().is_some());
    assert_eq!(client.spop_count::<String>(&key, 5).await.unwrap().len(), 2);
    assert_eq!(client.scard(&key).await.unwrap(), 0);
}
