//! Leases keep a value that is older than an invalidation from being stored after it.
//!
//! A caller takes the lease of an entry before it loads or writes the value. The lease is a token in a key beside the
//! entry. An invalidation deletes both keys. A script stores the value only if the token is still there. So the value is
//! not stored if the entry was invalidated, or a later write began, in between.
//!
//! The server makes each token from its clock and a random text of the caller's, so no token is used twice. A command that
//! arrives late, or a second time, makes a token that no caller knows, and no value can be stored with it.

use std::time::Duration;

use bytes::Bytes;

use crate::cache::entry::lease_key;
use crate::cache::load::scripts::{LEASE, RELEASE_LEASE, RENEW_LEASE, STORE_IF_LEASED};
use crate::cache::token::random_text;
use crate::client::{Client, ScriptBatch, ScriptReplies};
use crate::platform::{self, Background};
use crate::{Error, ErrorKind, FromValue, Key, Outcome, Result, Value};

/// The right to store a value whose load or write begins from now on. The holder stores with it or releases it. A lease
/// that is dropped, because the call was cancelled or panicked, is released in the background.
pub(crate) struct Lease {
    client: Client,
    background: Background,
    key: String,
    token: Bytes,
    /// Whether the lease is gone from the server.
    ended: bool,
}

impl Lease {
    /// Marks the lease as gone from the server: its value was stored, or another caller has taken it.
    pub(crate) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            let (key, token) = (std::mem::take(&mut self.key), std::mem::take(&mut self.token));
            release_in_background(&self.client, &self.background, vec![(key, token)]);
        }
    }
}

/// Leases whose request was sent and not yet answered. The server may hold them although the caller does not know their
/// tokens. If the answer is lost or the call is cancelled, they are released in the background by their random texts, in
/// one round trip.
struct PendingLeases<'a> {
    client: &'a Client,
    background: &'a Background,
    /// The key and the random text of each.
    leases: Vec<(String, Bytes)>,
}

impl PendingLeases<'_> {
    /// The answer came, or the request never reached the server.
    fn disarm(mut self) {
        self.leases.clear();
    }
}

impl Drop for PendingLeases<'_> {
    fn drop(&mut self) {
        if !self.leases.is_empty() {
            let leases = std::mem::take(&mut self.leases);
            release_in_background(self.client, self.background, leases);
        }
    }
}

fn release_in_background(client: &Client, background: &Background, leases: Vec<(String, Bytes)>) {
    let client = client.clone();
    background.spawn(platform::send(|| async move {
        let mut batch = ScriptBatch::new(&client);
        for (key, token) in &leases {
            batch.script(&RELEASE_LEASE, [key], [token]);
        }
        // If this fails, or arrives before the request for the leases, they expire.
        let _ = batch.exec().await;
    }));
}

/// How a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Even if another caller holds it: the load or write that begins last may store.
    Take,
    /// If it is free.
    Try,
    /// If it is free; the entry is read too, because another process may have stored it since it was looked up.
    Look,
}

impl How {
    fn as_str(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Try => "try",
            Self::Look => "look",
        }
    }
}

/// The reply of [`LEASE`] for one entry.
pub(super) struct LeaseReply {
    /// `None` if another caller holds it.
    pub(super) lease: Option<Lease>,
    pub(super) stored: Option<Bytes>,
    /// How long the other caller's lease has left.
    pub(super) left: Option<Duration>,
}

/// Whether a load or a write stores a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredBy {
    Load,
    Write,
}

/// Takes, renews and releases leases, and stores with them.
#[derive(Debug, Clone)]
pub(crate) struct Leases {
    client: Client,
    ttl: Duration,
}

