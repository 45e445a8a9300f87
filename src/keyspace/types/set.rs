use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared_key::Prepare;
use crate::client::{Slot, Transaction};
use crate::command::sets::SetCommands;
use crate::{Client, Result};

key_type! {
    /// A set of members, without an order.
    Set is Set of Text by items
}

impl<T: Serialize + DeserializeOwned> Set<T> {
    /// Adds members; returns how many are new. SADD and EXPIRE as one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) without a member;
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if a member is `None` or cannot be encoded; those of the client.
    pub async fn add(
        &self,
        client: &Client,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<u64> {
        let members = self.key.encode_all(members)?;
        self.key.write(client, |transaction| Ok(self.queue_add(transaction, members))).await
    }

    /// Queues [`add`](Self::add) in a transaction.
    ///
    /// # Errors
    /// As for [`Set::add`], without those of the client.
    pub fn add_in(
        &self,
        transaction: &Transaction,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Slot<u64>> {
        Ok(self.queue_add(transaction, self.key.encode_all(members)?))
    }

    fn queue_add(&self, transaction: &Transaction, members: Vec<String>) -> Slot<u64> {
        let added = transaction.sadd(self.key(), members);
        self.key.renew(transaction);
        added
    }

    /// Removes members; returns how many there were. One SREM.
    ///
    /// # Errors
    /// As for [`Set::add`].
    pub async fn remove(
        &self,
        client: &Client,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<u64> {
        client.srem(self.key(), self.key.encode_all(members)?).await
    }

    /// Queues [`remove`](Self::remove) in a transaction.
    ///
    /// # Errors
    /// As for [`Set::add_in`].
    pub fn remove_in(
        &self,
        transaction: &Transaction,
        members: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Slot<u64>> {
        Ok(transaction.srem(self.key(), self.key.encode_all(members)?))
    }

    /// Whether it has this member. One SISMEMBER, with an EXPIRE in the same round trip if reads renew the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the member is `None` or cannot be encoded; those of the client.
    pub async fn contains(
        &self,
        client: &Client,
        member: &(impl Serialize + ?Sized),
    ) -> Result<bool> {
        let member = self.key.encode(member)?;
        self.key.read(client, Prepare.sismember(self.key(), member)).await
    }

    /// All members, in no order. One SMEMBERS, with an EXPIRE in the same round trip if reads renew the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if a member is not such a record; those of the client.
    pub async fn members(&self, client: &Client) -> Result<Vec<T>> {
        let members: Vec<Bytes> = self.key.read(client, Prepare.smembers(self.key())).await?;
        self.key.decode_all(&members)
    }

    /// How many members there are. One SCARD.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn len(&self, client: &Client) -> Result<u64> {
        client.scard(self.key()).await
    }
}
