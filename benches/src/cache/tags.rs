//! Invalidating a tag that few, many and very many entries have, on a real redis-server.

use std::time::Instant;

use anyhow::Result;
use edgecask::cache::{Cache, EntryOptions, Ttl};
use edgecask::{Client, Key};

use crate::throughput::{Server, median};

const ROUNDS: usize = 101;

/// Microseconds, and the ratio to the fewest entries.
pub(crate) struct Tagged {
    pub(crate) entries: usize,
    pub(crate) micros: f64,
    pub(crate) ratio: f64,
}

pub(crate) fn measure() -> Result<Vec<Tagged>> {
    let server = Server::redis()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sizes = [10, 1_000, 1_000_000];
    let micros = runtime.block_on(async {
        let cache = Cache::new(Client::tcp(server.url())?);
        for entries in sizes {
            let keys: Vec<Key> = (0..entries)
                .map(|number| Key::verbatim(format!("{entries}:{number}")))
                .collect::<Result<_, _>>()?;
            let options = EntryOptions::new(Ttl::seconds(3600)).tags([entries.to_string()]);
            for keys in keys.chunks(1000) {
                cache.set_many(keys.iter().map(|key| (key, &1)), options.clone()).await?;
            }
        }
        let mut rounds: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for (entries, rounds) in sizes.iter().zip(&mut rounds) {
                let start = Instant::now();
                cache.invalidate_tags([entries.to_string()]).await?;
                rounds.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        for entries in sizes {
            let found = cache.get::<i32>(&Key::verbatim(format!("{entries}:7"))?).await?;
            anyhow::ensure!(found.is_none(), "an invalidated entry is served");
        }
        Ok(rounds)
    })?;
    let ratio = |own: &[f64]| median(own.iter().zip(&micros[0]).map(|(own, few)| own / few));
    Ok(sizes
        .into_iter()
        .zip(&micros)
        .map(|(entries, own)| Tagged {
            entries,
            micros: median(own.iter().copied()),
            ratio: ratio(own),
        })
        .collect())
}
