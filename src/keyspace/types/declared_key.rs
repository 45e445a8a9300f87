//! A key with its declaration, and the commands that all types share.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Slot, Transaction};
use crate::command::keys::{ExpireIf, KeyCommands};
use crate::command::strings::{Expiry, GetEx, SetOptions, StringCommands};
use crate::command::{Command, Execute, ToArg};
use crate::keyspace::{Declaration, KeyTtl, record};
use crate::{Client, Error, ErrorKind, FromValue, Key, Result, Value};

#[derive(Debug, Clone)]
pub(crate) struct DeclaredKey {
    key: Key,
    declaration: &'static Declaration,
}

impl DeclaredKey {
    pub(super) fn new(key: Key, declaration: &'static Declaration) -> Self {
        Self { key, declaration }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    pub(super) fn ttl(&self) -> KeyTtl {
        self.declaration.ttl
    }

    pub(super) fn keep(&self) -> Option<u32> {
        self.declaration.keep
    }

    /// The string of the key. One GET, or one GETEX if reads renew the time to live.
    pub(super) async fn get<R: FromValue>(&self, client: &Client) -> Result<Option<R>> {
        match self.ttl().after_read() {
            Some(ttl) => client.getex(&self.key, GetEx::Expire(Expiry::Ex(ttl))).await,
            None => client.get(&self.key).await,
        }
    }

    /// A SET with the keyspace's time to live.
    pub(super) fn set<E: Execute>(&self, to: &E, value: impl ToArg) -> E::Reply<bool> {
        to.set_with(&self.key, value, self.set_options())
    }

    pub(super) fn set_options(&self) -> SetOptions {
        match self.ttl().after_write() {
            Some(ttl) => SetOptions::new().ex(ttl),
            None => SetOptions::new(),
        }
    }

    /// Sends a read, with an EXPIRE in the same round trip if reads renew the time to live.
    pub(super) async fn read<R>(&self, client: &Client, read: Prepared<R>) -> Result<R> {
        let Some(ttl) = self.ttl().after_read() else {
            return client.execute_with(read.command, read.convert).await;
        };
        let pipeline = client.pipeline();
        let reply = pipeline.execute_with(read.command, read.convert);
        let _ = pipeline.expire(&self.key, ttl);
        pipeline.exec().await?.take(reply)
    }

    /// Sends the commands that `queue` queues as one transaction.
    pub(super) async fn write<R>(
        &self,
        client: &Client,
        queue: impl FnOnce(&Transaction) -> Result<Slot<R>>,
    ) -> Result<R> {
        let transaction = client.transaction();
        let reply = queue(&transaction)?;
        transaction.exec().await?.take(reply)
    }

    /// Queues an EXPIRE if the keyspace has a time to live. If that counts from the key's creation, the EXPIRE applies only
    /// to a key without one.
    pub(super) fn renew(&self, transaction: &Transaction) {
        let Some(ttl) = self.ttl().after_write() else { return };
        let condition = match self.ttl() {
            KeyTtl::FromCreation(_) => ExpireIf::Persistent,
            _ => ExpireIf::Always,
        };
        let _ = transaction.expire_if(&self.key, ttl, condition);
    }

    /// The text of an item.
    pub(super) fn encode(&self, item: &(impl Serialize + ?Sized)) -> Result<String> {
        record::to_text(item).ok().flatten().ok_or_else(|| {
            let text = format!("an item for '{}' cannot be stored as text", self.key);
            Error::new(ErrorKind::Codec, text)
        })
    }

    /// The texts of items, at least one.
    pub(super) fn encode_all(
        &self,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Vec<String>> {
        let items: Vec<String> =
            items.into_iter().map(|item| self.encode(&item)).collect::<Result<_>>()?;
        self.not_empty(items)
    }

    pub(super) fn not_empty<I>(&self, items: Vec<I>) -> Result<Vec<I>> {
        if items.is_empty() {
            let text = format!("no item was given for '{}'", self.key);
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        Ok(items)
    }

    /// Parses an item from its text.
    pub(super) fn decode<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T> {
        record::from_text(text).map_err(|error| {
            let text = format!("the content of '{}' is not the declared record: {error}", self.key);
            Error::new(ErrorKind::Codec, text)
        })
    }

    pub(super) fn decode_all<T: DeserializeOwned>(&self, texts: &[Bytes]) -> Result<Vec<T>> {
        texts.iter().map(|text| self.decode(text)).collect()
    }
}

/// Prepares typed commands that are sent later.
pub(super) struct Prepare;

pub(super) struct Prepared<R> {
    command: Command,
    convert: fn(Value) -> Result<R>,
}

impl Execute for Prepare {
    type Reply<R> = Prepared<R>;

    fn execute_with<R>(&self, command: Command, convert: fn(Value) -> Result<R>) -> Prepared<R> {
        Prepared { command, convert }
    }
}
