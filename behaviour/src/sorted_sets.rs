use std::ops::Bound;

use edgecask::Pairs;
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::command::sorted_sets::{Aggregate, Extreme, ZAddOptions, ZRange, ZSources};
use edgecask::prelude::*;

use crate::Scope;

fn named(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect()
}

pub(crate) async fn scores_order(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    assert_eq!(client.zadd(&key, [(2.0, "b"), (1.5, "a"), (2.0, "c")]).await.unwrap(), 3);
    let all = client.zrange_withscores::<String>(&key, &ZRange::rank(0, -1)).await.unwrap();
    assert_eq!(all, named(&[("a", 1.5), ("b", 2.0), ("c", 2.0)]));
    assert_eq!(client.zcard(&key).await.unwrap(), 3);
    assert_eq!(client.zscore(&key, "a").await.unwrap(), Some(1.5));
    assert_eq!(client.zmscore(&key, ["a", "x"]).await.unwrap(), [Some(1.5), None]);
    assert_eq!(client.zrank(&key, "c").await.unwrap(), Some(2));
    assert_eq!(client.zrevrank(&key, "c").await.unwrap(), Some(0));
    assert_eq!(client.zrank(&key, "x").await.unwrap(), None);
    assert_eq!(client.zincrby(&key, -1.0, "b").await.unwrap(), 1.0);
    assert_eq!(client.zincrby(&key, f64::INFINITY, "b").await.unwrap(), f64::INFINITY);
    assert_eq!(client.zrem(&key, ["a", "x"]).await.unwrap(), 1);
    let page = client.zscan(&key, &Cursor::default(), &ScanOptions::new()).await.unwrap();
    let Pairs(mut members): Pairs<String, f64> = page.items;
    members.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(members, named(&[("b", f64::INFINITY), ("c", 2.0)]));
}

pub(crate) async fn ranges(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    client.zadd(&key, [(1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "d")]).await.unwrap();
    let range = |range: ZRange| {
        let call = client.zrange::<String>(&key, &range);
        async move { call.await.unwrap().concat() }
    };
    assert_eq!(range(ZRange::rank(-2, -1)).await, "cd");
    assert_eq!(range(ZRange::rank(0, 1).rev()).await, "dc");
    assert_eq!(range(ZRange::score(2.0..4.0)).await, "bc");
    assert_eq!(range(ZRange::score(2.0..=4.0).rev().limit(1, 1)).await, "c");
    assert_eq!(range(ZRange::score((Bound::Excluded(2.0), Bound::Unbounded))).await, "cd");
    assert_eq!(client.zcount(&key, ..3.0).await.unwrap(), 2);

    let lex = scope.key("lex");
    client.zadd(&lex, ["a", "b", "c", "d"].map(|member| (0.0, member))).await.unwrap();
    let members: Vec<String> = client.zrange(&lex, &ZRange::lex("b".."d")).await.unwrap();
    assert_eq!(members, ["b", "c"]);
    assert_eq!(client.zlexcount(&lex, "c"..).await.unwrap(), 2);
    assert_eq!(client.zremrangebylex(&lex, .."b").await.unwrap(), 1);

    let to = scope.key("to");
    assert_eq!(client.zrangestore(&to, &key, &ZRange::score(3.0..)).await.unwrap(), 2);
    assert_eq!(client.zremrangebyrank(&key, 0, 0).await.unwrap(), 1);
    assert_eq!(client.zremrangebyscore(&key, 3.0..).await.unwrap(), 2);
    assert_eq!(range(ZRange::rank(0, -1)).await, "b");
}

pub(crate) async fn conditions_on_scores(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    client.zadd(&key, [(5.0, "m")]).await.unwrap();
    let add = |score, options| client.zadd_with(&key, [(score, "m")], options);
    assert_eq!(add(9.0, ZAddOptions::new().nx().ch()).await.unwrap(), 0);
    assert_eq!(add(4.0, ZAddOptions::new().gt().ch()).await.unwrap(), 0);
    assert_eq!(add(6.0, ZAddOptions::new().gt().ch()).await.unwrap(), 1);
    assert_eq!(add(3.0, ZAddOptions::new().xx().lt().ch()).await.unwrap(), 1);
    assert_eq!(client.zscore(&key, "m").await.unwrap(), Some(3.0));
    assert!(add(1.0, ZAddOptions::new().nx().gt()).await.is_err());
}

pub(crate) async fn combinations(scope: Scope) {
    let client = &scope.client;
    let (a, b, to) = (scope.key("a"), scope.key("b"), scope.key("to"));
    client.zadd(&a, [(1.0, "x"), (2.0, "y")]).await.unwrap();
    client.zadd(&b, [(10.0, "y"), (20.0, "z")]).await.unwrap();
    let sources = ZSources::new([&a, &b]);
    let union = client.zunion_withscores::<String>(&sources).await.unwrap();
    assert_eq!(union, named(&[("x", 1.0), ("y", 12.0), ("z", 20.0)]));
    let weighted = ZSources::weighted([(&a, 10.0), (&b, 1.0)]).aggregate(Aggregate::Max);
    let inter = client.zinter_withscores::<String>(&weighted).await.unwrap();
    assert_eq!(inter, named(&[("y", 20.0)]));
    assert_eq!(client.zdiff::<String>(&sources).await.unwrap(), ["x"]);
    assert_eq!(client.zdiff_withscores::<String>(&sources).await.unwrap(), named(&[("x", 1.0)]));
    assert_eq!(client.zunion::<String>(&sources).await.unwrap(), ["x", "y", "z"]);
    assert_eq!(client.zinter::<String>(&sources).await.unwrap(), ["y"]);
    assert_eq!(client.zintercard([&a, &b], 0).await.unwrap(), 1);
    assert_eq!(client.zunionstore(&to, &sources).await.unwrap(), 3);
    assert_eq!(client.zinterstore(&to, &sources).await.unwrap(), 1);
    assert_eq!(client.zdiffstore(&to, &sources).await.unwrap(), 1);
}

pub(crate) async fn popping(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    client.zadd(&key, [(1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "d")]).await.unwrap();
    assert_eq!(client.zpopmin::<String>(&key, 1).await.unwrap(), named(&[("a", 1.0)]));
    assert_eq!(client.zpopmax::<String>(&key, 2).await.unwrap(), named(&[("d", 4.0), ("c", 3.0)]));
    let popped = client.zmpop::<String>([&key], Extreme::Min, 5).await.unwrap().unwrap();
    assert_eq!(popped, (key.to_string(), named(&[("b", 2.0)])));
    assert_eq!(client.zmpop::<String>([&key], Extreme::Max, 1).await.unwrap(), None);
    assert_eq!(client.zpopmin::<String>(&key, 1).await.unwrap(), []);
}

pub(crate) async fn random_members(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    assert_eq!(client.zrandmember::<String>(&key).await.unwrap(), None);
    client.zadd(&key, [(1.0, "a"), (2.0, "b")]).await.unwrap();
    assert!(client.zrandmember::<String>(&key).await.unwrap().is_some());
    assert_eq!(client.zrandmembers::<String>(&key, 5).await.unwrap().len(), 2);
    assert_eq!(client.zrandmembers::<String>(&key, -5).await.unwrap().len(), 5);
}
