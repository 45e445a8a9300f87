//! The presence of members at a topic.

mod guard;
mod members;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use self::guard::Present;
use self::members::{Members, NO_GUARD};
pub use self::watch::{PresenceChange, PresenceWatch};
use super::hub::Hub;
use crate::{Key, Result};

/// The members that are present at a topic, from [`Topic::presence`](super::Topic::presence). A member is present until it leaves, or for
/// [`present_for`](super::EventsOptions::present_for) after its last heartbeat, by the server's clock.
///
/// Members are texts of 1 to 128 bytes without control characters. Guards with the same name are one member, which is present until the
/// last of them has left.
///
/// The key `edgecask:present:{key}` is a sorted set of the members by the millisecond until which they are present, and
/// `edgecask:guards:{key}` a hash: for each member the token and the millisecond of each of its guards. `edgecask:left:{token}:{key}`
/// remembers for [`present_for`](super::EventsOptions::present_for) that a guard has left.
///
/// ```
/// use edgecask::events::{Events, PresenceChange};
/// use edgecask::{Client, Keyspace};
/// use futures_util::StreamExt;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let presence = Events::new(Client::memory())
///     .topic::<String>(Keyspace::literal("chat").key("c1")?)
///     .presence();
/// let ada = presence.join("ada").await?;
/// assert_eq!(presence.list().await?, ["ada"]);
/// let mut changes = presence.watch().await?;
/// assert_eq!(changes.next().await.expect("it goes on")?, PresenceChange::Joined("ada".to_owned()));
/// ada.leave().await?;
/// assert_eq!(changes.next().await.expect("it goes on")?, PresenceChange::Left("ada".to_owned()));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Presence(Members);

impl Presence {
    pub(super) fn new(hub: Arc<Hub>, topic: &Key) -> Self {
        Self(Members::new(hub, topic))
    }

    /// Joins, and sends heartbeats until the guard is dropped. One command, and then three commands in each
    /// [`present_for`](super::EventsOptions::present_for), three a minute by default. In a Worker they end with the request.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name is empty, longer than 128 bytes, or has control characters; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if
    /// there are [`max_present`](super::EventsOptions::max_present) members already; those of the client.
    pub async fn join(&self, member: impl Into<String>) -> Result<Present> {
        Present::join(self.0.clone(), member.into()).await
    }

    /// Sends one heartbeat without a guard, for a caller that sends its heartbeats itself. Returns whether the member was absent before and
    /// has joined by this. One command.
    ///
    /// # Errors
    /// As for [`Presence::join`].
    pub async fn beat(&self, member: &str) -> Result<bool> {
        self.0.beat(member, NO_GUARD).await
    }

    /// Undoes [`Presence::beat`], and returns whether the call made the member leave: `false` if the member was absent, or if it has a
    /// guard. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn leave(&self, member: &str) -> Result<bool> {
        self.0.leave(member, NO_GUARD).await
    }

    /// The members, by the end of their presence: about the order in which they sent their last heartbeats. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn list(&self) -> Result<Vec<String>> {
        self.0.list().await
    }

    /// A stream of the members that are present now, and then of the joins and leaves. Two commands, and one in each
    /// [`present_for`](super::EventsOptions::present_for), which detects members that died when no other member sends heartbeats.
    /// Without Pub/Sub it polls.
    ///
    /// After a lost connection the stream yields the differences to the members before. It omits changes that were undone in between.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn watch(&self) -> Result<PresenceWatch> {
        let channel = self.0.channel().await?;
        let source = self.0.source(&channel).await?;
        Ok(PresenceWatch::new(self.0.clone(), channel, source))
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Presence").field(&self.0.topic().as_str()).finish()
    }
}
