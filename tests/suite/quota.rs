//! Quotas: what is used and reserved together never exceeds the limit, and every call counts once, on every transport and through
//! every fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::quota::{Quota, QuotaError, Reservation};
use edgecask::transport::Results;
use edgecask::{Client, Error, ErrorKind, Key, Outcome, Result, Script, Value};
use edgecask_tests::{Count, Dice, Lossy, Place, RedisServer, Tap, Tapped, Trip, seeds, until};
use futures_util::future::join_all;

const KEY: &str = "resource:usage:llm_tokens";
const RESERVATIONS: &str = "edgecask:reserved:{resource:usage:llm_tokens}";

fn quota(client: Client, limit: u64) -> Quota {
    Quota::new(client, Key::verbatim(KEY).unwrap(), limit).unwrap()
}

/// The quota of one history: what another one has sent may still arrive.
fn quota_of(seed: u64, client: Client, limit: u64) -> Quota {
    Quota::new(client, Key::verbatim(format!("{KEY}:{seed}")).unwrap(), limit).unwrap()
}

/// Random calls beside a model.
async fn calls_beside_a_model(place: &Place, seed: u64) {
    const LIMIT: u64 = 100;
    let dice = Dice::new(seed);
    let client = place.client();
    client.flushall().await.unwrap();
    let quota = quota(client.clone(), LIMIT);
    let (mut used, mut held): (u64, Vec<Reservation>) = (0, Vec::new());
    let what = |step: u32| format!("{}, seed {seed}, step {step}", place.name);
    for step in 0..60 {
        let reserved: u64 = held.iter().map(Reservation::amount).sum();
        let amount = dice.roll(40);
        let fits = used + reserved + amount <= LIMIT;
        match dice.roll(8) {
            0 | 1 => match quota.take(amount).await {
                Ok(usage) => {
                    used += amount;
                    assert!(fits || amount == 0, "{}", what(step));
                    assert_eq!((usage.used, usage.reserved), (used, reserved), "{}", what(step));
                }
                Err(QuotaError::Exceeded { usage, .. }) => {
                    assert!(!fits, "{}", what(step));
                    assert_eq!((usage.used, usage.reserved), (used, reserved), "{}", what(step));
                }
                Err(error) => panic!("{}: {error}", what(step)),
            },
            2 => {
                used += amount;
                assert_eq!(quota.add(amount).await.unwrap().used, used, "{}", what(step));
            }
            3 => {
                used = used.saturating_sub(amount);
                assert_eq!(quota.give_back(amount).await.unwrap().used, used, "{}", what(step));
            }
            4 | 5 => match quota.reserve(amount).await {
                Ok(reservation) => {
                    assert!(fits, "{}", what(step));
                    held.push(reservation);
                }
                Err(QuotaError::Exceeded { .. }) => assert!(!fits, "{}", what(step)),
                Err(error) => panic!("{}: {error}", what(step)),
            },
            _ if held.is_empty() => {}
            6 => {
                let one = held.swap_remove(dice.roll(held.len() as u64) as usize);
                assert!(one.renew().await.unwrap(), "{}", what(step));
                used += amount;
                assert!(one.commit(amount).await.unwrap(), "{}", what(step));
            }
            _ => {
                let one = held.swap_remove(dice.roll(held.len() as u64) as usize);
                assert!(one.release().await.unwrap(), "{}", what(step));
            }
        }
        let usage = quota.usage().await.unwrap();
        let reserved: u64 = held.iter().map(Reservation::amount).sum();
        assert_eq!((usage.used, usage.reserved), (used, reserved), "{}", what(step));
        assert_eq!(client.get::<u64>(KEY).await.unwrap().unwrap_or(0), used);
    }
}

#[tokio::test]
async fn calls_do_what_a_model_does() {
    for place in Place::all().await {
        for seed in seeds(10) {
            calls_beside_a_model(&place, seed).await;
        }
    }
}

