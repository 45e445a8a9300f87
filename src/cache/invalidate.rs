//! Deleting what matches a pattern, a batch at a time.

use bytes::Bytes;

use super::outage::Access;
use super::{Cache, lease};
use crate::command::keys::{Cursor, KeyCommands, ScanOptions};
use crate::command::pubsub::PubSubCommands;
use crate::{Pattern, Result};

/// How many keys a step looks at, and at most unlinks: enough to make few round trips, too few to hold up a server.
const BATCH: u64 = 500;

impl Cache {
    /// Deletes every entry that matches a pattern, and keeps loads that are under way from putting it back; tells how
    /// many were there.
    ///
    /// It walks through all keys of the database twice by SCAN, 500 at a time, and unlinks what it finds: the cost
    /// grows with the database, not with the matches. It never uses KEYS.
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, Ttl}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let conversations = Keyspace::new(["user-conversations", "123"])?;
    /// cache.set(&conversations.key(["a"])?, &1, Ttl::seconds(60)).await?;
    /// assert_eq!(cache.delete_matching(&conversations.pattern()).await?, 1);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client's. What was deleted before stays deleted.
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        let count = async {
            self.unlink_matching(&pattern.companions(lease::ROLE)).await?;
            self.unlink_matching(pattern).await
        };
        let count = count.await;
        // The first tier cannot be searched by pattern.
        if let Some(l1) = &self.shared.l1 {
            l1.clear();
        }
        let count = self.counted(Access::Write, count)?;
        if let Some((channel, message)) = self.announcement_of_all() {
            self.counted(Access::Write, self.client.publish(channel, message).await)?;
        }
        self.shared.counters.deleted(count);
        Ok(count)
    }

    async fn unlink_matching(&self, pattern: &Pattern) -> Result<u64> {
        let options = ScanOptions::new().pattern(pattern.as_str()).count(BATCH);
        let (mut cursor, mut count) = (Cursor::default(), 0);
        loop {
            let page = self.client.scan::<Bytes>(&cursor, &options).await?;
            for keys in page.items.chunks(BATCH as usize) {
                count += self.client.unlink(keys).await?;
            }
            cursor = page.cursor;
            if cursor.is_done() {
                return Ok(count);
            }
        }
    }
}
