use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Slot, Transaction};
use crate::command::strings::StringCommands;
use crate::lock::{Lock, Locks};
use crate::{Client, Result};

key_type! {
    /// A value as text in a string, in the form of an [item](crate::keyspace::types).
    Text is String of Text by items
}

impl<T: Serialize + DeserializeOwned> Text<T> {
    /// The value, or `None` if the key is absent. One GET, or one GETEX if reads renew the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the text is not such a value; those of the client.
    pub async fn get(&self, client: &Client) -> Result<Option<T>> {
        let text: Option<Bytes> = self.key.get(client).await?;
        text.map(|text| self.key.decode(&text)).transpose()
    }

    /// Stores the value, with the keyspace's time to live. One SET.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if it is `None` or cannot be encoded; those of the client.
    pub async fn set(&self, client: &Client, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let text = self.key.encode(value)?;
        self.key.set(client, text).await.map(drop)
    }

    /// Queues [`set`](Self::set) in a transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if it cannot be stored as text.
    pub fn set_in(
        &self,
        transaction: &Transaction,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Slot<bool>> {
        let text = self.key.encode(value)?;
        Ok(self.key.set(transaction, text))
    }

    /// Stores the value if the key is absent, with the keyspace's time to live; returns whether it was. One SET with `NX`.
    ///
    /// # Errors
    /// As for [`Text::set`].
    pub async fn set_if_absent(
        &self,
        client: &Client,
        value: &(impl Serialize + ?Sized),
    ) -> Result<bool> {
        let text = self.key.encode(value)?;
        client.set_with(self.key(), text, self.key.set_options().nx()).await
    }
}

impl Text<String> {
    /// The lock whose holder this key names, with the keyspace's time to live: the same as [`Locks::lock`] with this key.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::lock::Locks;
    ///
    /// edgecask::keyspaces! {
    ///     mod shop, owner: "shop" {
    ///         /// The lock for changing an order.
    ///         order_lock(id: u64) => Text<String>, "lock:order:{id}", ttl: 60 seconds;
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let locks = Locks::new(client.clone());
    /// let guard = shop::order_lock(7)?.lock(&locks).acquire().await?;
    /// assert_eq!(shop::order_lock(7)?.get(&client).await?.as_deref(), Some(guard.token()));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, locks: &Locks) -> Lock {
        let lock = locks.lock(self.key().clone());
        match self.key.ttl().after_write() {
            Some(ttl) => lock.ttl(ttl),
            None => lock,
        }
    }
}
