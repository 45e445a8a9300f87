use edgecask::command::lists::{End, Place};
use edgecask::prelude::*;

use crate::Scope;

async fn all(scope: &Scope, name: &str) -> Vec<String> {
    scope.client.lrange(scope.key(name), 0, -1).await.unwrap()
}

pub(crate) async fn both_ends(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("l"));
    assert_eq!(client.lpushx(&key, ["x"]).await.unwrap(), 0);
    assert_eq!(client.rpush(&key, ["b", "c"]).await.unwrap(), 2);
    assert_eq!(client.lpush(&key, ["a", "z"]).await.unwrap(), 4);
    assert_eq!(client.rpushx(&key, ["d"]).await.unwrap(), 5);
    assert_eq!(all(&scope, "l").await, ["z", "a", "b", "c", "d"]);
    assert_eq!(client.lpop::<String>(&key).await.unwrap().as_deref(), Some("z"));
    assert_eq!(client.rpop::<String>(&key).await.unwrap().as_deref(), Some("d"));
    assert_eq!(client.lpop_count::<String>(&key, 2).await.unwrap().unwrap(), ["a", "b"]);
    assert_eq!(client.rpop_count::<String>(&key, 9).await.unwrap().unwrap(), ["c"]);
    assert_eq!(client.lpop_count::<String>(&key, 1).await.unwrap(), None);
    assert_eq!(client.llen(&key).await.unwrap(), 0);
}

pub(crate) async fn positions(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("l"));
    client.rpush(&key, ["a", "b", "a", "c", "a"]).await.unwrap();
    assert_eq!(client.lindex::<String>(&key, -2).await.unwrap().as_deref(), Some("c"));
    assert_eq!(client.lindex::<String>(&key, 9).await.unwrap(), None);
    assert_eq!(client.lpos(&key, "c").await.unwrap(), Some(3));
    assert_eq!(client.lpos(&key, "z").await.unwrap(), None);
    assert_eq!(client.lpos_all(&key, "a", -1, 2).await.unwrap(), [4, 2]);
    assert_eq!(client.linsert(&key, Place::After, "b", "x").await.unwrap(), 6);
    assert_eq!(client.linsert(&key, Place::Before, "none", "x").await.unwrap(), -1);
    client.lset(&key, 0, "first").await.unwrap();
    assert!(client.lset(&key, 99, "x").await.is_err());
    assert_eq!(client.lrem(&key, -1, "a").await.unwrap(), 1);
    assert_eq!(all(&scope, "l").await, ["first", "b", "x", "a", "c"]);
    client.ltrim(&key, 1, -2).await.unwrap();
    assert_eq!(all(&scope, "l").await, ["b", "x", "a"]);
}

pub(crate) async fn moving_between_lists(scope: Scope) {
    let client = &scope.client;
    let (from, to) = (scope.key("from"), scope.key("to"));
    client.rpush(&from, ["a", "b", "c"]).await.unwrap();
    let moved = client.lmove::<String>(&from, &to, End::Left, End::Right).await.unwrap();
    assert_eq!(moved.as_deref(), Some("a"));
    assert_eq!(client.rpoplpush::<String>(&from, &to).await.unwrap().as_deref(), Some("c"));
    assert_eq!(all(&scope, "to").await, ["c", "a"]);
    client.lmove::<String>(&to, &to, End::Left, End::Right).await.unwrap();
    assert_eq!(all(&scope, "to").await, ["a", "c"]);
}

pub(crate) async fn popping_many(scope: Scope) {
    let client = &scope.client;
    let (empty, full) = (scope.key("empty"), scope.key("full"));
    client.rpush(&full, ["a", "b", "c"]).await.unwrap();
    let popped = client.lmpop::<String>([&empty, &full], End::Right, 2).await.unwrap().unwrap();
    assert_eq!(popped, (full.to_string(), vec!["c".to_owned(), "b".to_owned()]));
    assert_eq!(client.lmpop::<String>([&empty], End::Left, 1).await.unwrap(), None);
}
