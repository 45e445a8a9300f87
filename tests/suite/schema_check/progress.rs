//! A check that is stopped, or loses answers, goes on.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use edgecask::keyspace::check::{FaultKind, Position};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{ErrorKind, Result};
use edgecask_tests::{Dice, Tap, Tapped, Trip};

use super::planted::{Faults, Session, check, everywhere, found, planted, world};

#[tokio::test]
async fn a_check_goes_on_where_it_stopped() {
    everywhere(async |writes, checks| {
        let expected = planted(writes, &Dice::new(7), 300).await;
        let check = check().page(20);
        let whole = check.run(checks).await.unwrap();
        let mut stops = 0;
        for after in 1.. {
            // Each time another process goes on, from what the last one stored.
            let mut stored = serde_json::to_string(&Position::default()).unwrap();
            let mut stopped = false;
            loop {
                let mut position: Position = serde_json::from_str(&stored).unwrap();
                let mut left = after;
                let stop = |_: &Position| {
                    left -= 1;
                    stopped |= left == 0;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                check.run_from(checks, &mut position, stop).await.unwrap();
                stored = serde_json::to_string(&position).unwrap();
                let report = position.report();
                if report.complete {
                    assert_eq!(found(report), expected, "stopped after every {after} pages");
                    assert_eq!(report.keys, whole.keys);
                    assert_eq!(report.patterns, whole.patterns);
                    // Redis may say another time that a value takes some bytes more.
                    assert!(report.commands.abs_diff(whole.commands) < 10);
                    break;
                }
                stops += 1;
                assert!(!report.to_string().is_empty() && report.exit_status() > 0);
            }
            if !stopped {
                break;
            }
        }
        assert!(stops > 20, "{stops}");
    })
    .await;
}

/// Counts commands, and loses the round trips 3, 9, 18, 30 and so on. The distance grows, so that a page of any length
/// completes at last.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) commands: Arc<AtomicU64>,
    pub(super) trips: Arc<AtomicU64>,
    is_lossy: bool,
}

fn is_lost(trip: u64) -> bool {
    (1..=trip)
        .map(|losses| 3 * losses * (losses + 1) / 2)
        .take_while(|at| *at <= trip)
        .any(|at| at == trip)
}

impl Tap for Counting {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let trips = self.trips.fetch_add(1, Ordering::SeqCst) + 1;
        self.commands.fetch_add(trip.commands.len() as u64, Ordering::SeqCst);
        Box::pin(async move {
            let results = trip.go().await;
            if self.is_lossy && is_lost(trips) {
                return Err(edgecask::Error::new(ErrorKind::Disconnected, "lost by the test"));
            }
            results
        })
    }
}

#[tokio::test]
async fn an_error_loses_nothing() {
    everywhere(async |writes, checks| {
        let expected = planted(writes, &Dice::new(11), 200).await;
        let check = check().page(20);
        let lossy =
            checks.clone().layer(Tapped(Counting { is_lossy: true, ..Counting::default() }));
        let mut position = Position::default();
        let mut errors = Vec::new();
        while let Err(error) =
            check.run_from(&lossy, &mut position, |_| ControlFlow::Continue(())).await
        {
            assert!(errors.len() < 100, "{errors:?}");
            errors.push(error);
        }
        assert!(errors.len() > 1, "{errors:?}");
        assert_eq!(found(position.report()), expected);
        assert_eq!(position.report().keys, 200);
    })
    .await;
}

#[tokio::test]
async fn other_clients_may_write_meanwhile() {
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        let expected: Faults =
            (0..20).map(|at| (format!("w:profile:bad{at}"), FaultKind::Undecodable)).collect();
        for (key, _) in &expected {
            writes.set(key, "[]").await.unwrap();
        }
        let ended = Arc::new(AtomicBool::new(false));
        let (writer, end) = (writes.clone(), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let dice = Dice::new(5);
            let mut written = 0;
            while !end.load(Ordering::SeqCst) {
                let id = dice.roll(300).to_string();
                let session = world::session(&id).unwrap();
                match dice.roll(4) {
                    0 => drop(session.delete(&writer).await.unwrap()),
                    1 => world::steps(&id).unwrap().set(&writer, &vec![1, 2]).await.unwrap(),
                    _ => {
                        let tags = vec!["x".repeat(dice.roll(200) as usize)];
                        let record = Session { user: "ada".to_owned(), visits: 1, tags };
                        session.set(&writer, &record).await.unwrap();
                    }
                }
                written += 1;
                // The embedded engine never waits.
                tokio::task::yield_now().await;
            }
            written
        });
        for _ in 0..20 {
            let report = check().page(30).run(checks).await.unwrap();
            assert_eq!(found(&report), expected, "{report}");
            tokio::task::yield_now().await;
        }
        ended.store(true, Ordering::SeqCst);
        assert!(task.await.unwrap() > 0);
    })
    .await;
}
