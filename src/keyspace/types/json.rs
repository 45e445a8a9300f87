use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Slot, Transaction};
use crate::command::strings::StringCommands;
use crate::{Change, Client, Error, ErrorKind, Result};

key_type! {
    /// A record as JSON text in a string.
    Json is String of Json by json
}

impl<T: Serialize + DeserializeOwned> Json<T> {
    /// The record, or `None` if the key is absent. One GET, or one GETEX if reads renew the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the stored value is not such a record; those of the client.
    pub async fn get(&self, client: &Client) -> Result<Option<T>> {
        let text: Option<Bytes> = self.key.get(client).await?;
        text.map(|text| self.decode(&text)).transpose()
    }

    /// Stores the record, with the keyspace's time to live. One SET.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it cannot be encoded; those of the client.
    pub async fn set(&self, client: &Client, record: &T) -> Result<()> {
        let text = self.encode(record)?;
        self.key.set(client, text).await.map(drop)
    }

    /// Queues [`set`](Self::set) in a transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it cannot be encoded.
    pub fn set_in(&self, transaction: &Transaction, record: &T) -> Result<Slot<bool>> {
        Ok(self.key.set(transaction, self.encode(record)?))
    }

    /// Changes the record, and keeps its remaining time to live; returns the new record, or `None` if the key is absent. If
    /// another client changes the record at the same time, `change` is called again with the record of that client. See
    /// [`Client::update`] for the cost.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the stored value is not such a record, or the new one cannot be encoded; those of
    /// [`Client::update`].
    pub async fn update(
        &self,
        client: &Client,
        mut change: impl FnMut(&mut T),
    ) -> Result<Option<T>> {
        let mut outcome = Ok(None);
        let update = client.update(self.key(), |old| {
            let changed = old.map(|old| {
                let mut record = self.decode(old)?;
                change(&mut record);
                let text = self.encode(&record)?;
                Ok((record, text))
            });
            let (record, change) = match changed.transpose() {
                Ok(Some((record, text))) => (Ok(Some(record)), Change::from(text)),
                Ok(None) => (Ok(None), Change::Keep),
                Err(error) => (Err(error), Change::Keep),
            };
            outcome = record;
            change
        });
        update.await?;
        outcome
    }

    /// As [`Json::update`]. If the key is absent, `initial` is changed and stored with the keyspace's time to live, which
    /// costs one more SET.
    ///
    /// # Errors
    /// As for [`Json::update`].
    pub async fn upsert(
        &self,
        client: &Client,
        initial: impl Fn() -> T,
        mut change: impl FnMut(&mut T),
    ) -> Result<T> {
        const TRIES: u32 = 32;
        for _ in 0..TRIES {
            if let Some(record) = self.update(client, &mut change).await? {
                return Ok(record);
            }
            let mut record = initial();
            change(&mut record);
            let options = self.key.set_options().nx();
            if client.set_with(self.key(), self.encode(&record)?, options).await? {
                return Ok(record);
            }
        }
        let text = format!("other clients created and deleted '{}' each time", self.key());
        Err(Error::new(ErrorKind::Conflict, text))
    }

    fn decode(&self, text: &[u8]) -> Result<T> {
        serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let text = format!(
                "the content of '{}' is not the JSON of its record (line {line}, column {column})",
                self.key()
            );
            Error::new(ErrorKind::Codec, text)
        })
    }

    fn encode(&self, record: &T) -> Result<String> {
        serde_json::to_string(record).map_err(|_| {
            Error::new(
                ErrorKind::Codec,
                format!("the record of '{}' cannot be encoded as JSON", self.key()),
            )
        })
    }
}
