use std::time::Duration;

use edgecask::Client;
use edgecask::schedule::Schedule;
use edgecask_tests::{Count, Place};

use super::{Starts, ago, decided, every, period};

#[tokio::test]
async fn a_slot_costs_two_commands_where_it_runs_and_one_elsewhere() {
    for place in Place::all().await {
        let period = period();
        let schedule = every("job", period);
        let starts = Starts::default();
        // The scripts become known to the server.
        decided(&place.client(), "job", ago(period)).await;
        starts.of(place.client(), &schedule).run_due().await.unwrap();
        let counts = [Count::default(), Count::default()];
        let processes = counts.clone().map(|count| starts.of(count.of(place.client()), &schedule));
        let taken = || counts.each_ref().map(Count::taken);
        decided(&place.client(), "job", ago(period)).await;
        for expected in [[3, 1], [1, 1]] {
            for process in &processes {
                process.run_due().await.unwrap();
            }
            assert_eq!(
                taken(),
                expected,
                "{}: a look; where it runs a claim and an end",
                place.name
            );
        }
    }
}

/// Time passes at once while all wait. The engine's clock does not follow it, so no slot becomes due.
#[tokio::test]
async fn nothing_is_sent_between_slots() {
    tokio::time::pause();
    let count = Count::default();
    let day = Schedule::every("daily", Duration::from_secs(24 * 3600)).unwrap();
    let scheduler = Starts::default().of(count.of(Client::memory()), &day);
    scheduler.run_until(tokio::time::sleep(Duration::from_secs(600))).await;
    assert_eq!(count.taken(), 2, "the first look, whose script the engine did not know");
}
