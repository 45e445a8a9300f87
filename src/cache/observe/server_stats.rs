use serde::Serialize;

use crate::Result;
use crate::client::Client;
use crate::command::server::ServerCommands;

/// Statistics of a Redis server, from INFO. A figure that the server does not report is `None`; Upstash reports few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerStats {
    /// Memory in use, in bytes.
    pub memory_used: Option<u64>,
    /// Clients connected.
    pub connected_clients: Option<u64>,
    /// Commands carried out since the server started.
    pub total_commands_processed: Option<u64>,
    /// Lookups that found a key.
    pub keyspace_hits: Option<u64>,
    /// Lookups that found none.
    pub keyspace_misses: Option<u64>,
    /// Keys evicted because memory ran out.
    pub evicted_keys: Option<u64>,
}

impl ServerStats {
    /// Reads the statistics of the client's server. One INFO.
    ///
    /// ```
    /// use edgecask::{Client, cache::ServerStats};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let stats = ServerStats::of(&Client::memory()).await?;
    /// println!("{}", stats.prometheus());
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client's.
    pub async fn of(client: &Client) -> Result<Self> {
        Ok(Self::parse(&client.info("").await?))
    }

    fn parse(info: &str) -> Self {
        let figure = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().parse().ok()
        };
        Self {
            memory_used: figure("used_memory"),
            connected_clients: figure("connected_clients"),
            total_commands_processed: figure("total_commands_processed"),
            keyspace_hits: figure("keyspace_hits"),
            keyspace_misses: figure("keyspace_misses"),
            evicted_keys: figure("evicted_keys"),
        }
    }

    /// The part of the lookups that found a key, from 0 to 1.
    pub fn hit_rate(&self) -> Option<f64> {
        let (hits, misses) = (self.keyspace_hits?, self.keyspace_misses?);
        (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64)
    }
}