impl Leases {
    pub(crate) fn new(client: Client, ttl: Duration) -> Self {
        Self { client, ttl }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for the leases of many entries, in one round trip. `add` queues more in the same round trip.
    async fn request_many<T>(
        &self,
        keys: &[Key],
        how: How,
        background: &Background,
        add: impl FnOnce(&mut ScriptBatch) -> Result<T>,
    ) -> Result<(Vec<Result<LeaseReply>>, ScriptReplies, T)> {
        let mut batch = ScriptBatch::new(&self.client);
        let queued = keys.iter().map(|key| self.queue(&mut batch, key, how));
        let queued = queued.collect::<Result<Vec<_>>>()?;
        let added = add(&mut batch)?;
        let mut pending = self.pending(&queued, background);
        let is_lost = |error: &Error| error.outcome() == Outcome::Unknown;
        let mut replies = match batch.exec().await {
            Ok(replies) => replies,
            Err(error) => {
                if !is_lost(&error) {
                    pending.disarm();
                }
                return Err(error);
            }
        };
        // A long batch is sent in parts, and a single part may be lost.
        let looks = queued.into_iter().map(|queued| queued.parse(self, background, &mut replies));
        let looks: Vec<Result<LeaseReply>> = looks.collect();
        let mut each = looks.iter();
        pending
            .leases
            .retain(|_| each.next().is_some_and(|look| look.as_ref().is_err_and(is_lost)));
        Ok((looks, replies, added))
    }

    /// [`Leases::take`] or [`How::Look`] for many entries, in one round trip. `add` queues more in the same
    /// round trip.
    pub(super) async fn take_many<T>(
        &self,
        keys: &[Key],
        preempt: bool,
        background: &Background,
        add: impl FnOnce(&mut ScriptBatch) -> Result<T>,
    ) -> Result<(Vec<LeaseReply>, ScriptReplies, T)> {
        let how = if preempt { How::Take } else { How::Look };
        let (looks, replies, added) = self.request_many(keys, how, background, add).await?;
        Ok((looks.into_iter().collect::<Result<_>>()?, replies, added))
    }

    /// [`Leases::take`] for many entries, in one round trip; returns a result for each. `add` queues more in the same round
    /// trip.
    pub(crate) async fn take_each<T>(
        &self,
        keys: &[Key],
        background: &Background,
        add: impl FnOnce(&mut ScriptBatch) -> Result<T>,
    ) -> Result<(Vec<Result<Lease>>, ScriptReplies, T)> {
        let (looks, replies, added) = self.request_many(keys, How::Take, background, add).await?;
        let taken = looks.into_iter().map(|look| look?.lease.ok_or_else(no_reply));
        Ok((taken.collect(), replies, added))
    }

    /// Takes the lease of an entry, even if another caller holds it: the load or write that begins last may store. One
    /// script.
    pub(super) async fn take(&self, key: &Key, background: &Background) -> Result<Lease> {
        self.request(key, How::Take, background).await?.lease.ok_or_else(no_reply)
    }

    /// Asks for the lease of an entry. One script.
    pub(super) async fn request(
        &self,
        key: &Key,
        how: How,
        background: &Background,
    ) -> Result<LeaseReply> {
        Ok(self.request_with(key, how, background, |_| Ok(())).await?.0)
    }

    /// [`Leases::request`]. `add` queues more in the same round trip.
    pub(super) async fn request_with<T>(
        &self,
        key: &Key,
        how: How,
        background: &Background,
        add: impl FnOnce(&mut ScriptBatch) -> Result<T>,
    ) -> Result<(LeaseReply, ScriptReplies, T)> {
        let keys = std::slice::from_ref(key);
        let (mut looks, replies, added) = self.request_many(keys, how, background, add).await?;
        Ok((looks.pop().ok_or_else(no_reply)??, replies, added))
    }

    fn pending<'a>(
        &'a self,
        queued: &[QueuedLease],
        background: &'a Background,
    ) -> PendingLeases<'a> {
        let lease = |queued: &QueuedLease| (queued.key.clone(), Bytes::from(queued.random.clone()));
        let leases = queued.iter().map(lease).collect();
        PendingLeases { client: &self.client, background, leases }
    }

    fn queue(&self, batch: &mut ScriptBatch, key: &Key, how: How) -> Result<QueuedLease> {
        let lease = lease_key(key);
        let (random, ttl) = (random_text()?, self.ttl_millis());
        let place = batch.script(&LEASE, [key.as_str(), &lease], [&random, &ttl, how.as_str()]);
        Ok(QueuedLease { key: lease, random, place })
    }

    fn ttl_millis(&self) -> String {
        self.ttl.as_millis().clamp(1, u128::from(u32::MAX)).to_string()
    }

    /// Runs `load`. Whenever half of the leases' time has passed, they are renewed in one round trip, so that they last as
    /// long as the load.
    pub(super) async fn while_all_held<T>(
        &self,
        leases: &[&Lease],
        load: impl Future<Output = T>,
    ) -> T {
        use futures_util::future::{Either, select};
        let half = (self.ttl / 2).max(Duration::from_millis(1));
        let renewals = async {
            let mut pause = half;
            loop {
                platform::sleep(pause).await;
                pause = match self.renew(leases).await {
                    Ok(0) => break,
                    Ok(_) => half,
                    Err(_) => half / 4,
                };
            }
            // All leases are gone, because every entry was invalidated. The loaded values will not be stored.
            std::future::pending::<T>().await
        };
        let (load, renewals) = (std::pin::pin!(load), std::pin::pin!(renewals));
        match select(load, renewals).await {
            Either::Left((loaded, _)) => loaded,
            Either::Right((never, _)) => never,
        }
    }

    /// Renews the time to live of leases; returns how many are still held. One script for each, in one round trip.
    async fn renew(&self, leases: &[&Lease]) -> Result<usize> {
        let (mut batch, ttl) = (ScriptBatch::new(&self.client), self.ttl_millis());
        let queue = |lease: &&Lease| {
            batch.script(&RENEW_LEASE, [&lease.key], [&lease.token[..], ttl.as_bytes()])
        };
        let places: Vec<usize> = leases.iter().map(queue).collect();
        if places.is_empty() {
            return Ok(0);
        }
        let mut replies = batch.exec().await?;
        let held = places.into_iter().map(|place| replies.take::<bool>(place));
        Ok(held.collect::<Result<Vec<_>>>()?.into_iter().filter(|held| *held).count())
    }

    /// Releases leases that will not be used to store. One script for each, in one round trip. If it fails, they expire.
    pub(crate) async fn release(&self, leases: Vec<Lease>) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let mut batch = ScriptBatch::new(&self.client);
        for lease in &leases {
            batch.script(&RELEASE_LEASE, [&lease.key], [&lease.token[..]]);
        }
        let released = batch.exec().await;
        leases.into_iter().for_each(Lease::end);
        released.map(|_| ())
    }

    /// Queues the script that stores a value. Its reply is whether the value was stored.
    pub(crate) fn queue_store(
        &self,
        batch: &mut ScriptBatch,
        key: &Key,
        lease: &Lease,
        value: &[u8],
        ttl_millis: u64,
        stored_by: StoredBy,
    ) -> usize {
        let ttl = ttl_millis.to_string();
        let mark = match stored_by {
            StoredBy::Load => "0".to_owned(),
            StoredBy::Write => self.ttl_millis(),
        };
        let args = [&lease.token[..], value, ttl.as_bytes(), mark.as_bytes()];
        batch.script(&STORE_IF_LEASED, [key.as_str(), &lease.key], args)
    }
}

fn no_reply() -> Error {
    Error::new(ErrorKind::Protocol, "the server did not answer the request for a lease")
}

/// A lease that is queued in a batch.
struct QueuedLease {
    key: String,
    random: String,
    place: usize,
}

impl QueuedLease {
    fn parse(
        self,
        leases: &Leases,
        background: &Background,
        replies: &mut ScriptReplies,
    ) -> Result<LeaseReply> {
        let mut parts = replies.take::<Vec<Value>>(self.place)?.into_iter();
        let token: Option<Bytes> = Option::from_value(parts.next().unwrap_or_default())?;
        let lease = token.map(|token| Lease {
            client: leases.client.clone(),
            background: background.clone(),
            key: self.key,
            token,
            ended: false,
        });
        let stored = Option::from_value(parts.next().unwrap_or_default())?;
        let left: Option<i64> = Option::from_value(parts.next().unwrap_or_default())?;
        let left = left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis);
        Ok(LeaseReply { lease, stored, left })
    }
}