/// Processes over a network that loses answers and delivers calls late or twice.
async fn lossy_history(place: &Place, seed: u64) {
    const LIMIT: u64 = 60;
    let dice = Dice::new(seed);
    let direct = place.client();
    let percent = 1 + dice.roll(8) * 2;
    let processes = (0..4).map(|_| {
        let client = place.client().layer(Tapped(Lossy::new(&dice, percent)));
        let (quota, dice, direct) = (quota_of(seed, client, LIMIT), dice.clone(), direct.clone());
        tokio::spawn(async move {
            let (mut counted, mut unknown) = (0, 0);
            for _ in 0..25 {
                let amount = 1 + dice.roll(6);
                match dice.roll(3) {
                    0 => match quota.take(amount).await {
                        Ok(usage) => {
                            assert!(usage.used + usage.reserved <= LIMIT, "seed {seed}");
                            counted += amount;
                        }
                        Err(QuotaError::Redis(_)) => unknown += amount,
                        Err(_) => {}
                    },
                    1 => {
                        if let Ok(reservation) = quota.reserve(amount).await {
                            match reservation.commit(amount).await {
                                Ok(_) => counted += amount,
                                Err(_) => unknown += amount,
                            }
                        }
                    }
                    _ => drop(quota.reserve(amount).await),
                }
                if dice.roll(20) == 0 {
                    direct.script_flush().await.unwrap();
                }
            }
            (counted, unknown)
        })
    });
    let (mut counted, mut unknown) = (0, 0);
    for process in join_all(processes.collect::<Vec<_>>()).await {
        let (one, other): (u64, u64) = process.unwrap();
        (counted, unknown) = (counted + one, unknown + other);
    }
    let (name, quota) = (place.name, quota_of(seed, direct, LIMIT));
    if percent == 1 {
        // Whoever dropped a reservation has released it.
        until(async || quota.usage().await.unwrap().reserved == 0).await;
    }
    let used = quota.usage().await.unwrap().used;
    assert!(used <= LIMIT, "{name}, seed {seed}: {used}");
    assert!(
        (counted..=counted + unknown).contains(&used),
        "{name}, seed {seed}: {used} are counted, {counted} were told, {unknown} are unknown"
    );
}

#[tokio::test]
async fn no_call_counts_twice_and_none_exceeds_the_limit() {
    for place in Place::all().await {
        for seed in seeds(8) {
            lossy_history(&place, seed).await;
        }
    }
}

#[tokio::test]
async fn a_reservation_returns_by_itself_and_a_late_commit_counts() {
    for place in Place::all().await {
        let quota = quota(place.client(), 10).lease(Duration::from_secs(3600));
        let reservation = quota.reserve(10).await.unwrap();
        assert!(matches!(quota.take(1).await, Err(QuotaError::Exceeded { amount: 1, .. })));
        reservation.release().await.unwrap();
        let quota = quota.lease(Duration::from_millis(80));
        let reservation = quota.reserve(10).await.unwrap();
        // Nobody renews it.
        until(async || quota.usage().await.unwrap().available() == 10).await;
        assert!(!reservation.renew().await.unwrap(), "{}", place.name);
        quota.take(8).await.unwrap();
        assert!(!reservation.commit(7).await.unwrap(), "{}", place.name);
        let usage = quota.usage().await.unwrap();
        assert_eq!((usage.used, usage.reserved, usage.available()), (15, 0, 0), "{}", place.name);
        // One that is dropped is released.
        quota.give_back(15).await.unwrap();
        let quota = quota.lease(Duration::from_secs(3600));
        drop(quota.reserve(10).await.unwrap());
        until(async || quota.usage().await.unwrap().reserved == 0).await;
    }
}

