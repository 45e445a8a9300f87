use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::keys::KeyCommands;
use crate::command::strings::{Expiry, GetEx, SetOptions, StringCommands};
use crate::keyspace::{KeyTtl, RedisType};
use crate::{Client, Error, ErrorKind, Key, Result};

/// A record as JSON text in a string.
#[derive(Debug, Clone)]
pub struct Json<T> {
    key: Key,
    ttl: KeyTtl,
    record: PhantomData<fn() -> T>,
}

impl<T> Json<T> {
    #[doc(hidden)]
    pub const REDIS_TYPE: RedisType = RedisType::String;

    #[doc(hidden)]
    pub fn new(key: Key, ttl: KeyTtl) -> Self {
        Self { key, ttl, record: PhantomData }
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Deletes the record; tells whether there was one. One DEL.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn delete(&self, client: &Client) -> Result<bool> {
        Ok(client.del([&self.key]).await? == 1_u64)
    }
}

impl<T: Serialize + DeserializeOwned> Json<T> {
    /// The record, or `None` if the key is absent. One GET; one GETEX where a read renews the time to live.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if what is stored is no such record; those of the client.
    pub async fn get(&self, client: &Client) -> Result<Option<T>> {
        let text: Option<bytes::Bytes> = match self.ttl.on_read() {
            Some(seconds) => {
                let expiry = GetEx::Expire(Expiry::Ex(seconds.unsigned_abs()));
                client.getex(&self.key, expiry).await?
            }
            None => client.get(&self.key).await?,
        };
        let decode = |text: bytes::Bytes| {
            serde_json::from_slice(&text).map_err(|error| {
                let place = (error.line(), error.column());
                let text = format!(
                    "what '{}' holds is not the JSON of its record (line {}, column {})",
                    self.key, place.0, place.1
                );
                Error::new(ErrorKind::Codec, text)
            })
        };
        text.map(decode).transpose()
    }

    /// Stores the record, with the keyspace's time to live. One SET.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it has no JSON form; those of the client.
    pub async fn set(&self, client: &Client, record: &T) -> Result<()> {
        let text = serde_json::to_string(record).map_err(|_| {
            Error::new(ErrorKind::Codec, format!("the record of '{}' has no JSON form", self.key))
        })?;
        match self.ttl.on_write() {
            Some(seconds) => {
                let options = SetOptions::new().expiry(Expiry::Ex(seconds.unsigned_abs()));
                client.set_with(&self.key, text, options).await.map(drop)
            }
            None => client.set(&self.key, text).await,
        }
    }
}
