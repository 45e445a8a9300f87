use std::collections::BTreeSet;
use std::time::Duration;

use edgecask::events::{Events, EventsOptions, Presence, PresenceChange, PresenceWatch};
use edgecask::prelude::*;
use edgecask::transport::memory::ScriptOptions;
use edgecask::{Client, ErrorKind, Value};
use edgecask_tests::{Count, Dice, Place, RedisServer, seeds, until};
use futures_util::StreamExt;

use super::{both, key, quick};

fn presence(client: Client, options: EventsOptions) -> Presence {
    Events::with_options(client, options).topic::<u64>(key("t")).presence()
}

async fn change(watch: &mut PresenceWatch) -> PresenceChange {
    let change = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
    change.expect("it changes").expect("it does not end").expect("it does not fail")
}

fn joined(member: &str) -> PresenceChange {
    PresenceChange::Joined(member.to_owned())
}

fn left(member: &str) -> PresenceChange {
    PresenceChange::Left(member.to_owned())
}

#[tokio::test]
async fn members_join_and_leave_and_watchers_see_it() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            let context = format!("{} {how}", place.name);
            place.client().flushall().await.unwrap();
            let here = presence(place.client(), quick());
            let ada = here.join("ada").await.unwrap();
            let mut watch = presence(client, quick()).watch().await.unwrap();
            assert_eq!(change(&mut watch).await, joined("ada"), "{context}");
            let grace = here.join("grace").await.unwrap();
            assert_eq!(change(&mut watch).await, joined("grace"), "{context}");
            let members: BTreeSet<String> = here.list().await.unwrap().into_iter().collect();
            assert_eq!(members.into_iter().collect::<Vec<_>>(), ["ada", "grace"]);
            assert!(ada.leave().await.unwrap());
            assert_eq!(change(&mut watch).await, left("ada"), "{context}");
            drop(grace);
            assert_eq!(change(&mut watch).await, left("grace"), "{context}");
            assert!(!here.leave("grace").await.unwrap());
        }
    }
}

