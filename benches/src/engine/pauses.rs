//! The longest time that a caller waits for a command while a million keys expire, are evicted or are saved.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgecask::Client;
use edgecask::prelude::*;
use edgecask::transport::memory::{Eviction, MemoryOptions, MemoryTransport};

const KEYS: usize = 1_000_000;

pub(crate) struct Row {
    pub(super) what: &'static str,
    pub(super) longest: Duration,
    /// The time that 999 of 1000 commands do not exceed.
    pub(super) high: Duration,
    /// How long it took until all was done.
    pub(super) all: Duration,
}

/// The times of commands.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn of(&mut self, command: impl Future<Output = edgecask::Result<()>>) -> Result<()> {
        let begin = Instant::now();
        command.await?;
        self.0.push(begin.elapsed());
        Ok(())
    }

    fn row(mut self, what: &'static str, all: Duration) -> Result<Row> {
        self.0.sort_unstable();
        ensure!(self.0.len() > 1000, "only {} commands", self.0.len());
        let high = self.0[self.0.len() * 999 / 1000];
        Ok(Row { what, longest: self.0[self.0.len() - 1], high, all })
    }
}

async fn fill(client: &Client, more: impl Fn(Command) -> Command) -> Result<()> {
    for number in 0..KEYS {
        let set = Command::new("SET").arg(format!("key:{number}")).arg(format!("{number:0>64}"));
        client.send(&more(set)).await?;
    }
    Ok(())
}

async fn get(client: &Client, number: usize) -> edgecask::Result<()> {
    client.get::<String>(format!("key:{}", number % KEYS)).await.map(drop)
}

async fn set(client: &Client, number: usize) -> edgecask::Result<()> {
    client
        .set(format!("key:{}", number * 7919 % (2 * KEYS)), format!("{number:0>64}"))
        .await
        .map(drop)
}

pub(super) async fn measure() -> Result<Vec<Row>> {
    Ok(vec![expire().await?, evict(1).await?, evict(2).await?, save().await?])
}

async fn expire() -> Result<Row> {
    let engine = Client::new(MemoryTransport::with_options(&MemoryOptions::new().max_bytes(0)));
    let at = edgecask::platform::unix_millis() + 8000;
    fill(&engine, |set| set.arg("PXAT").arg(at)).await?;
    ensure!(edgecask::platform::unix_millis() < at, "they expired before all were there");
    while edgecask::platform::unix_millis() + 100 < at {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (mut times, begin) = (Times::default(), Instant::now());
    // A quarter of a second of callers without a pause, and then until the last key is gone.
    let mut number = 0;
    let used = |text: String| text.contains("used_memory:0\r");
    let mut done = None;
    while done.is_none() {
        for _ in 0..1000 {
            number += 1;
            times.of(get(&engine, number)).await?;
        }
        let info = engine.send(&Command::new("INFO").arg("memory")).await?;
        let text = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
        done = used(text).then(|| begin.elapsed().saturating_sub(Duration::from_millis(100)));
    }
    times.row("GET while a million keys expire at once", done.unwrap_or_default())
}

/// Writes to a full engine, whose limit becomes this part of what it holds.
async fn evict(part: usize) -> Result<Row> {
    let options = MemoryOptions::new().max_bytes(0).eviction(Eviction::AllKeysLru);
    let engine = Client::new(MemoryTransport::with_options(&options));
    fill(&engine, |set| set).await?;
    let info = engine.send(&Command::new("INFO").arg("memory")).await?;
    let text = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
    let used = text.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok());
    let limit: usize = used.unwrap_or(0) / part;
    engine.config_set("maxmemory", limit).await?;
    let (mut times, begin) = (Times::default(), Instant::now());
    for number in 0..200_000 {
        times.of(set(&engine, number)).await?;
    }
    let what = match part {
        1 => "SET of new keys at `maxmemory`, a million keys, `allkeys-lru`",
        _ => "the same after `maxmemory` was halved",
    };
    times.row(what, begin.elapsed())
}

async fn save() -> Result<Row> {
    let folder = std::env::temp_dir().join(format!("edgecask-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let options = MemoryOptions::new().max_bytes(0).snapshot(folder.join("data.rdb")).every(None);
    let transport = MemoryTransport::open(&options)?;
    let engine = Client::new(transport.clone());
    fill(&engine, |set| set).await?;
    let saver = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let begin = Instant::now();
        runtime
            .map(|runtime| runtime.block_on(transport.save()))
            .map(|saved| (saved, begin.elapsed()))
    });
    let (mut times, mut number) = (Times::default(), 0);
    while !saver.is_finished() {
        number += 1;
        times.of(set(&engine, number)).await?;
    }
    let (saved, took) = saver.join().map_err(|_| anyhow::anyhow!("the save panicked"))??;
    saved?;
    drop(engine);
    std::fs::remove_dir_all(&folder)?;
    times.row("SET while a million keys are saved", took)
}