#[tokio::test]
async fn a_request_that_arrives_after_its_end_reserves_nothing() {
    for place in Place::all().await {
        let client = place.client();
        let scripts: Vec<&Script> = own_scripts();
        let (take, settle) = (scripts[0], scripts[1]);
        let reserve =
            ["reserve", "5", "10", "0", "first", "id", "60000", "60000", "1000", "10000", "0"];
        let keys = [KEY, RESERVATIONS];
        let end = ["id", "5", "3", "0", "first", "60000", "10000", "0"];
        for expected in [0, 0] {
            let held: i64 = client.run_script(settle, keys, end).await.unwrap();
            assert_eq!(held, expected, "{}", place.name);
        }
        let reply: Value = client.run_script(take, keys, reserve).await.unwrap();
        let expected = [Value::bulk("ended"), 3.into(), 0.into(), (-1).into()];
        assert_eq!(reply, Value::Array(expected.into()), "{}", place.name);
    }
}

#[tokio::test]
async fn a_counter_begins_again_after_its_period() {
    for place in Place::all().await {
        let client = place.client();
        let hour = Duration::from_secs(3600);
        let from_first = quota(client.clone(), 10).period(hour);
        assert!(from_first.take(1).await.unwrap().resets_in.unwrap() > hour / 2);
        client.expire(KEY, Duration::from_secs(60)).await.unwrap();
        assert!(from_first.take(1).await.unwrap().resets_in.unwrap() < hour / 2);
        let from_last = quota(client.clone(), 10).idle_period(hour);
        assert!(from_last.take(1).await.unwrap().resets_in.unwrap() > hour / 2);
        // What others count, counts, and what has no time to live gets one.
        client.set(KEY, 9).await.unwrap();
        client.incrby(KEY, 1).await.unwrap();
        assert!(matches!(from_first.take(1).await, Err(QuotaError::Exceeded { .. })));
        from_first.give_back(4).await.unwrap();
        assert!(from_first.usage().await.unwrap().resets_in.is_some(), "{}", place.name);
        let short = quota(client.clone(), 10).idle_period(Duration::from_millis(30));
        short.add(1).await.unwrap();
        until(async || short.usage().await.unwrap().used == 0).await;
    }
}

#[tokio::test]
async fn a_call_costs_one_command_and_a_lost_answer_one_more() {
    for place in Place::all().await {
        let count = Count::default();
        let quota = quota(count.of(place.client()), 10);
        quota.take(1).await.unwrap();
        let reservation = quota.reserve(1).await.unwrap();
        reservation.renew().await.unwrap();
        reservation.commit(1).await.unwrap();
        // The server knows the scripts now.
        let _ = count.taken();
        quota.take(1).await.unwrap();
        quota.usage().await.unwrap();
        let reservation = quota.reserve(1).await.unwrap();
        reservation.renew().await.unwrap();
        reservation.release().await.unwrap();
        assert_eq!(count.taken(), 5, "{}", place.name);
        let loses = Loses::default();
        let client = place.client().layer(Tapped(loses.clone()));
        let quota = self::quota(count.of(client), 10);
        loses.0.store(true, Ordering::SeqCst);
        let before = quota.usage().await.unwrap().used;
        loses.0.store(true, Ordering::SeqCst);
        assert_eq!(quota.take(2).await.unwrap().used, before + 2, "{}", place.name);
        assert_eq!(count.taken(), 4, "{}", place.name);
    }
}

/// Loses one answer.
#[derive(Debug, Clone, Default)]
struct Loses(Arc<AtomicBool>);

impl Tap for Loses {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let answer = trip.go().await;
            if self.0.swap(false, Ordering::SeqCst) {
                let lost = Error::new(ErrorKind::Disconnected, "lost by the test");
                return Err(lost.with_outcome(Outcome::Unknown));
            }
            answer
        })
    }
}

/// Takes 1 where three ends are remembered.
async fn with_three_ends(client: &Client, id: &str, ago: &str) -> (String, u64, u64, i64) {
    let args = ["take", "1", "100", "0", "first", id, "60000", "60000", "1000", "3", ago];
    client.run_script(own_scripts()[0], [KEY, RESERVATIONS], args).await.unwrap()
}

