use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Transaction;
use crate::command::hashes::HashCommands;
use crate::command::keys::KeyCommands;
use crate::keyspace::record;
use crate::keyspace::stored::{self, Mismatch, Stored};
use crate::{Client, Error, ErrorKind, Result};

key_type! {
    /// A record as a hash, one field each.
    ///
    /// A text field stands in Redis as it is, a number by its digits, a boolean as `true` or `false`, and whatever has parts as
    /// JSON text. A field that is `None` is absent.
    ///
    /// Each call is one round trip. What changes the hash and its time to live is one transaction.
    Hash is Hash
}

impl<T> Hash<T> {
    fn renew(&self, transaction: &Transaction) {
        if let Some(seconds) = self.ttl.on_write() {
            let _ = transaction.expire(&self.key, seconds);
        }
    }

    fn checked(&self, fields: Vec<(String, String)>) -> Result<Vec<(String, String)>> {
        if fields.is_empty() {
            let text = format!("the record of '{}' has no field to store", self.key);
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        Ok(fields)
    }
}

impl<T: DeserializeOwned> Hash<T> {
    #[doc(hidden)]
    pub fn decodes(stored: &Stored) -> Result<(), Mismatch> {
        match stored {
            Stored::Hash(fields) => stored::fields::<T>(fields),
            other => Err(other.mismatch()),
        }
    }
}

impl<T: Serialize + DeserializeOwned> Hash<T> {
    /// The record, or `None` if the key is absent. One HGETALL; an EXPIRE in the same round trip where a read renews the time
    /// to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] with the field that does not decode; those of the client.
    pub async fn get(&self, client: &Client) -> Result<Option<T>> {
        let fields: HashMap<String, Bytes> = match self.ttl.on_read() {
            Some(seconds) => {
                let pipeline = client.pipeline();
                let fields = pipeline.hgetall(&self.key);
                let _ = pipeline.expire(&self.key, seconds);
                pipeline.exec().await?.take(fields)?
            }
            None => client.hgetall(&self.key).await?,
        };
        if fields.is_empty() {
            return Ok(None);
        }
        record::from_fields(&fields).map(Some).map_err(|error| {
            Error::new(
                ErrorKind::Codec,
                format!("what '{}' holds is no such record: {error}", self.key),
            )
        })
    }

    /// Replaces the whole record, and sets the keyspace's time to live. DEL, HSET and EXPIRE as one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if no field is there to store; [`ErrorKind::Codec`] if the record is no structure; those
    /// of the client.
    pub async fn set(&self, client: &Client, record: &T) -> Result<()> {
        let fields = self.checked(self.encoded(record)?)?;
        let transaction = client.transaction();
        let _ = transaction.del([&self.key]);
        let stored = transaction.hset(&self.key, fields);
        self.renew(&transaction);
        transaction.exec().await?.take(stored).map(drop)
    }

    /// Stores one field and sets the keyspace's time to live. HSET and EXPIRE as one
    /// transaction. Where
    /// the key is absent, the hash then has this field alone.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field; [`ErrorKind::Codec`] if the value is `None` or has no JSON
    /// form; those of the client.
    pub async fn set_field(
        &self,
        client: &Client,
        field: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<()> {
        self.check_field(field)?;
        let text = record::to_text(value).ok().flatten().ok_or_else(|| {
            let text = format!("the field '{field}' of '{}' has no text to store", self.key);
            Error::new(ErrorKind::Codec, text)
        })?;
        let transaction = client.transaction();
        let stored = transaction.hset(&self.key, [(field, text)]);
        self.renew(&transaction);
        transaction.exec().await?.take(stored).map(drop)
    }

    /// Adds to a field of digits, which is 0 if it is absent; gives the sum. HINCRBY and EXPIRE as one transaction.
    ///
    /// # Errors
    /// As for [`Hash::set_field`]; [`ErrorKind::Server`] if the field holds no integer.
    pub async fn increment(&self, client: &Client, field: &str, by: i64) -> Result<i64> {
        self.check_field(field)?;
        let transaction = client.transaction();
        let sum = transaction.hincrby(&self.key, field, by);
        self.renew(&transaction);
        transaction.exec().await?.take(sum)
    }

    fn encoded(&self, record: &T) -> Result<Vec<(String, String)>> {
        record::to_fields(record).ok_or_else(|| {
            let text = format!("the record of '{}' is no structure with fields", self.key);
            Error::new(ErrorKind::Codec, text)
        })
    }

    fn check_field(&self, field: &str) -> Result<()> {
        match record::field_names::<T>() {
            Some(names) if !names.contains(&field) => {
                let names = names.join(", ");
                let text = format!(
                    "the record of '{}' has the fields {names}, and not this one",
                    self.key
                );
                Err(Error::new(ErrorKind::InvalidInput, text))
            }
            _ => Ok(()),
        }
    }
}
