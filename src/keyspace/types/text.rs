use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Slot, Transaction};
use crate::command::strings::StringCommands;
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
