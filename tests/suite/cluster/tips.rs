//! What the router takes for the tips of Redis is what a real server says.

use std::collections::BTreeSet;

use edgecask::prelude::*;
use edgecask::{FromValue, Value};
use edgecask_tests::RedisServer;

/// The lines of `tips.txt` for a command and its subcommands, as the server describes them, and the names of those whose first
/// argument is a channel that has a slot.
fn add(found: &mut BTreeSet<String>, sharded: &mut Vec<String>, value: Value) {
    let mut items = Vec::<Value>::from_value(value).unwrap().into_iter();
    let name = String::from_value(items.next().unwrap()).unwrap();
    let name = name.to_ascii_uppercase().replace('|', " ");
    let tips: Vec<String> = Vec::from_value(items.nth(6).unwrap()).unwrap();
    let tip = |what: &str| tips.iter().find_map(|tip| tip.strip_prefix(what));
    let request = tip("request_policy:");
    if let Some(request) = request {
        let response = tip("response_policy:").unwrap_or("-");
        found.insert(format!("{name} {request} {response}"));
    }
    if format!("{:?}", items.next().unwrap()).contains("not_key") {
        sharded.push(name);
    }
    let subcommands = Vec::<Value>::from_value(items.next().unwrap()).unwrap();
    subcommands.into_iter().for_each(|value| add(found, sharded, value));
}

#[tokio::test]
async fn the_tips_are_those_of_redis_8() {
    let Some(redis) = RedisServer::redis8() else { return };
    let all: Vec<Value> = redis.client().execute(cmd("COMMAND")).await.unwrap();
    let (mut found, mut sharded) = (BTreeSet::new(), Vec::new());
    all.into_iter().for_each(|value| add(&mut found, &mut sharded, value));
    let known = include_str!("../../../src/transport/tcp/cluster/tips.txt");
    let found: String = found.into_iter().map(|line| line + "\n").collect();
    assert_eq!(found, known);
    sharded.sort();
    assert_eq!(sharded, ["SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE"]);
}
