//! What the types of keys store, as other programs see it, and what each call costs.

use std::sync::{Arc, Mutex};

use edgecask::command::sorted_sets::ZRange;
use edgecask::keyspace::{KeyTtl, reference};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{ErrorKind, Result};
use edgecask_tests::{Tap, Tapped, Trip};
use serde::{Deserialize, Serialize};

use super::{everywhere, seconds_left, send};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    step_id: String,
    cost: f64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Figures {
    clicks: Option<u64>,
    cost: Option<f64>,
    tags: Option<Vec<String>>,
}

edgecask::keyspaces! {
    mod shop, owner: "shop" {
        /// A word.
        word(id: &str) => Text<String>, "word:{id}", ttl: 1 hour renewed on activity;
        /// Who does the work.
        worker(id: &str) => Text<u32>, "worker:{id}", ttl: 60 seconds;
        /// Clicks.
        clicks(id: &str) => Counter<i64>, "clicks:{id}", ttl: 1 hour from creation;
        /// Cost.
        cost(id: &str) => Counter<f64>, "cost:{id}", forever;
        /// Figures.
        figures(id: &str) => Hash<Figures>, "figures:{id}", ttl: 5 minutes;
        /// Steps, the last hundred.
        steps(id: &str) => List<Step>, "steps:{id}" except "all" | "none", ttl: 1 day, keep 3;
        /// Numbers.
        numbers() => List<i64>, "steps:all", forever;
        /// Members.
        members(id: &str) => Set<Step>, "members:{id}", ttl: 1 day renewed on activity;
        /// What is due when.
        due() => SortedSet<Step>, "due", ttl: 1 day;
    }
}

fn step(id: &str) -> Step {
    Step { step_id: id.to_owned(), cost: 2.5 }
}

fn text(id: &str) -> String {
    format!(r#"{{"step_id":"{id}","cost":2.5}}"#)
}

/// Lets the key expire soon, so that a renewal shows.
async fn soon(client: &Client, key: &edgecask::Key) {
    assert!(client.execute::<bool>(Command::new("EXPIRE").arg(key).arg(10)).await.unwrap());
}

#[tokio::test]
async fn text_and_counters_are_strings() {
    everywhere(async |client| {
        let word = shop::word("a").unwrap();
        assert_eq!(word.get(&client).await.unwrap(), None);
        word.set(&client, "12").await.unwrap();
        assert_eq!(client.get::<String>("word:a").await.unwrap().unwrap(), "12");
        assert!((3590..=3600).contains(&seconds_left(&client, word.key()).await));
        soon(&client, word.key()).await;
        assert_eq!(word.get(&client).await.unwrap().unwrap(), "12");
        assert!((3590..=3600).contains(&seconds_left(&client, word.key()).await));

        let worker = shop::worker("a").unwrap();
        assert!(worker.set_if_absent(&client, &7).await.unwrap());
        assert!(!worker.set_if_absent(&client, &8).await.unwrap());
        assert_eq!(worker.get(&client).await.unwrap(), Some(7));
        assert!((50..=60).contains(&seconds_left(&client, worker.key()).await));
        client.set("worker:a", "a secret").await.unwrap();
        let error = worker.get(&client).await.unwrap_err();
        let expected = "the content of 'worker:a' is not the declared record: expected u32";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Codec, expected));
        let error = word.set(&client, &None::<u8>).await.unwrap_err();
        assert_eq!(error.message(), "an item for 'word:a' cannot be stored as text");

        let clicks = shop::clicks("a").unwrap();
        assert_eq!(clicks.get(&client).await.unwrap(), 0);
        assert_eq!(clicks.increment(&client, 5).await.unwrap(), 5);
        assert!((3590..=3600).contains(&seconds_left(&client, clicks.key()).await));
        soon(&client, clicks.key()).await;
        assert_eq!(clicks.increment(&client, -2).await.unwrap(), 3);
        // The time counts from the first one.
        assert!(seconds_left(&client, clicks.key()).await <= 10);
        clicks.set(&client, 1).await.unwrap();
        assert!((3590..=3600).contains(&seconds_left(&client, clicks.key()).await));
        assert_eq!(clicks.get(&client).await.unwrap(), 1);

        let cost = shop::cost("a").unwrap();
        assert_eq!(cost.increment(&client, 0.018).await.unwrap(), 0.018);
        assert_eq!(cost.get(&client).await.unwrap(), 0.018);
        assert_eq!(seconds_left(&client, cost.key()).await, -1);
        client.set("cost:a", "a secret").await.unwrap();
        assert_eq!(cost.get(&client).await.unwrap_err().kind(), ErrorKind::Type);
        assert_eq!(cost.increment(&client, 1.0).await.unwrap_err().kind(), ErrorKind::Server);
    })
    .await;
}

