use std::collections::BTreeSet;
use std::time::Duration;

use edgecask::command::keys::{Cursor, ExpireIf, ExpireTime, Lifetime, ScanOptions};
use edgecask::prelude::*;

use crate::Scope;

pub(crate) async fn existence_and_deletion(scope: Scope) {
    let client = &scope.client;
    let (a, b) = (scope.key("a"), scope.key("b"));
    client.mset([(&a, "1"), (&b, "2")]).await.unwrap();
    assert_eq!(client.exists([&a, &b, &a]).await.unwrap(), 3);
    assert_eq!(client.touch([&a, &scope.key("none")]).await.unwrap(), 1);
    assert_eq!(client.del([&a, &scope.key("none")]).await.unwrap(), 1);
    assert_eq!(client.unlink([&b]).await.unwrap(), 1);
    assert_eq!(client.exists([&a, &b]).await.unwrap(), 0);
}

pub(crate) async fn expiry(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    assert_eq!(client.ttl(&key).await.unwrap(), Lifetime::Missing);
    let ten_seconds = Duration::from_secs(10);
    assert!(!client.expire(&key, ten_seconds).await.unwrap());
    client.set(&key, "v").await.unwrap();
    assert!(!client.expire_if(&key, ten_seconds, ExpireIf::Volatile).await.unwrap());
    assert!(client.expireat(&key, 33_177_117_420, ExpireIf::Persistent).await.unwrap());
    assert_eq!(client.expiretime(&key).await.unwrap(), ExpireTime::At(33_177_117_420));
    assert_eq!(client.pexpiretime(&key).await.unwrap(), ExpireTime::At(33_177_117_420_000));
    assert!(!client.expire_if(&key, Duration::from_millis(10_500), ExpireIf::Later).await.unwrap());
    assert!(
        matches!(client.pttl(&key).await.unwrap(), Lifetime::Expires(left) if left > ten_seconds)
    );
    assert!(client.persist(&key).await.unwrap());
    assert!(!client.persist(&key).await.unwrap());
    assert!(client.expire(&key, Duration::ZERO).await.unwrap());
    assert_eq!(client.exists([&key]).await.unwrap(), 0, "no time is left");
    client.set(&key, "v").await.unwrap();
    // A time in the past deletes.
    assert!(client.pexpireat(&key, 1, ExpireIf::Always).await.unwrap());
    assert_eq!(client.exists([&key]).await.unwrap(), 0);
}

pub(crate) async fn names_change(scope: Scope) {
    let client = &scope.client;
    let (a, b, c) = (scope.key("a"), scope.key("b"), scope.key("c"));
    client.set(&a, "1").await.unwrap();
    client.rename(&a, &b).await.unwrap();
    assert!(client.rename(&a, &b).await.is_err());
    client.set(&a, "2").await.unwrap();
    assert!(!client.renamenx(&a, &b).await.unwrap());
    assert!(client.copy(&a, &c, false).await.unwrap());
    assert!(!client.copy(&b, &c, false).await.unwrap());
    assert!(client.copy(&b, &c, true).await.unwrap());
    assert_eq!(client.mget::<u16>([&a, &b, &c]).await.unwrap(), [Some(2), Some(1), Some(1)]);
}

pub(crate) async fn a_scan_finds_what_stays(scope: Scope) {
    let client = &scope.client;
    let expected: BTreeSet<String> =
        (0..50).map(|number| scope.key(&number.to_string()).to_string()).collect();
    client.mset(expected.iter().map(|key| (key, "v"))).await.unwrap();
    client.sadd(scope.key("set"), ["m"]).await.unwrap();
    let options = ScanOptions::new().pattern(scope.pattern().as_str()).count(7).kind("string");
    let (mut cursor, mut found) = (Cursor::default(), BTreeSet::new());
    loop {
        let page = client.scan::<String>(&cursor, &options).await.unwrap();
        found.extend(page.items);
        cursor = page.cursor;
        if cursor.is_done() {
            break;
        }
    }
    assert_eq!(found, expected);
    let mut listed: Vec<String> = client.keys(scope.pattern()).await.unwrap();
    listed.retain(|key| expected.contains(key));
    assert_eq!(listed.len(), 50);
    assert!(client.randomkey::<String>().await.unwrap().is_some());
}

pub(crate) async fn types_are_told(scope: Scope) {
    let client = &scope.client;
    client.set(scope.key("string"), "v").await.unwrap();
    client.hset(scope.key("hash"), [("f", "v")]).await.unwrap();
    client.lpush(scope.key("list"), ["e"]).await.unwrap();
    client.sadd(scope.key("set"), ["m"]).await.unwrap();
    client.zadd(scope.key("zset"), [(1.0, "m")]).await.unwrap();
    for kind in ["string", "hash", "list", "set", "zset"] {
        assert_eq!(client.key_type(scope.key(kind)).await.unwrap(), kind);
    }
    assert_eq!(client.key_type(scope.key("absent")).await.unwrap(), "none");
}
