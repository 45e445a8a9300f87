//! Invalidates in Redis and in the tiers before it.

use std::sync::Arc;

use bytes::Bytes;

use super::Progress;
use super::bus::{Announcement, Bus};
use super::tag_versions::TagVersions;
use crate::cache::entry::{LEASE_ROLE, lease_key};
use crate::cache::tiers::{Edge, L1};
use crate::client::{Client, Pipeline, ScriptBatch, Slot};
use crate::command::Command;
use crate::command::keys::{Cursor, KeyCommands, ScanOptions};
use crate::command::pubsub::PubSubCommands;
use crate::platform::MaybeSend;
use crate::{Key, Pattern, Result, Value};

/// How many keys one step of a scan visits, and deletes at most: many, so that there are few round trips; few, so that no
/// step blocks the server for long.
const BATCH: u64 = 500;

/// Invalidates by key, tag and pattern. It does not handle outages.
#[derive(Clone)]
pub(crate) struct Invalidator {
    client: Client,
    tags: TagVersions,
    l1: Option<Arc<L1>>,
    edge: Option<Arc<Edge>>,
    bus: Option<Bus>,
}

/// The result of one step of a scan.
pub(crate) struct Page {
    pub(crate) next: Cursor,
    found: u64,
    deleted: u64,
}

impl Invalidator {
    pub(crate) fn new(
        client: Client,
        tags: TagVersions,
        l1: Option<Arc<L1>>,
        edge: Option<Arc<Edge>>,
        bus: Option<Bus>,
    ) -> Self {
        Self { client, tags, l1, edge, bus }
    }

    /// Drops keys from this process's memory.
    pub(crate) fn forget(&self, keys: &[Key]) {
        if let Some(l1) = &self.l1 {
            keys.iter().for_each(|key| l1.remove(key.as_str()));
        }
    }

    /// Drops entries with these tags from this process's memory.
    pub(super) fn forget_tags(&self, tags: &[String]) {
        if let Some(l1) = &self.l1 {
            l1.forget_tags(tags);
        }
    }

    /// Drops everything from this process's memory.
    pub(super) fn forget_all(&self) {
        if let Some(l1) = &self.l1 {
            l1.clear();
        }
    }

    /// Deletes keys from the store at the edge.
    pub(crate) async fn forget_at_edge(&self, keys: &[impl AsRef<str>]) {
        if let Some(edge) = &self.edge {
            edge.forget_many(keys).await;
        }
    }

    /// Deletes entries and their leases; returns how many entries there were. Two UNLINKs in one round trip, and a PUBLISH
    /// where there is a bus.
    pub(crate) async fn delete(&self, keys: &[Key]) -> Result<u64> {
        let pipeline = self.client.pipeline();
        // The leases are deleted first: a load that still has its lease afterwards began later.
        let leases = pipeline.unlink(keys.iter().map(lease_key));
        let entries = pipeline.unlink(keys);
        let announced = self.queue_announcement(&pipeline, keys);
        let replies = pipeline.exec().await;
        self.forget_at_edge(keys).await;
        let mut replies = replies?;
        replies.take(leases)?;
        let count = replies.take(entries)?;
        announced.map_or(Ok(0), |slot| replies.take(slot))?;
        Ok(count)
    }

    fn queue_announcement(&self, pipeline: &Pipeline, keys: &[Key]) -> Option<Slot<u64>> {
        let Announcement { channel, message } = self.bus.as_ref()?.keys(keys)?;
        Some(pipeline.publish(channel, message))
    }

    /// Gives each tag a new version. One script for each, and a PUBLISH where there is a bus, in one round trip.
    pub(crate) async fn renew_tags(&self, tags: &[String]) -> Result<()> {
        let mut batch = ScriptBatch::new(&self.client);
        let mut places = self.tags.queue_renew(&mut batch, tags)?;
        let announcement = self.bus.as_ref().and_then(|bus| bus.tags(tags));
        places.extend(announcement.map(|announcement| announcement.queue(&mut batch)));
        let mut replies = batch.exec().await?;
        places.into_iter().try_for_each(|place| replies.take::<Value>(place).map(|_| ()))
    }

    /// Deletes the leases of all entries that match, and then the entries; returns how many entries there were.
    pub(super) async fn delete_matching(
        &self,
        pattern: &Pattern,
        progress: &mut (impl FnMut(Progress) + MaybeSend),
    ) -> Result<u64> {
        let (mut so_far, mut entries) = (Progress::default(), 0);
        for leases in [true, false] {
            let mut cursor = Cursor::default();
            loop {
                let page = self.delete_page(pattern, leases, |_| true, &cursor).await?;
                so_far.steps += 1;
                so_far.deleted += page.found;
                entries += if leases { 0 } else { page.deleted };
                progress(so_far);
                cursor = page.next;
                if cursor.is_done() {
                    break;
                }
            }
        }
        self.announce_all().await?;
        Ok(entries)
    }

    /// Announces on the bus that everything may have changed.
    pub(crate) async fn announce_all(&self) -> Result<()> {
        if let Some(Announcement { channel, message }) = self.bus.as_ref().and_then(Bus::all) {
            self.client.publish(channel, message).await?;
        }
        Ok(())
    }

    /// Deletes the keys on one page of a scan that match and are selected, or their leases.
    pub(crate) async fn delete_page(
        &self,
        pattern: &Pattern,
        leases: bool,
        is_selected: impl Fn(&[u8]) -> bool + MaybeSend,
        cursor: &Cursor,
    ) -> Result<Page> {
        let companions = leases.then(|| pattern.companions(LEASE_ROLE));
        let pattern = companions.as_ref().unwrap_or(pattern);
        let options = ScanOptions::new().pattern(pattern.as_str()).count(BATCH);
        let mut page = self.client.scan::<Bytes>(cursor, &options).await?;
        page.items.retain(|key| is_selected(key));
        let mut deleted = 0;
        for keys in page.items.chunks(BATCH as usize) {
            deleted += self.client.unlink(keys).await?;
            // The store at the edge holds no leases.
            if !leases {
                let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
                self.forget_at_edge(&names).await;
            }
        }
        Ok(Page { next: page.cursor, found: page.items.len() as u64, deleted })
    }
}

impl Announcement<'_> {
    /// Queues the message; returns the place of its reply.
    pub(crate) fn queue(self, batch: &mut ScriptBatch) -> usize {
        batch.command(Command::new("PUBLISH").arg(self.channel).arg(self.message))
    }
}