#[tokio::test]
async fn whoever_does_not_beat_is_gone_by_the_servers_clock() {
    for place in Place::all().await {
        let (client, here) = (place.client(), presence(place.client(), quick()));
        let mut watch = here.watch().await.unwrap();
        here.beat("ada").await.unwrap();
        assert_eq!(change(&mut watch).await, joined("ada"));
        // As if its time were over.
        client
            .execute::<i64>(cmd("ZADD").args_from(["edgecask:present:{t}", "5", "ada"]))
            .await
            .unwrap();
        assert!(here.list().await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(change(&mut watch).await, left("ada"), "{}", place.name);
    }
    // A member whose process lives stays for longer than its time.
    let here = presence(Client::memory(), quick().present_for(Duration::from_secs(1)));
    let ada = here.join("ada").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(here.list().await.unwrap(), ["ada"]);
    assert!(ada.leave().await.unwrap());
}

#[tokio::test]
async fn changes_during_a_lost_connection_are_told_after_it() {
    let place = Place::redis("Redis", RedisServer::start());
    let here = presence(place.client(), quick());
    let mut watch = here.watch().await.unwrap();
    here.beat("ada").await.unwrap();
    assert_eq!(change(&mut watch).await, joined("ada"));
    place.cut();
    here.leave("ada").await.unwrap();
    here.beat("grace").await.unwrap();
    let changes = BTreeSet::from([
        format!("{:?}", change(&mut watch).await),
        format!("{:?}", change(&mut watch).await),
    ]);
    assert_eq!(changes.into_iter().collect::<Vec<_>>(), ["Joined(\"grace\")", "Left(\"ada\")"]);
}

#[tokio::test]
async fn members_are_bounded_and_each_step_is_one_command() {
    let count = Count::default();
    let here = presence(count.of(Client::memory()), quick().max_present(2));
    here.list().await.unwrap();
    let _ = count.taken();
    for member in ["a", "b"] {
        assert!(here.beat(member).await.unwrap());
    }
    assert_eq!(here.beat("c").await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!here.beat("a").await.unwrap(), "who is here stays");
    assert!(here.leave("b").await.unwrap());
    assert!(here.beat("c").await.unwrap());
    assert_eq!(count.taken(), 6);
    for wrong in ["", "a\n", &"x".repeat(129)] {
        assert_eq!(here.beat(wrong).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(count.taken(), 0);
    // A future that is dropped leaves.
    let lost = here.join("lost");
    drop(futures_util::future::poll_immediate(lost).await);
    until(async || !here.list().await.unwrap().contains(&"lost".to_owned())).await;
}

/// The millisecond that a heartbeat returns.
fn timeless(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        Value::Bulk(bytes) if bytes.len() == 13 && bytes.iter().all(u8::is_ascii_digit) => {
            Value::bulk("time")
        }
        other => other,
    }
}

#[tokio::test]
async fn a_guard_that_leaves_late_does_not_take_the_next_one_along() {
    for place in Place::all().await {
        let here = presence(place.client(), quick());
        let (first, second) = (here.join("ada").await.unwrap(), here.join("ada").await.unwrap());
        assert!(!first.leave().await.unwrap(), "{}", place.name);
        assert_eq!(here.list().await.unwrap(), ["ada"], "{}", place.name);
        assert!(second.is_present());
        assert!(second.leave().await.unwrap(), "{}", place.name);
        assert!(here.list().await.unwrap().is_empty(), "{}", place.name);
    }
}

#[tokio::test]
async fn the_dead_do_not_count_and_a_clock_that_goes_back_keeps_nobody() {
    for place in Place::all().await {
        let (client, here) = (place.client(), presence(place.client(), quick().max_present(2)));
        let far = (1..100).map(|number| format!("dead{number}"));
        let add =
            far.fold(cmd("ZADD").arg("edgecask:present:{t}"), |add, name| add.arg(5).arg(name));
        client.send(&add).await.unwrap();
        let ahead = cmd("ZADD").args_from(["edgecask:present:{t}", "8000000000000000", "ada"]);
        client.send(&ahead).await.unwrap();
        assert!(here.beat("grace").await.unwrap(), "{}", place.name);
        let until: f64 =
            client.execute(cmd("ZSCORE").args_from(["edgecask:present:{t}", "ada"])).await.unwrap();
        let other: f64 = client
            .execute(cmd("ZSCORE").args_from(["edgecask:present:{t}", "grace"]))
            .await
            .unwrap();
        assert_eq!(until, other, "{}", place.name);
        assert_eq!(here.beat("third").await.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn who_is_present_stays_so_on_a_full_redis() {
    let place = Place::redis("Redis", RedisServer::start());
    let here = presence(place.client(), quick());
    assert!(here.beat("ada").await.unwrap());
    place.client().send(&cmd("CONFIG").args_from(["SET", "maxmemory", "1"])).await.unwrap();
    assert!(!here.beat("ada").await.unwrap());
    assert_eq!(here.beat("grace").await.unwrap_err().code(), Some("OOM"));
}

#[tokio::test]
async fn the_script_of_presence_does_the_same_in_three_ways() {
    let script = edgecask::scripts().find(|script| script.source().contains("'joined'")).unwrap();
    let redis = Place::redis("Redis", RedisServer::start());
    let lua = Place::engine("Lua", ScriptOptions::new().prefer_native(false));
    let native = Place::engine("native", ScriptOptions::new().run_lua(false));
    let clients = [redis.client(), lua.client(), native.client()];
    for seed in seeds(40) {
        let dice = Dice::new(seed);
        let pick = |texts: &[&str]| texts[dice.roll(texts.len() as u64) as usize].to_owned();
        for client in &clients {
            client.flushall().await.unwrap();
        }
        for step in 0..15 {
            let expired = pick(&["a", "b c", "d"]);
            // Its time is over, or the clock was set back.
            let score = pick(&["5", "8000000000000000"]);
            if dice.roll(4) == 0 {
                for client in &clients {
                    let expire = cmd("ZADD").args_from(["p", "XX", &score, &expired]);
                    client.send(&expire).await.unwrap();
                }
            }
            let what = pick(&["beat", "beat", "leave", "list"]);
            // Members of one millisecond have no order that all servers share.
            let most = if what == "list" { "9".to_owned() } else { pick(&["2", "9"]) };
            let until = pick(&["", "5", "9000000000000000"]);
            let args = [what, pick(&["a", "b c", "d"]), "900000".to_owned(), most, until];
            let mut seen = Vec::new();
            for client in &clients {
                let reply: Value = client.run_script(script, ["p"], &args).await.unwrap();
                let reply = timeless(reply);
                let members: Vec<String> =
                    client.execute(cmd("ZRANGE").args_from(["p", "0", "-1"])).await.unwrap();
                let left: i64 = client.execute(cmd("TTL").arg("p")).await.unwrap();
                seen.push((reply, members, (left + 5) / 10));
            }
            let sorted = seen.into_iter().map(|(reply, mut members, left)| {
                members.sort();
                let mut reply = format!("{reply:?}").chars().collect::<Vec<_>>();
                reply.sort_unstable();
                (reply, members, left)
            });
            let sorted: Vec<_> = sorted.collect();
            assert_eq!(sorted[1], sorted[0], "Lua, seed {seed}, step {step}: {args:?}");
            assert_eq!(sorted[2], sorted[0], "native, seed {seed}, step {step}: {args:?}");
        }
    }
}
