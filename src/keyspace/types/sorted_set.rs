use std::ops::RangeBounds;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared_key::Prepare;
use crate::client::{Slot, Transaction};
use crate::command::sorted_sets::{SortedSetCommands, ZRange};
use crate::queue::Source;
use crate::{Client, Result};

key_type! {
    /// A set of members in the order of their scores.
    SortedSet is SortedSet of Text by items
}

/// The sorted set as the source of a queue.
impl<T> From<&SortedSet<T>> for Source {
    fn from(set: &SortedSet<T>) -> Self {
        Self::SortedSet(set.key().clone())
    }
}

impl<T: Serialize + DeserializeOwned> SortedSet<T> {
    /// Adds members with their scores, or changes the scores of those that are there; returns how many are new. ZADD and EXPIRE as
    /// one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) without a member; [`ErrorKind::Codec`](crate::ErrorKind::Codec)
    /// if a member cannot be stored as text; those of the client.
    pub async fn add(
        &self,
        client: &Client,
        members: impl IntoIterator<Item = (impl Serialize, f64)>,
    ) -> Result<u64> {
        let members = self.scored(members)?;
        self.key.write(client, |transaction| Ok(self.queue_add(transaction, members))).await
    }

    /// Queues [`add`](Self::add) in a transaction.
    ///
    /// # Errors
    /// As for [`SortedSet::add`], without those of the client.
    pub fn add_in(
        &self,
        transaction: &Transaction,
        members: impl IntoIterator<Item = (impl Serialize, f64)>,
    ) -> Result<Slot<u64>> {
        Ok(self.queue_add(transaction, self.scored(members)?))
    }

    fn scored(
        &self,
        members: impl IntoIterator<Item = (impl Serialize, f64)>,
    ) -> Result<Vec<(f64, String)>> {
        let scored = |(member, score)| self.key.encode(&member).map(|text| (score, text));
        self.key.not_empty(members.into_iter().map(scored).collect::<Result<_>>()?)
    }

    fn queue_add(&self, transaction: &Transaction, members: Vec<(f64, String)>) -> Slot<u64> {
        let added = transaction.zadd(self.key(), members);
        self.key.renew(transaction);
        added
    }

    /// Adds to a member's score, which counts as 0 if the member is absent; returns the new score. ZINCRBY and EXPIRE as
    /// one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the member cannot be stored as text; those of the client.
    pub async fn increment(
        &self,
        client: &Client,
        member: &(impl Serialize + ?Sized),
        by: f64,
    ) -> Result<f64> {
        let member = self.key.encode(member)?;
        let increment = |transaction: &Transaction| {
            let score = transaction.zincrby(self.key(), by, member);
            self.key.renew(transaction);
            Ok(score)
        };
        self.key.write(client, increment).await
    }

    /// Removes members; returns how many there were. One ZREM. If several programs remove the same member, only one of them
    /// is told that it was there.
    ///
    /// # Errors
    /// As for [`SortedSet::add`].
    pub async fn remove(
        &self,
        client: &Client,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<u64> {
        client.zrem(self.key(), self.key.encode_all(members)?).await
    }

    /// Queues [`remove`](Self::remove) in a transaction.
    ///
    /// # Errors
    /// As for [`SortedSet::add_in`].
    pub fn remove_in(
        &self,
        transaction: &Transaction,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Slot<u64>> {
        Ok(transaction.zrem(self.key(), self.key.encode_all(members)?))
    }

    /// A member's score, or `None` if it is absent. One ZSCORE, with an EXPIRE in the same round trip if reads renew the
    /// time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the member cannot be stored as text; those of the client.
    pub async fn score(
        &self,
        client: &Client,
        member: &(impl Serialize + ?Sized),
    ) -> Result<Option<f64>> {
        let member = self.key.encode(member)?;
        self.key.read(client, Prepare.zscore(self.key(), member)).await
    }

    /// The members in this range with their scores. One ZRANGE, with an EXPIRE in the same round trip if reads renew the
    /// time to live.
    ///
    /// The ten highest are `ZRange::rank(0, 9).rev()`; the first hundred that are due are
    /// `ZRange::score(..=now).limit(0, 100)`.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if a member is not such a record; those of the client.
    pub async fn range(&self, client: &Client, range: &ZRange) -> Result<Vec<(T, f64)>> {
        let range = Prepare.zrange_withscores::<Bytes>(self.key(), range);
        let members = self.key.read(client, range).await?;
        let decode = |(member, score): (Bytes, f64)| Ok((self.key.decode(&member)?, score));
        members.into_iter().map(decode).collect()
    }

    /// How many members have scores in this range. One ZCOUNT.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn count(&self, client: &Client, scores: impl RangeBounds<f64>) -> Result<u64> {
        client.zcount(self.key(), scores).await
    }

    /// How many members there are. One ZCARD.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn len(&self, client: &Client) -> Result<u64> {
        client.zcard(self.key()).await
    }
}
