use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared_key::Prepare;
use crate::client::{Slot, Transaction};
use crate::command::lists::ListCommands;
use crate::queue::Source;
use crate::{Client, Result};

key_type! {
    /// A list of items. The front is Redis's head, the left end.
    List is List of Text by items
}

/// The list as the source of a queue.
impl<T> From<&List<T>> for Source {
    fn from(list: &List<T>) -> Self {
        Self::List(list.key().clone())
    }
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Adds items at the front, one after the other; returns the length before surplus items are dropped. LPUSH and EXPIRE
    /// as one transaction. If the declaration has `keep`, LTRIM drops surplus items at the back.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) without an item;
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if an item is `None` or cannot be encoded; those of the client.
    pub async fn push_front(
        &self,
        client: &Client,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<u64> {
        let items = self.key.encode_all(items)?;
        self.key.write(client, |transaction| Ok(self.queue_front(transaction, items))).await
    }

    /// Queues [`push_front`](Self::push_front) in a transaction.
    ///
    /// # Errors
    /// As for [`List::push_front`], without those of the client.
    pub fn push_front_in(
        &self,
        transaction: &Transaction,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Slot<u64>> {
        Ok(self.queue_front(transaction, self.key.encode_all(items)?))
    }

    /// Adds items at the back, one after the other; returns the length before surplus items are dropped. RPUSH and EXPIRE
    /// as one transaction. If the declaration has `keep`, LTRIM drops surplus items at the front.
    ///
    /// # Errors
    /// As for [`List::push_front`].
    pub async fn push_back(
        &self,
        client: &Client,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<u64> {
        let items = self.key.encode_all(items)?;
        self.key.write(client, |transaction| Ok(self.queue_back(transaction, items))).await
    }

    /// Queues [`push_back`](Self::push_back) in a transaction.
    ///
    /// # Errors
    /// As for [`List::push_front_in`].
    pub fn push_back_in(
        &self,
        transaction: &Transaction,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Slot<u64>> {
        Ok(self.queue_back(transaction, self.key.encode_all(items)?))
    }

    fn queue_front(&self, transaction: &Transaction, items: Vec<String>) -> Slot<u64> {
        let length = transaction.lpush(self.key(), items);
        if let Some(keep) = self.key.keep() {
            let _ = transaction.ltrim(self.key(), 0, i64::from(keep) - 1);
        }
        self.key.renew(transaction);
        length
    }

    fn queue_back(&self, transaction: &Transaction, items: Vec<String>) -> Slot<u64> {
        let length = transaction.rpush(self.key(), items);
        if let Some(keep) = self.key.keep() {
            let _ = transaction.ltrim(self.key(), -i64::from(keep), -1);
        }
        self.key.renew(transaction);
        length
    }

    /// Removes and returns the item at the front, or `None` if the list is empty. One LPOP. If the answer is lost, so is
    /// the item.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the item is not such a record, although it was removed; those of
    /// the client.
    pub async fn pop_front(&self, client: &Client) -> Result<Option<T>> {
        let item: Option<Bytes> = client.lpop(self.key()).await?;
        item.map(|item| self.key.decode(&item)).transpose()
    }

    /// Removes and returns the item at the back, or `None` if the list is empty. One RPOP. If the answer is lost, so is the
    /// item.
    ///
    /// # Errors
    /// As for [`List::pop_front`].
    pub async fn pop_back(&self, client: &Client) -> Result<Option<T>> {
        let item: Option<Bytes> = client.rpop(self.key()).await?;
        item.map(|item| self.key.decode(&item)).transpose()
    }

    /// The items from `start` to `stop`, both included; negative numbers count from the back. One LRANGE, with an EXPIRE in
    /// the same round trip if reads renew the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if an item is not such a record; those of the client.
    pub async fn range(&self, client: &Client, start: i64, stop: i64) -> Result<Vec<T>> {
        let items: Vec<Bytes> =
            self.key.read(client, Prepare.lrange(self.key(), start, stop)).await?;
        self.key.decode_all(&items)
    }

    /// Removes all items that are equal to this one; returns how many. One LREM.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the item is `None` or cannot be encoded; those of the client.
    pub async fn remove(&self, client: &Client, item: &(impl Serialize + ?Sized)) -> Result<u64> {
        client.lrem(self.key(), 0, self.key.encode(item)?).await
    }

    /// How many items there are. One LLEN.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn len(&self, client: &Client) -> Result<u64> {
        client.llen(self.key()).await
    }
}
