use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared_key::Prepare;
use crate::client::{Slot, Transaction};
use crate::command::hashes::HashCommands;
use crate::command::keys::KeyCommands;
use crate::keyspace::record;
use crate::{Client, Error, ErrorKind, Result};

key_type! {
    /// A record as a hash, with one field for each field of the record, in the form of an [item](crate::keyspace::types). A
    /// field that is `None` is absent.
    Hash is Hash of Text by fields
}

impl<T: Serialize + DeserializeOwned> Hash<T> {
    /// The record, or `None` if the key is absent. One HGETALL, with an EXPIRE in the same round trip if reads renew the
    /// time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] with the field that does not decode; those of the client.
    pub async fn get(&self, client: &Client) -> Result<Option<T>> {
        let fields: HashMap<String, Bytes> =
            self.key.read(client, Prepare.hgetall(self.key())).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        record::from_fields(&fields).map(Some).map_err(|error| {
            Error::new(
                ErrorKind::Codec,
                format!("the content of '{}' is not the declared record: {error}", self.key()),
            )
        })
    }

    /// One field, or `None` if it or the key is absent. One HGET, with an EXPIRE in the same round trip if reads renew the
    /// time to live.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field; [`ErrorKind::Codec`] if the field does not decode as a
    /// `V`; those of the client.
    pub async fn get_field<V: DeserializeOwned>(
        &self,
        client: &Client,
        field: &str,
    ) -> Result<Option<V>> {
        self.check_field(field)?;
        let text: Option<Bytes> = self.key.read(client, Prepare.hget(self.key(), field)).await?;
        text.map(|text| self.key.decode(&text)).transpose()
    }

    /// Replaces the whole record, and sets the keyspace's time to live. DEL, HSET and EXPIRE as one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if all fields are `None`; [`ErrorKind::Codec`] if the record is not a struct; those of
    /// the client.
    pub async fn set(&self, client: &Client, record: &T) -> Result<()> {
        self.key.write(client, |transaction| self.set_in(transaction, record)).await.map(drop)
    }

    /// Queues [`set`](Self::set) in a transaction.
    ///
    /// # Errors
    /// As for [`Hash::set`], without those of the client.
    pub fn set_in(&self, transaction: &Transaction, record: &T) -> Result<Slot<u64>> {
        let fields = self.encode(record)?;
        let _ = transaction.del([self.key()]);
        Ok(self.queue(transaction, fields))
    }

    /// Stores one field and sets the keyspace's time to live. HSET and EXPIRE as one transaction. If the key is absent, the
    /// new hash has only this field.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field; [`ErrorKind::Codec`] if the value is `None` or cannot
    /// be encoded; those of the client.
    pub async fn set_field(
        &self,
        client: &Client,
        field: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<()> {
        self.check_field(field)?;
        let text = record::to_text(value).ok().flatten().ok_or_else(|| {
            let text = format!("the field '{field}' of '{}' cannot be stored as text", self.key());
            Error::new(ErrorKind::Codec, text)
        })?;
        let fields = vec![(field.to_owned(), text)];
        self.key.write(client, |transaction| Ok(self.queue(transaction, fields))).await.map(drop)
    }

    /// Stores the fields of a struct or map, and sets the keyspace's time to live. Fields that are `None` do not change.
    /// HSET and EXPIRE as one transaction.
    ///
    /// # Errors
    /// As for [`Hash::set`]; [`ErrorKind::InvalidInput`] if the record has no such field.
    pub async fn set_fields(&self, client: &Client, fields: &impl Serialize) -> Result<()> {
        let queue = |transaction: &Transaction| self.set_fields_in(transaction, fields);
        self.key.write(client, queue).await.map(drop)
    }

    /// Queues [`set_fields`](Self::set_fields) in a transaction.
    ///
    /// # Errors
    /// As for [`Hash::set_fields`], without those of the client.
    pub fn set_fields_in(
        &self,
        transaction: &Transaction,
        fields: &impl Serialize,
    ) -> Result<Slot<u64>> {
        let fields = self.encode(fields)?;
        fields.iter().try_for_each(|(field, _)| self.check_field(field))?;
        Ok(self.queue(transaction, fields))
    }

    /// Deletes one field; returns whether it was there. One HDEL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field; those of the client.
    pub async fn delete_field(&self, client: &Client, field: &str) -> Result<bool> {
        self.check_field(field)?;
        Ok(client.hdel(self.key(), [field]).await? == 1)
    }

    /// Adds to an integer field, which counts as 0 if it is absent; returns the sum. HINCRBY and EXPIRE as one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field; [`ErrorKind::Server`] if the field holds no integer; those
    /// of the client.
    pub async fn increment(&self, client: &Client, field: &str, by: i64) -> Result<i64> {
        self.key.write(client, |transaction| self.increment_in(transaction, field, by)).await
    }

    /// Queues [`increment`](Self::increment) in a transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the record has no such field.
    pub fn increment_in(
        &self,
        transaction: &Transaction,
        field: &str,
        by: i64,
    ) -> Result<Slot<i64>> {
        self.check_field(field)?;
        let sum = transaction.hincrby(self.key(), field, by);
        self.key.renew(transaction);
        Ok(sum)
    }

    /// Adds to a decimal field, which counts as 0 if it is absent; returns the sum. HINCRBYFLOAT and EXPIRE as one
    /// transaction.
    ///
    /// # Errors
    /// As for [`Hash::increment`].
    pub async fn increment_float(&self, client: &Client, field: &str, by: f64) -> Result<f64> {
        self.check_field(field)?;
        let increment = |transaction: &Transaction| {
            let sum = transaction.hincrbyfloat(self.key(), field, by);
            self.key.renew(transaction);
            Ok(sum)
        };
        self.key.write(client, increment).await
    }

    fn queue(&self, transaction: &Transaction, fields: Vec<(String, String)>) -> Slot<u64> {
        let stored = transaction.hset(self.key(), fields);
        self.key.renew(transaction);
        stored
    }

    fn encode(&self, record: &impl Serialize) -> Result<Vec<(String, String)>> {
        let fields = record::to_fields(record).ok_or_else(|| {
            let text = format!("the record of '{}' is not a struct", self.key());
            Error::new(ErrorKind::Codec, text)
        })?;
        if fields.is_empty() {
            let text = format!("all fields of the record of '{}' are None", self.key());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        Ok(fields)
    }

    fn check_field(&self, field: &str) -> Result<()> {
        match record::field_names::<T>() {
            Some(names) if !names.contains(&field) => {
                let names = names.join(", ");
                let text = format!(
                    "the record of '{}' has no such field; its fields are {names}",
                    self.key()
                );
                Err(Error::new(ErrorKind::InvalidInput, text))
            }
            _ => Ok(()),
        }
    }
}
