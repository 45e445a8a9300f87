//! Random histories of many clients against the model: every decision and everything that remains.
//!
//! A case is a history of 40 steps on each engine and server. `EDGECASK_TEST_CASES` says how many cases there are for each
//! algorithm.

use edgecask::limit::{Decision, RateLimiter, Reason};
use edgecask::prelude::*;
use edgecask_tests::{Place, cases, runner, seed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use super::model::{Model, Rule};
use super::{Hands, plain};

#[derive(Debug, Clone, Copy)]
enum Act {
    Limit,
    Refund,
    Penalize,
    Look,
}

#[derive(Debug, Clone)]
struct Step {
    /// Milliseconds that pass before it.
    pause: u64,
    client: usize,
    id: &'static str,
    cost: u64,
    act: Act,
}

/// The period of all rules. It is long, so that no key expires by the server's clock while a history runs.
const WINDOW: u64 = 600_000;

fn rules() -> impl Strategy<Value = Rule> {
    let (limit, window) = (0..6_u64, WINDOW);
    prop_oneof![
        limit.clone().prop_map(move |limit| Rule::Fixed { limit, window }),
        limit.prop_map(move |limit| Rule::Sliding { limit, window }),
        (1..6_u64, 1..4_u64).prop_map(move |(capacity, refill)| Rule::Bucket {
            capacity,
            refill,
            interval: window
        }),
        (1..8_u64, 1..6_u64).prop_map(move |(limit, burst)| Rule::Gcra {
            limit,
            burst,
            period: window
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Zero and the ends of windows are likely.
    let pauses =
        [0, 0, 0, 1, WINDOW / 7, WINDOW / 3, WINDOW / 2, WINDOW - 1, WINDOW, 2 * WINDOW + 1];
    let acts =
        [Act::Limit, Act::Limit, Act::Limit, Act::Limit, Act::Refund, Act::Penalize, Act::Look];
    let step = (
        select(pauses.to_vec()),
        0..3_usize,
        select(&["a", "b"][..]),
        0..4_u64,
        select(acts.to_vec()),
    )
        .prop_map(|(pause, client, id, cost, act)| Step { pause, client, id, cost, act });
    prop::collection::vec(step, 1..40)
}

/// Runs a history, and compares every step with the model.
async fn run(name: &str, client: &Client, rule: Rule, steps: &[Step]) -> Result<(), TestCaseError> {
    client.flushall().await.unwrap();
    let hands = Hands::at(1_790_000_000_000);
    let limiters: Vec<RateLimiter> = (0..3)
        .map(|_| plain(client, rule.policy()).clock(hands.clock()).build().unwrap())
        .collect();
    let mut model = Model::new(rule);
    for (place, step) in steps.iter().enumerate() {
        hands.move_by(step.pause);
        let (now, limiter) = (hands.now(), &limiters[step.client]);
        let request = edgecask::limit::Request::new(step.id).cost(step.cost);
        let (room, _) = model.room(step.id, now, step.cost);
        let decision: Decision = match step.act {
            Act::Limit => {
                if room {
                    model.add(step.id, now, step.cost.into());
                }
                limiter.limit(request).await
            }
            Act::Refund => {
                model.add(step.id, now, -i128::from(step.cost));
                limiter.refund(request).await
            }
            Act::Penalize => {
                model.add(step.id, now, step.cost.into());
                limiter.penalize(request).await
            }
            Act::Look => limiter.remaining(request).await,
        }
        .unwrap();
        prop_assert!(decision.failure().is_none(), "{name}, step {place}: {decision:?}");
        if let Act::Limit | Act::Look = step.act {
            prop_assert_eq!(
                decision.is_allowed(),
                room,
                "{}, step {}: {:?}",
                name,
                place,
                decision
            );
        }
        let (_, left) = model.room(step.id, now, 0);
        prop_assert_eq!(decision.remaining(), left, "{}, step {}: {:?}", name, place, decision);
        // What it says of the time when there is room is so: there is room then, and not a millisecond before.
        if let (false, Some(wait)) = (decision.is_allowed(), decision.retry_after()) {
            prop_assert_eq!(decision.reason(), Reason::Exceeded);
            let then = now + wait.as_micros().div_ceil(1000) as u64;
            prop_assert!(
                model.room(step.id, then, step.cost).0,
                "{name}, step {place}: {decision:?}"
            );
            let before = (now + 1).max(then) - 1;
            prop_assert!(
                !model.room(step.id, before, step.cost).0,
                "{name}, step {place}: {decision:?}"
            );
        }
    }
    Ok(())
}

/// The weight of the window before is rounded, and so is the time at which there is room.
#[tokio::test]
async fn a_sliding_window_says_the_first_millisecond_at_which_there_is_room() {
    let places = Place::all().await;
    let step = |cost, act| Step { pause: 0, client: 0, id: "a", cost, act };
    for (limit, penalty) in [(3, 2), (1, 4), (7, 3), (9, 40)] {
        let rule = Rule::Sliding { limit, window: WINDOW };
        let steps =
            [step(limit, Act::Limit), step(penalty, Act::Penalize), step(limit, Act::Limit)];
        for place in &places {
            if let Err(error) = run(place.name, &place.client(), rule, &steps).await {
                panic!("{rule:?}, {penalty}: {error}");
            }
        }
    }
}

#[test]
fn decisions_are_those_of_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let places = runtime.block_on(Place::all());
    let clients: Vec<_> = places.iter().map(|place| (place.name, place.client())).collect();
    let seed = seed();
    let config = Config { cases: cases(25) as u32, failure_persistence: None, ..Config::default() };
    let result = runner(config, seed).run(&(rules(), steps()), |(rule, steps)| {
        runtime.block_on(async {
            for (name, client) in &clients {
                run(name, client, rule, &steps).await?;
            }
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("EDGECASK_TEST_SEED={seed}: {error}");
    }
}