#[tokio::test]
async fn fields_of_a_hash_change_alone() {
    everywhere(async |client| {
        let figures = shop::figures("a").unwrap();
        figures
            .set_fields(&client, &Figures { clicks: Some(3), ..Figures::default() })
            .await
            .unwrap();
        assert!((290..=300).contains(&seconds_left(&client, figures.key()).await));
        soon(&client, figures.key()).await;
        figures.set_fields(&client, &serde_json::json!({"tags": ["a"]})).await.unwrap();
        assert!((290..=300).contains(&seconds_left(&client, figures.key()).await));
        assert_eq!(figures.increment_float(&client, "cost", 1.5).await.unwrap(), 1.5);
        assert_eq!(figures.get_field::<f64>(&client, "cost").await.unwrap(), Some(1.5));
        assert_eq!(
            figures.get_field::<Vec<String>>(&client, "tags").await.unwrap().unwrap(),
            ["a"]
        );
        assert!(figures.delete_field(&client, "tags").await.unwrap());
        assert!(!figures.delete_field(&client, "tags").await.unwrap());
        assert_eq!(figures.get_field::<Vec<String>>(&client, "tags").await.unwrap(), None);
        let expected = Figures { clicks: Some(3), cost: Some(1.5), tags: None };
        assert_eq!(figures.get(&client).await.unwrap(), Some(expected));

        let wrong = serde_json::json!({"clicks": 4, "click": 4});
        let error = figures.set_fields(&client, &wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(figures.get_field::<u64>(&client, "clicks").await.unwrap(), Some(3));
        for error in [
            figures.get_field::<u64>(&client, "click").await.unwrap_err(),
            figures.delete_field(&client, "click").await.unwrap_err(),
            figures.increment(&client, "click", 1).await.unwrap_err(),
            figures.increment_float(&client, "click", 1.0).await.unwrap_err(),
            figures.set_fields(&client, &Figures::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_keeps_what_was_pushed_last() {
    everywhere(async |client| {
        let steps = shop::steps("w1").unwrap();
        assert_eq!(steps.push_front(&client, [step("1"), step("2")]).await.unwrap(), 2);
        assert_eq!(steps.push_front(&client, [&step("3"), &step("4")]).await.unwrap(), 4);
        let stored: Vec<String> = client.lrange("steps:w1", 0, -1).await.unwrap();
        assert_eq!(stored, ["4", "3", "2"].map(text));
        assert!((86_390..=86_400).contains(&seconds_left(&client, steps.key()).await));
        assert_eq!(steps.push_back(&client, [step("0")]).await.unwrap(), 4);
        let all = steps.range(&client, 0, -1).await.unwrap();
        assert_eq!(all, ["3", "2", "0"].map(step));
        assert_eq!(steps.len(&client).await.unwrap(), 3);
        assert_eq!(steps.pop_front(&client).await.unwrap(), Some(step("3")));
        assert_eq!(steps.pop_back(&client).await.unwrap(), Some(step("0")));
        assert_eq!(steps.remove(&client, &step("2")).await.unwrap(), 1);
        assert_eq!(steps.pop_back(&client).await.unwrap(), None);
        assert!(!steps.delete(&client).await.unwrap());

        let numbers = shop::numbers().unwrap();
        numbers.push_back(&client, 1..=5).await.unwrap();
        assert_eq!(numbers.range(&client, 1, 2).await.unwrap(), [2, 3]);
        assert_eq!(seconds_left(&client, numbers.key()).await, -1);
        client.rpush("steps:all", ["a secret"]).await.unwrap();
        let error = numbers.range(&client, 0, -1).await.unwrap_err();
        let expected = "the content of 'steps:all' is not the declared record: expected i64";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Codec, expected));
        let none = numbers.push_back(&client, [0_i64; 0]).await.unwrap_err();
        assert_eq!(
            (none.kind(), none.message()),
            (ErrorKind::InvalidInput, "no item was given for 'steps:all'")
        );
        for word in ["all", "none"] {
            assert_eq!(shop::steps(word).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    })
    .await;
}

#[tokio::test]
async fn sets_hold_each_member_once() {
    everywhere(async |client| {
        let members = shop::members("a").unwrap();
        client.sadd("members:a", [text("1")]).await.unwrap();
        assert_eq!(members.add(&client, ["1", "2"].map(step)).await.unwrap(), 1);
        assert!((86_390..=86_400).contains(&seconds_left(&client, members.key()).await));
        soon(&client, members.key()).await;
        assert!(members.contains(&client, &step("2")).await.unwrap());
        assert!((86_390..=86_400).contains(&seconds_left(&client, members.key()).await));
        assert!(!members.contains(&client, &step("3")).await.unwrap());
        let mut all = members.members(&client).await.unwrap();
        all.sort_by(|a, b| a.step_id.cmp(&b.step_id));
        assert_eq!(all, ["1", "2"].map(step));
        assert_eq!(members.remove(&client, ["2", "3"].map(step)).await.unwrap(), 1);
        assert_eq!(members.len(&client).await.unwrap(), 1);
        assert_eq!(client.smembers::<String>("members:a").await.unwrap(), [text("1")]);

        let due = shop::due().unwrap();
        client.zadd("due", [(3.0, text("3"))]).await.unwrap();
        let added = [(step("3"), 30.0), (step("1"), 10.0), (step("2"), 20.5)];
        assert_eq!(due.add(&client, added).await.unwrap(), 2);
        assert!((86_390..=86_400).contains(&seconds_left(&client, due.key()).await));
        assert_eq!(due.increment(&client, &step("1"), 1.5).await.unwrap(), 11.5);
        let first = due.range(&client, &ZRange::score(..=25.0).limit(0, 2)).await.unwrap();
        assert_eq!(first, [(step("1"), 11.5), (step("2"), 20.5)]);
        let highest = due.range(&client, &ZRange::rank(0, 0).rev()).await.unwrap();
        assert_eq!(highest, [(step("3"), 30.0)]);
        assert_eq!(due.score(&client, &step("2")).await.unwrap(), Some(20.5));
        assert_eq!(due.score(&client, &step("4")).await.unwrap(), None);
        assert_eq!(due.count(&client, 11.5..).await.unwrap(), 3);
        assert_eq!(due.remove(&client, [step("1"), step("9")]).await.unwrap(), 1);
        assert_eq!(due.len(&client).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn keys_change_together() {
    everywhere(async |client| {
        let transaction = client.transaction();
        let clicks = shop::clicks("b").unwrap().increment_in(&transaction, 2);
        let _ = shop::word("b").unwrap().set_in(&transaction, "w").unwrap();
        let _ = shop::figures("b").unwrap().increment_in(&transaction, "clicks", 1).unwrap();
        let fields = Figures { cost: Some(2.0), ..Figures::default() };
        let _ = shop::figures("b").unwrap().set_fields_in(&transaction, &fields).unwrap();
        let _ = shop::steps("b").unwrap().push_front_in(&transaction, [step("1")]).unwrap();
        let _ = shop::steps("b").unwrap().push_back_in(&transaction, [step("2")]).unwrap();
        let _ = shop::members("b").unwrap().add_in(&transaction, [step("1")]).unwrap();
        let gone = shop::members("b").unwrap().remove_in(&transaction, [step("1")]).unwrap();
        let _ = shop::due().unwrap().add_in(&transaction, [(step("1"), 1.0)]).unwrap();
        let absent = shop::due().unwrap().remove_in(&transaction, [step("2")]).unwrap();
        let deleted = shop::cost("b").unwrap().delete_in(&transaction);
        assert_eq!(client.dbsize().await.unwrap(), 0);
        let mut replies = transaction.exec().await.unwrap();
        let counts = [
            replies.take(gone).unwrap(),
            replies.take(absent).unwrap(),
            replies.take(deleted).unwrap(),
        ];
        assert_eq!((replies.take(clicks).unwrap(), counts), (2, [1, 0, 0]));
        let found = shop::figures("b").unwrap().get(&client).await.unwrap().unwrap();
        assert_eq!((found.clicks, found.cost), (Some(1), Some(2.0)));
        assert_eq!(shop::steps("b").unwrap().len(&client).await.unwrap(), 2);
        assert_eq!(client.dbsize().await.unwrap(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_of_the_server() {
    everywhere(async |client| {
        for line in ["LPUSH word:x 1", "SET steps:x 1", "SET members:x 1", "SET figures:x 1"] {
            send(&client, line).await;
        }
        for error in [
            shop::word("x").unwrap().get(&client).await.unwrap_err(),
            shop::steps("x").unwrap().range(&client, 0, 1).await.unwrap_err(),
            shop::steps("x").unwrap().push_front(&client, [step("1")]).await.unwrap_err(),
            shop::members("x").unwrap().members(&client).await.unwrap_err(),
            shop::members("x").unwrap().add(&client, [step("1")]).await.unwrap_err(),
            shop::figures("x").unwrap().get_field::<u64>(&client, "clicks").await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
        }
    })
    .await;
}

/// Keeps the names of the commands of each round trip.
#[derive(Debug, Clone, Default)]
struct Trips(Arc<Mutex<Vec<String>>>);

impl Tap for Trips {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let names: Vec<_> = trip.commands.iter().map(Command::name).collect();
        self.0.lock().unwrap().push(format!("{:?} {}", trip.by, names.join(" ")));
        Box::pin(trip.go())
    }
}

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let trips = Trips::default();
    let client = Client::memory().layer(Tapped(trips.clone()));
    let one = step("1");
    macro_rules! costs {
        ($($call:expr => $trip:literal,)+) => {$(
            let _ = $call.await.unwrap();
            let seen = std::mem::take(&mut *trips.0.lock().unwrap());
            assert_eq!(seen, [$trip], stringify!($call));
        )+};
    }
    let (word, clicks, cost) =
        (shop::word("a").unwrap(), shop::clicks("a").unwrap(), shop::cost("a").unwrap());
    costs! {
        word.set(&client, "w") => "Send SET",
        word.set_if_absent(&client, "w") => "Send SET",
        word.get(&client) => "Send GETEX",
        word.delete(&client) => "Send DEL",
        clicks.increment(&client, 1) => "Transaction INCRBY EXPIRE",
        clicks.get(&client) => "Send GET",
        clicks.set(&client, 1) => "Send SET",
        cost.increment(&client, 1.0) => "Transaction INCRBYFLOAT",
    }
    let figures = shop::figures("a").unwrap();
    let fields = Figures { clicks: Some(1), ..Figures::default() };
    costs! {
        figures.set(&client, &fields) => "Transaction DEL HSET EXPIRE",
        figures.set_fields(&client, &fields) => "Transaction HSET EXPIRE",
        figures.set_field(&client, "clicks", &1) => "Transaction HSET EXPIRE",
        figures.increment(&client, "clicks", 1) => "Transaction HINCRBY EXPIRE",
        figures.increment_float(&client, "cost", 1.0) => "Transaction HINCRBYFLOAT EXPIRE",
        figures.get(&client) => "Send HGETALL",
        figures.get_field::<u64>(&client, "clicks") => "Send HGET",
        figures.delete_field(&client, "clicks") => "Send HDEL",
    }
    let (steps, members, due) =
        (shop::steps("a").unwrap(), shop::members("a").unwrap(), shop::due().unwrap());
    costs! {
        steps.push_front(&client, [&one]) => "Transaction LPUSH LTRIM EXPIRE",
        steps.push_back(&client, [&one]) => "Transaction RPUSH LTRIM EXPIRE",
        steps.range(&client, 0, -1) => "Send LRANGE",
        steps.len(&client) => "Send LLEN",
        steps.remove(&client, &one) => "Send LREM",
        steps.pop_front(&client) => "Send LPOP",
        steps.pop_back(&client) => "Send RPOP",
        members.add(&client, [&one]) => "Transaction SADD EXPIRE",
        members.contains(&client, &one) => "Pipeline SISMEMBER EXPIRE",
        members.members(&client) => "Pipeline SMEMBERS EXPIRE",
        members.len(&client) => "Send SCARD",
        members.remove(&client, [&one]) => "Send SREM",
        due.add(&client, [(&one, 1.0)]) => "Transaction ZADD EXPIRE",
        due.increment(&client, &one, 1.0) => "Transaction ZINCRBY EXPIRE",
        due.score(&client, &one) => "Send ZSCORE",
        due.range(&client, &ZRange::rank(0, 9)) => "Send ZRANGE",
        due.count(&client, 0.0..) => "Send ZCOUNT",
        due.len(&client) => "Send ZCARD",
        due.remove(&client, [&one]) => "Send ZREM",
    }
}

#[test]
fn the_reference_says_how_long_and_how_many() {
    let page = reference(shop::DECLARATIONS);
    assert!(
        page.contains("| `steps:{id}` | list, 3 items at most | 1 day | `Step` | shop |"),
        "{page}"
    );
    assert!(page.contains("| `clicks:{id}` | string | 1 hour, from creation | `i64` |"), "{page}");
    let ttl = shop::DECLARATIONS[2].ttl;
    assert_eq!(ttl, KeyTtl::FromCreation(std::time::Duration::from_secs(3600)));
}
