//! The changes of a presence.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{Either, select};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use super::super::inbox::Signal;
use super::super::source::Source;
use super::super::subscription::{may_pass, renew_source, wait};
use super::members::Members;
use crate::platform;
use crate::{Error, Result};

/// A member that has joined or left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceChange {
    /// The member is present now.
    Joined(String),
    /// The member left, or its heartbeats stopped.
    Left(String),
}

/// The changes of a [`Presence`](super::Presence), from [`Presence::watch`](super::Presence::watch), as a stream. Each member joins and leaves in turn.
#[must_use = "dropping it unsubscribes"]
pub struct PresenceWatch(BoxStream<'static, Result<PresenceChange>>);

impl PresenceWatch {
    /// A watch with this source of messages on the channel.
    pub(super) fn new(members: Members, channel: String, source: Source) -> Self {
        let watcher = Watcher {
            members,
            channel,
            source,
            known: BTreeSet::new(),
            changes: VecDeque::new(),
            failures: 0,
            ended: 0,
            over: false,
        };
        Self(stream::unfold(watcher, Watcher::next).boxed())
    }
}

impl Stream for PresenceWatch {
    type Item = Result<PresenceChange>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for PresenceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceWatch").finish_non_exhaustive()
    }
}

struct Watcher {
    members: Members,
    channel: String,
    source: Source,
    known: BTreeSet<String>,
    changes: VecDeque<PresenceChange>,
    failures: u32,
    /// How often the source has ended since the last message.
    ended: u32,
    over: bool,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<PresenceChange>, Self)> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some((Ok(change), self));
            }
            if self.over {
                return None;
            }
            let asked = platform::sleep_idly(self.members.present_for());
            let signal = match select(std::pin::pin!(self.source.next()), asked).await {
                Either::Left((signal, _)) => signal,
                Either::Right(_) => Signal::Connected,
            };
            match signal {
                Signal::Frame(frame) => {
                    self.ended = 0;
                    self.apply(frame.text());
                }
                Signal::Connected | Signal::Overflow => {
                    if let Err(error) = self.compare().await {
                        self.over = true;
                        return Some((Err(error), self));
                    }
                }
                Signal::Ended(error) => {
                    if let Err(error) = self.renew_source(error).await {
                        self.over = true;
                        return Some((Err(error), self));
                    }
                }
            }
        }
    }

    /// Replaces a source that ended, for instance with the runtime of another watcher.
    async fn renew_source(&mut self, error: Error) -> Result<()> {
        let open = self.members.source(&self.channel);
        renew_source(&mut self.source, &mut self.ended, error, open).await
    }

    fn apply(&mut self, message: &[u8]) {
        let Some((what, member)) =
            std::str::from_utf8(message).ok().and_then(|text| text.split_once(' '))
        else {
            return;
        };
        match what {
            "joined" if self.known.insert(member.to_owned()) => {
                self.changes.push_back(PresenceChange::Joined(member.to_owned()));
            }
            "left" if self.known.remove(member) => {
                self.changes.push_back(PresenceChange::Left(member.to_owned()));
            }
            _ => {}
        }
    }

    /// Reads the members, and adds the differences to the changes.
    async fn compare(&mut self) -> Result<()> {
        let now: BTreeSet<String> = loop {
            match self.members.list().await {
                Ok(members) => break members.into_iter().collect(),
                Err(error) if may_pass(&error) => {
                    wait(self.failures).await;
                    self.failures = self.failures.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        };
        self.failures = 0;
        let left = self.known.difference(&now).cloned().map(PresenceChange::Left);
        self.changes.extend(left);
        let joined = now.difference(&self.known).cloned().map(PresenceChange::Joined);
        self.changes.extend(joined);
        self.known = now;
        Ok(())
    }
}