/// More calls came in between than are remembered: a call that is asked for again says so, and does not count twice.
#[tokio::test]
async fn a_call_that_is_forgotten_does_not_count_twice() {
    for place in Place::all().await {
        let client = place.client();
        let clock = async || client.time().await.unwrap().as_millis();
        for id in ["a", "b", "c", "d"] {
            assert_eq!(with_three_ends(&client, id, "0").await.0, "taken", "{}", place.name);
            // Ends of the same millisecond have no order.
            let end = clock().await;
            until(async || clock().await > end).await;
        }
        assert_eq!(client.zcard(RESERVATIONS).await.unwrap(), 3, "{}", place.name);
        // The three newest are remembered.
        for id in ["b", "c", "d"] {
            let (what, used, ..) = with_three_ends(&client, id, "50000").await;
            assert_eq!((what.as_str(), used), ("taken", 4), "{}", place.name);
        }
        let (what, used, ..) = with_three_ends(&client, "a", "50000").await;
        assert_eq!((what.as_str(), used), ("forgotten", 4), "{}", place.name);
        let settle = ["a", "1", "1", "0", "first", "60000", "3", "50000"];
        let keys = [KEY, RESERVATIONS];
        let settled: i64 = client.run_script(own_scripts()[1], keys, settle).await.unwrap();
        assert_eq!((settled, client.get::<u64>(KEY).await.unwrap()), (-1, Some(4)));
        // One that was sent first after all of them is not among the forgotten.
        until(async || with_three_ends(&client, "a", "1").await.0 == "taken").await;
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let client = Client::memory();
    let key = Key::verbatim(KEY).unwrap();
    let error = Quota::new(client.clone(), key, 1 << 53).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let quota = quota(client.clone(), 10);
    for amount in [1 << 53, u64::MAX] {
        for result in [
            quota.take(amount).await.err(),
            quota.add(amount).await.err(),
            quota.give_back(amount).await.err(),
            quota.reserve(amount).await.err(),
        ] {
            assert_eq!(Error::from(result.unwrap()).kind(), ErrorKind::InvalidInput);
        }
    }
    quota.take(3).await.unwrap();
    let error = quota.take(8).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 of 10 are used or reserved, 8 more do not fit: resource:usage:llm_tokens"
    );
    assert_eq!(Error::from(error).kind(), ErrorKind::Conflict);
    for text in ["x", "1.5", "", "0x10", "1e3", " 7", "inf", "--1"] {
        client.set(KEY, text).await.unwrap();
        let error = Error::from(quota.take(1).await.unwrap_err());
        assert!(error.to_string().contains("not an integer"), "{error}");
    }
    // Numbers that Redis counts to, and which are not exact in Lua.
    for (text, used) in [("-5", 0), ("9223372036854775807", (1 << 53) - 1), ("007", 7)] {
        client.set(KEY, text).await.unwrap();
        assert_eq!(quota.usage().await.unwrap().used, used, "{text}");
    }
    client.del([KEY]).await.unwrap();
    let mut held = Vec::new();
    let error = loop {
        match quota.reserve(0).await {
            Ok(reservation) => held.push(reservation),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, QuotaError::TooManyReservations { .. }), "{error}");
    assert_eq!(held.len(), 1000);
}

#[tokio::test]
async fn on_a_full_redis_reservations_end_and_are_renewed() {
    let redis = RedisServer::start();
    let client = redis.client();
    let quota = quota(client.clone(), 10);
    quota.take(1).await.unwrap();
    let [renewed, committed] = [quota.reserve(1).await.unwrap(), quota.reserve(2).await.unwrap()];
    client.config_set("maxmemory", "1").await.unwrap();
    assert!(quota.take(1).await.is_err());
    assert!(quota.reserve(1).await.is_err());
    quota.add(1).await.unwrap();
    quota.give_back(1).await.unwrap();
    assert!(renewed.renew().await.unwrap());
    assert!(committed.commit(2).await.unwrap());
    let usage = quota.usage().await.unwrap();
    assert_eq!((usage.used, usage.reserved), (3, 1));
}

