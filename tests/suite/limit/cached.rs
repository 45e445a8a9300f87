//! A cached fixed window whose count is changed while additions are on their way.

use edgecask::limit::{Policy, RateLimiter, Request};
use edgecask::prelude::*;
use edgecask_tests::{Place, until};

use super::{Gate, Hands, MINUTE, Way};

/// A process with a cached fixed window of 100 calls, which knows its window.
struct Process {
    what: String,
    client: Client,
    gate: Gate,
    limiter: RateLimiter,
    key: String,
}

impl Process {
    async fn start(place: &Place, what: &str) -> Self {
        let (client, gate) = (place.client(), Gate::open());
        let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
        let limiter = RateLimiter::builder(gate.of(&client))
            .policy(Policy::cached_fixed_window(100, MINUTE).prefix(what))
            .clock(hands.clock())
            .block_list(0)
            .timeout(MINUTE)
            .build()
            .unwrap();
        let key = format!("{what}:a:{}", hands.now() / 60_000);
        client.flushall().await.unwrap();
        let process = Self { what: format!("{}, {what}", place.name), client, gate, limiter, key };
        assert_eq!(process.admitted(1).await, 1, "{}", process.what);
        process
    }

    /// How many of so many calls are admitted.
    async fn admitted(&self, calls: u64) -> u64 {
        let mut admitted = 0;
        for _ in 0..calls {
            let decision = self.limiter.limit("a").await.unwrap();
            assert_eq!(decision.failure(), None, "{}", self.what);
            admitted += u64::from(decision.is_allowed());
        }
        admitted
    }

    /// Admits 59 calls more. 30 of them are on their way to the server, where they arrive later; 29 are not sent.
    async fn with_calls_on_their_way(&self) {
        self.gate.set(Way::Closed);
        let came = self.gate.came();
        assert_eq!(self.admitted(30).await, 30, "{}", self.what);
        until(async || self.gate.came() > came).await;
        assert_eq!(self.admitted(29).await, 29, "{}", self.what);
    }

    /// Opens the way once this has begun.
    async fn during<T>(&self, change: impl Future<Output = edgecask::Result<T>>) -> T {
        let open = async {
            tokio::task::yield_now().await;
            self.gate.set(Way::Open);
        };
        tokio::join!(change, open).0.unwrap()
    }

    /// The server's count becomes this.
    async fn counts(&self, count: i64) {
        until(async || self.client.get::<i64>(&self.key).await.unwrap() == Some(count)).await;
    }
}

#[tokio::test]
async fn a_penalty_forgets_no_call_that_is_on_its_way() {
    for place in Place::all().await {
        let process = Process::start(&place, "penalty").await;
        process.with_calls_on_their_way().await;
        let penalty = Request::new("a").cost(10);
        let decision = process.during(process.limiter.penalize(penalty)).await;
        assert_eq!((decision.is_allowed(), decision.remaining()), (true, 30), "{}", process.what);
        assert_eq!(process.admitted(100).await, 30, "{}: 90 in all", process.what);
        process.counts(100).await;
        assert_eq!(process.limiter.stats().lost_additions, 0, "{}", process.what);
    }
}

#[tokio::test]
async fn a_refund_gives_back_calls_that_are_on_their_way() {
    for place in Place::all().await {
        for (cost, left) in [(10, 50), (29, 69), (50, 90), (1000, 100)] {
            let process = Process::start(&place, "refund").await;
            process.with_calls_on_their_way().await;
            let refund = Request::new("a").cost(cost);
            let decision = process.during(process.limiter.refund(refund)).await;
            let what = format!("{}: {cost}", process.what);
            assert_eq!((decision.is_allowed(), decision.remaining()), (true, left), "{what}");
            assert_eq!(process.admitted(150).await, left, "{what}");
            process.counts(100).await;
        }
    }
}

#[tokio::test]
async fn a_change_forgets_no_call_whose_addition_was_lost() {
    for place in Place::all().await {
        for refund in [false, true] {
            let process = Process::start(&place, "lost").await;
            process.gate.set(Way::Broken);
            assert_eq!(process.admitted(59).await, 59, "{}", process.what);
            until(async || process.limiter.stats().lost_additions == 59).await;
            process.gate.set(Way::Open);
            // The server has 1, and this process has admitted 60.
            let changed = Request::new("a").cost(10);
            let (decision, left) = match refund {
                true => (process.limiter.refund(changed).await.unwrap(), 50),
                false => (process.limiter.penalize(changed).await.unwrap(), 30),
            };
            assert_eq!(decision.remaining(), left, "{}", process.what);
            assert_eq!(process.admitted(100).await, left, "{}", process.what);
        }
    }
}

#[tokio::test]
async fn a_change_that_fails_changes_nothing() {
    for place in Place::all().await {
        let process = Process::start(&place, "fails").await;
        process.gate.set(Way::Broken);
        for _ in 0..3 {
            assert!(process.limiter.refund(Request::new("a").cost(50)).await.is_err());
            assert!(process.limiter.penalize(Request::new("a").cost(50)).await.is_err());
            assert!(process.limiter.reset("a").await.is_err());
        }
        process.gate.set(Way::Open);
        assert_eq!(process.admitted(150).await, 99, "{}", process.what);
        process.counts(100).await;
    }
}

#[tokio::test]
async fn after_a_reset_no_call_from_before_it_arrives() {
    for place in Place::all().await {
        let process = Process::start(&place, "reset").await;
        process.with_calls_on_their_way().await;
        process.during(process.limiter.reset("a")).await;
        assert_eq!(process.admitted(150).await, 100, "{}", process.what);
        process.counts(100).await;
    }
}

#[tokio::test]
async fn a_change_in_a_window_that_is_not_known_is_learned() {
    for place in Place::all().await {
        let process = Process::start(&place, "unknown").await;
        process.counts(1).await;
        let decision = process.limiter.penalize(Request::new("b").cost(95)).await.unwrap();
        assert_eq!(decision.remaining(), 5, "{}", process.what);
        let came = process.gate.came();
        process.gate.set(Way::Closed);
        for left in (0..5).rev() {
            let decision = process.limiter.limit("b").await.unwrap();
            assert_eq!((decision.is_allowed(), decision.remaining()), (true, left));
        }
        assert!(!process.limiter.limit("b").await.unwrap().is_allowed(), "{}", process.what);
        assert_eq!(process.gate.came(), came, "{}: it was decided here", process.what);
        process.gate.set(Way::Open);
    }
}
