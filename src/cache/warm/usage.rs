use crate::command::keys::KeyCommands;
use crate::command::sorted_sets::{SortedSetCommands, ZRange};
use crate::platform::unix_micros;
use crate::{Client, Key, Keyspace, Result};

/// Records which identifiers were used last and most often, for [warming](crate::cache::Cache::warm). It keeps a limited
/// number in two sorted sets.
///
/// ```
/// use edgecask::{Client, Keyspace, cache::Usage};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let usage = Usage::new(Client::memory(), &Keyspace::new(["app", "user"])?, 1000)?;
/// for id in ["ada", "grace", "ada", "alan"] {
///     usage.record(id).await?;
/// }
/// assert_eq!(usage.most_recent(10).await?.len(), 3);
/// assert_eq!(usage.most_used(1).await?, ["ada"]);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Usage {
    client: Client,
    recent: Key,
    frequent: Key,
    most: u64,
}

impl Usage {
    /// The usage of identifiers in this keyspace, in the keys `{keyspace}:usage:recent` and `{keyspace}:usage:frequent`. At
    /// most `most` identifiers are kept.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the keys are too long.
    pub fn new(client: Client, keyspace: &Keyspace, most: u64) -> Result<Self> {
        let recent = keyspace.key(["usage", "recent"])?;
        Ok(Self { client, recent, frequent: keyspace.key(["usage", "frequent"])?, most })
    }

    /// Records a use of an identifier. Four commands in one round trip.
    ///
    /// # Errors
    /// The client's.
    pub async fn record(&self, id: &str) -> Result<()> {
        let most = -1 - self.most.min(i64::MAX as u64 - 1) as i64;
        let pipeline = self.client.pipeline();
        let recent = pipeline.zadd(&self.recent, [(unix_micros() as f64, id)]);
        let frequent = pipeline.zincrby(&self.frequent, 1.0, id);
        let (first, second) = (
            pipeline.zremrangebyrank(&self.recent, 0, most),
            pipeline.zremrangebyrank(&self.frequent, 0, most),
        );
        let mut replies = pipeline.exec().await?;
        replies.take(recent)?;
        replies.take(frequent)?;
        replies.take(first)?;
        replies.take(second)?;
        Ok(())
    }

    /// The identifiers that were used last, the last one first. One command.
    ///
    /// # Errors
    /// The client's.
    pub async fn most_recent(&self, count: u64) -> Result<Vec<String>> {
        self.top(&self.recent, count).await
    }

    /// The identifiers that were used most often, the most frequent one first. One command.
    ///
    /// # Errors
    /// The client's.
    pub async fn most_used(&self, count: u64) -> Result<Vec<String>> {
        self.top(&self.frequent, count).await
    }

    /// Deletes both sorted sets. One command.
    ///
    /// # Errors
    /// The client's.
    pub async fn clear(&self) -> Result<()> {
        self.client.unlink([&self.recent, &self.frequent]).await.map(|_| ())
    }

    async fn top(&self, key: &Key, count: u64) -> Result<Vec<String>> {
        match i64::try_from(count).unwrap_or(i64::MAX) {
            0 => Ok(Vec::new()),
            count => self.client.zrange(key, &ZRange::rank(0, count - 1).rev()).await,
        }
    }
}
