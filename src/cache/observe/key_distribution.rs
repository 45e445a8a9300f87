use std::collections::BTreeMap;

use serde::Serialize;

use crate::Result;
use crate::cache::Cache;
use crate::command::keys::{Cursor, KeyCommands, ScanOptions};

/// The number of keys in each namespace, in a sample of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyDistribution {
    /// How many keys were sampled.
    pub sampled: u64,
    /// Whether the sample is the whole database.
    pub complete: bool,
    /// Each namespace, as the first parts of its keys, with its number of keys.
    pub namespaces: BTreeMap<String, u64>,
}

impl Cache {
    /// Counts the keys of the database by namespace: the first `parts` parts of each key, which colons separate. It samples
    /// `sample` keys or a few more by SCAN, 500 a round trip.
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, Ttl}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let users = Keyspace::new(["app", "user"])?;
    /// cache.set(&users.key(["1"])?, "Ada", Ttl::seconds(60)).await?;
    /// let distribution = cache.key_distribution(2, 10_000).await?;
    /// assert_eq!(distribution.namespaces["app:user"], 1);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client's.
    pub async fn key_distribution(&self, parts: usize, sample: u64) -> Result<KeyDistribution> {
        let options = ScanOptions::new().count(500);
        let (mut cursor, mut distribution) = (Cursor::default(), KeyDistribution::default());
        while distribution.sampled < sample {
            let page = self.core.direct.scan::<bytes::Bytes>(&cursor, &options).await?;
            for key in &page.items {
                distribution.sampled += 1;
                let namespace = namespace_of(&String::from_utf8_lossy(key), parts);
                *distribution.namespaces.entry(namespace).or_default() += 1;
            }
            cursor = page.cursor;
            if cursor.is_done() {
                distribution.complete = true;
                break;
            }
        }
        Ok(distribution)
    }
}

/// The first parts of a key. The last part is the identifier, and never included.
fn namespace_of(key: &str, parts: usize) -> String {
    let all: Vec<&str> = key.split(':').collect();
    all[..parts.min(all.len().saturating_sub(1))].join(":")
}
