//! Three processes with the same schedule; each second is started by one of them.
//! Run it with `cargo run --example schedules`.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use edgecask::Client;
use edgecask::schedule::{Schedule, Scheduler};
use edgecask::transport::memory::MemoryTransport;
use futures_util::future::join_all;

#[tokio::main(flavor = "current_thread")]
async fn main() -> edgecask::Result<()> {
    let engine = MemoryTransport::new();
    let mut processes = Vec::new();
    for process in ["one", "two", "three"] {
        let tick = Schedule::every("tick", Duration::from_secs(1))?;
        let scheduler = Scheduler::builder(Client::new(engine.clone()))
            .schedule(tick, move |run| async move {
                println!("process {process} runs slot {}, {:?} late", run.fence(), run.late());
                Ok(())
            })
            .build()?;
        processes.push(scheduler);
    }
    let stop = || tokio::time::sleep(Duration::from_millis(3500));
    join_all(processes.iter().map(|scheduler| scheduler.run_until(stop()))).await;
    for record in processes[0].records("tick", 10).await? {
        println!("{record:?}");
    }
    Ok(())
}