fn own_scripts() -> Vec<&'static Script> {
    let words = ["'reserve'", "'held ' or 'late '", "ZREMRANGEBYSCORE', KEYS[1], -now"];
    let of = |word| edgecask::scripts().find(|script| script.source().contains(word));
    words.iter().map(|word| of(*word).unwrap()).collect()
}

#[tokio::test]
async fn scripts_of_quotas_do_the_same_in_three_ways() {
    let scripts = own_scripts();
    let places = Place::three_ways();
    let clients = places.each_ref().map(Place::client);
    for seed in seeds(60) {
        let dice = Dice::new(seed);
        let pick = |texts: &[&str]| texts[dice.roll(texts.len() as u64) as usize].to_owned();
        for client in &clients {
            client.flushall().await.unwrap();
        }
        for step in 0..14 {
            let number = || pick(&["0", "1", "3", "7"]);
            let ids = ["a", "b", "c d", "e", "f", "g"];
            let (id, from) = (pick(&ids), pick(&["first", "last"]));
            let period = pick(&["0", "0", "9000000"]);
            let which = dice.roll(5).saturating_sub(2) as usize;
            let args = match which {
                0 => {
                    let mode = pick(&["take", "add", "reserve", "reserve", "look"]);
                    let amount = if mode == "add" { pick(&["5", "-2"]) } else { number() };
                    let most = pick(&["10", "20"]);
                    let ago = pick(&["0", "1", "8000000"]);
                    let rest = ["8000000", "9000000", "3", "4", &ago].map(str::to_owned);
                    [vec![mode, amount, most, period, from, id], rest.to_vec()].concat()
                }
                1 => {
                    let rest = ["9000000", "4", &pick(&["0", "1", "8000000"])].map(str::to_owned);
                    [vec![id, number(), number(), period, from], rest.to_vec()].concat()
                }
                _ => vec![id, number(), "9000000".to_owned()],
            };
            let keys: &[&str] = if which == 2 { &[RESERVATIONS] } else { &[KEY, RESERVATIONS] };
            let odd = if dice.roll(30) == 0 {
                Some(pick(&["x", "-5", "2.5", "0x1", "9223372036854775807", "-0"]))
            } else {
                None
            };
            let mut seen = Vec::new();
            for client in &clients {
                if let Some(odd) = &odd {
                    client.set(KEY, odd).await.unwrap();
                }
                let reply = client.run_script::<Value>(scripts[which], keys, &args).await;
                // Ends of the same millisecond have no order.
                let clock = async || client.time().await.unwrap().as_millis();
                let end = clock().await;
                until(async || clock().await > end).await;
                let members = cmd("ZRANGE").args_from([RESERVATIONS, "0", "-1", "WITHSCORES"]);
                let members: Vec<(String, f64)> = client.execute(members).await.unwrap();
                // Reservations and ends alike, to the quarter of an hour.
                let from_now = |score: f64| {
                    let now = edgecask::platform::unix_millis() as f64;
                    ((score - now * score.signum()) / 900_000.0).round() as i64
                };
                let mut members: Vec<(String, i64)> =
                    members.into_iter().map(|(member, score)| (member, from_now(score))).collect();
                members.sort();
                let lives = client.execute::<i64>(cmd("PTTL").arg(KEY)).await.unwrap() > 0;
                let used: Option<String> = client.get(KEY).await.unwrap();
                seen.push((
                    reply.map(timeless).map_err(|error| error.kind()),
                    members,
                    lives,
                    used,
                ));
            }
            assert_eq!(seen[1], seen[0], "Lua, seed {seed}, step {step}: {which} {args:?}");
            assert_eq!(seen[2], seen[0], "native, seed {seed}, step {step}: {which} {args:?}");
        }
    }
}

/// Times to live are read a moment later.
fn timeless(reply: Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        Value::Integer(left) if left > 1_000_000 => Value::Integer((left + 500_000) / 1_000_000),
        other => other,
    }
}
