use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use edgecask::Client;
use edgecask::schedule::{Schedule, Scheduler};
use edgecask_tests::{Count, MovedClock, Place, until};
use futures_util::future::poll_immediate;
use tokio::sync::oneshot;

use super::{Starts, ago, decided, every, period};
use crate::seeded::{again, finished};

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

/// A test that runs by itself in another process, whose monotonic clock it moves by ten minutes at a time.
#[tokio::test]
async fn a_scheduler_between_slots_asks_once_an_hour_for_each_schedule() {
    const NAME: &str =
        "schedule::costs::a_scheduler_between_slots_asks_once_an_hour_for_each_schedule";
    let Some(clock) = MovedClock::of_this_program() else {
        let folder = tempfile::tempdir().unwrap();
        let mut process = again(NAME, &[]);
        process.envs(MovedClock::new(folder.path()).variables()).stdout(Stdio::piped());
        return finished(process.spawn().unwrap()).await;
    };
    let client = Client::memory();
    let month = SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    let scheduler = |client: Client| {
        let builder = ["one", "two"].iter().fold(Scheduler::builder(client), |builder, name| {
            builder.schedule(Schedule::once(*name, month).unwrap(), |_| async { Ok(()) })
        });
        builder.build().unwrap()
    };
    // The script becomes known to the engine.
    scheduler(client.clone()).run_due().await.unwrap();
    let (count, (stop, stopped)) = (Count::default(), oneshot::channel::<()>());
    let three_hours = async {
        for step in 1..=18 {
            // Each of the scheduler's timers that has passed is seen with this one.
            let (passed, timer) = (601 * step, tokio::time::sleep(Duration::from_secs(600)));
            clock.set_passed(passed);
            let mut timer = pin!(timer);
            until(async || poll_immediate(timer.as_mut()).await.is_some()).await;
        }
        drop(stop);
    };
    let stopped = async { stopped.await.unwrap_or_default() };
    let scheduler = scheduler(count.of(client));
    futures_util::join!(scheduler.run_until(stopped), three_hours);
    assert_eq!(count.taken(), 2 * (1 + 3), "at first, and after each hour");
}
