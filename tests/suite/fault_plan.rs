//! The server's faults, and what a client with retries makes of them.

use std::time::Duration;

use edgecask::layer::{Deadline, Retry};
use edgecask::prelude::*;
use edgecask::{ErrorKind, Outcome};
use edgecask_server::{Fault, FaultPlan, Server, ServerOptions};
use futures_util::stream::{self, StreamExt};

fn client(server: &Server) -> Client {
    Client::rest(&server.url(), server.token()).unwrap()
}

#[tokio::test]
async fn every_fault_is_told_apart() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let client = client(&server);
    let hasty = client.clone().layer(Deadline::new(Duration::from_millis(300)));
    let hour = Duration::from_secs(3600);
    for (fault, kind, outcome, carried_out) in [
        (Fault::DropBefore, ErrorKind::Disconnected, Outcome::Unknown, false),
        (Fault::DropAfter, ErrorKind::Disconnected, Outcome::Unknown, true),
        (Fault::Delay(hour), ErrorKind::Timeout, Outcome::Unknown, false),
        (Fault::DelayReply(hour), ErrorKind::Timeout, Outcome::Unknown, true),
        (Fault::Throttle(Duration::from_secs(7)), ErrorKind::Throttled, Outcome::Refused, false),
        (Fault::BadGateway, ErrorKind::Http, Outcome::Unknown, false),
        (Fault::Truncate, ErrorKind::Disconnected, Outcome::Unknown, true),
        (Fault::SlowBody(hour), ErrorKind::Timeout, Outcome::Unknown, true),
    ] {
        client.del(["k"]).await.unwrap();
        server.inject(fault);
        let error = hasty.incr("k").await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{fault:?}: {error}");
        assert_eq!(client.exists(["k"]).await.unwrap() == 1, carried_out, "{fault:?}");
    }
    server.stop().await;
}

/// The promise of the retry layer: nothing is counted twice, and what is not known is said to be so.
#[tokio::test]
async fn ten_thousand_increments_under_faults_are_all_accounted_for() {
    const CALLS: usize = 10_000;
    let plan = FaultPlan::seeded(7).rate(Fault::DropBefore, 0.1).rate(Fault::DropAfter, 0.1);
    let server = Server::start(ServerOptions::memory().faults(plan)).await.unwrap();
    let retry = Retry::new().attempts(5).base(Duration::from_millis(1));
    let client = client(&server).layer(retry);
    let call = |number: usize| {
        let client = client.clone();
        async move {
            if number.is_multiple_of(4) {
                // Reads share the retries' budget, and always get through or say why not.
                let _ = client.exists(["other"]).await;
            }
            client.incr("count").await.map_err(|error| error.outcome())
        }
    };
    let results: Vec<_> = stream::iter(0..CALLS).map(call).buffer_unordered(32).collect().await;
    let mut counted: Vec<i64> = results.iter().filter_map(|result| result.ok()).collect();
    let count = |outcome| results.iter().filter(|result| **result == Err(outcome)).count();
    let unknown = count(Outcome::Unknown);
    assert_eq!(counted.len() + unknown + count(Outcome::NotSent), CALLS);
    assert!(unknown > CALLS / 10, "there were faults: {unknown}");

    let total: i64 = loop {
        if let Ok(Some(total)) = client.get("count").await {
            break total;
        }
    };
    let total = usize::try_from(total).unwrap();
    assert!(counted.len() <= total && total <= counted.len() + unknown);
    counted.sort_unstable();
    counted.dedup();
    assert_eq!(
        counted.len(),
        results.iter().filter(|result| result.is_ok()).count(),
        "none was counted twice"
    );
    // About half of what is unknown was carried out: those that were dropped after.
    let carried_out = total - counted.len();
    assert!((unknown / 4..unknown * 3 / 4).contains(&carried_out), "{carried_out} of {unknown}");
    server.stop().await;
}
