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
    let name = |number: usize| format!("count:{number}");
    let call = |number: usize| {
        let client = client.clone();
        async move {
            if number.is_multiple_of(4) {
                // Reads share the retries' budget, and always get through or say why not.
                let _ = client.exists(["other"]).await;
            }
            client.incr(name(number)).await.map_err(|error| error.outcome())
        }
    };
    let told: Vec<_> = stream::iter(0..CALLS).map(call).buffered(32).collect().await;

    // Each has a counter of its own, which tells how often it was carried out.
    let names: Vec<String> = (0..CALLS).map(name).collect();
    let counts: Vec<Option<i64>> = loop {
        if let Ok(counts) = client.mget(&names).await {
            break counts;
        }
    };
    let (mut unknown, mut carried_out) = (0, 0);
    for (number, (told, count)) in told.into_iter().zip(counts).enumerate() {
        let count = count.unwrap_or(0);
        match told {
            Ok(reply) => assert_eq!((reply, count), (1, 1), "{number}"),
            Err(Outcome::Unknown) => {
                assert!(count <= 1, "{number} was counted {count} times");
                unknown += 1;
                carried_out += count;
            }
            Err(outcome) => assert_eq!(count, 0, "{number} is {outcome:?}"),
        }
    }
    assert!(unknown > CALLS as i64 / 10, "there were faults: {unknown}");
    // About half of what is unknown was carried out: those that were dropped after.
    assert!((unknown / 4..unknown * 3 / 4).contains(&carried_out), "{carried_out} of {unknown}");
    server.stop().await;
}
