use std::collections::BTreeSet;
use std::time::Duration;

use edgecask::events::{Events, EventsOptions, Presence, PresenceChange, PresenceWatch};
use edgecask::prelude::*;
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
async fn a_member_without_heartbeats_leaves_by_the_servers_clock() {
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
async fn changes_during_a_lost_connection_are_reported_after_it() {
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
    // Dropping the future of a join makes the member leave.
    let lost = here.join("lost");
    drop(futures_util::future::poll_immediate(lost).await);
    until(async || !here.list().await.unwrap().contains(&"lost".to_owned())).await;
}

/// The milliseconds of a member's guards are made equal.
fn timeless(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        Value::Bulk(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let is_time = |word: &str| word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit());
            let words = text.split(' ').map(|word| if is_time(word) { "time" } else { word });
            Value::bulk(words.collect::<Vec<_>>().join(" "))
        }
        other => other,
    }
}

/// A page that is loaded again, a task that starts again, two tabs: each has a guard of one name.
#[tokio::test]
async fn a_member_is_present_until_its_last_guard_has_left() {
    for place in Place::all().await {
        let here = presence(place.client(), quick());
        let mut watch = here.watch().await.unwrap();
        let first = here.join("ada").await.unwrap();
        assert_eq!(change(&mut watch).await, joined("ada"), "{}", place.name);
        let (second, third) = (here.join("ada").await.unwrap(), here.join("ada").await.unwrap());
        assert!(here.beat("ada").await.is_ok_and(|joined| !joined));
        // In any order, and by what was never there.
        assert!(!second.leave().await.unwrap(), "{}", place.name);
        assert!(!first.leave().await.unwrap(), "{}", place.name);
        assert!(!here.leave("ada").await.unwrap(), "{}", place.name);
        assert!(!here.leave("ada").await.unwrap(), "{}", place.name);
        assert_eq!(here.list().await.unwrap(), ["ada"], "{}", place.name);
        assert!(third.is_present());
        assert!(third.leave().await.unwrap(), "{}", place.name);
        assert!(here.list().await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(change(&mut watch).await, left("ada"), "{}", place.name);
        let kept = place.client().exists(["edgecask:present:{t}", "edgecask:guards:{t}"]).await;
        assert_eq!(kept.unwrap(), 0, "{}", place.name);
    }
}

/// Heartbeats and joins that arrive after their guard has left, as a request does that the client gave up.
#[tokio::test]
async fn a_late_request_of_a_guard_does_not_bring_a_member_back() {
    let script = edgecask::scripts().find(|script| script.source().contains("'joined'")).unwrap();
    for place in Place::all().await {
        let (client, here) = (place.client(), presence(place.client(), quick()));
        let call = async |what: &str, token: &str| {
            let keys =
                ["edgecask:present:{t}", "edgecask:guards:{t}", &format!("left:{token}:{{t}}")];
            let args = [what, "ada", "60000", "10", token];
            let reply: (String, i64, Vec<String>) =
                client.run_script(script, keys, args).await.unwrap();
            reply.1
        };
        // It left before it has joined.
        assert_eq!(call("leave", "a").await, 0);
        assert_eq!(call("beat", "a").await, 0, "{}", place.name);
        assert!(here.list().await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(call("beat", "b").await, 1, "{}", place.name);
        // Late, beside one that lives.
        assert_eq!(call("beat", "a").await, 0, "{}", place.name);
        assert_eq!(call("leave", "b").await, 1, "{}", place.name);
        assert_eq!(call("beat", "b").await, 0, "{}", place.name);
        assert!(here.list().await.unwrap().is_empty(), "{}", place.name);
        // More guards than are distinguished: those with the last heartbeats count.
        for number in 0..70 {
            call("beat", &format!("g{number}")).await;
        }
        for number in 6..69 {
            assert_eq!(call("leave", &format!("g{number}")).await, 0);
        }
        assert_eq!(call("leave", "g69").await, 1, "{}", place.name);
        let ttl: i64 = client.execute(cmd("PTTL").arg("left:g69:{t}")).await.unwrap();
        assert!((1..=60_000).contains(&ttl), "{}: {ttl}", place.name);
    }
}

#[tokio::test]
async fn expired_members_do_not_count_and_a_clock_that_goes_back_keeps_none() {
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
async fn members_stay_present_on_a_full_redis() {
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
    let places = Place::three_ways();
    let clients = places.each_ref().map(Place::client);
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
            let token = pick(&["-", "g1", "g2", "g3"]);
            let left = format!("left:{token}");
            let args = [what, pick(&["a", "b c", "d"]), "900000".to_owned(), most, token];
            // Entries of another program, or of a clock that was set back.
            let strange = pick(&["g1 5 g2", "g2 8000000000000000 g1 5", "  ", ""]);
            if dice.roll(8) == 0 {
                for client in &clients {
                    client.hset("guards", [("a", &strange)]).await.unwrap();
                }
            }
            let mut seen = Vec::new();
            for client in &clients {
                let reply: Value =
                    client.run_script(script, ["p", "guards", &left], &args).await.unwrap();
                let reply = timeless(reply);
                let members: Vec<String> =
                    client.execute(cmd("ZRANGE").args_from(["p", "0", "-1"])).await.unwrap();
                let guards = cmd("HMGET").args_from(["guards", "a", "b c", "d"]);
                let guards = timeless(client.send(&guards).await.unwrap());
                let mut ttls = Vec::new();
                for key in ["p", "guards", &left] {
                    let ttl: i64 = client.execute(cmd("TTL").arg(key)).await.unwrap();
                    ttls.push((ttl + 5) / 10);
                }
                seen.push((reply, members, (guards, ttls)));
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
