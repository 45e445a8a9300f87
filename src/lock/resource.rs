//! A lock as the server has it: its keys, and the three scripts that change it.

use std::sync::Arc;
use std::time::Duration;

use super::LockOptions;
use super::fences::{Fences, Known};
use super::scripts::{ACQUIRE, RELEASE, RENEW};
use super::wake::Wake;
use crate::client::{Client, repeat_if_lost, still_unknown};
use crate::command::{Script, millis_arg};
use crate::platform::{self, Background};
use crate::{Error, ErrorKind, FromValue, Key, Outcome, Result};

/// How long the end of an acquisition is remembered, so that a command that arrives late takes no lock.
pub(super) const MEMORY: Duration = Duration::from_secs(60);

/// The state that the locks of one [`Locks`](super::Locks) share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) background: Background,
    pub(super) wake: Arc<Wake>,
    /// A part of every token of this process, which names the channel of its waiters.
    pub(super) instance: String,
    pub(super) fences: Arc<Fences>,
}

/// The number of holders that a lock may have at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holders {
    One,
    /// At most this number.
    AtMost(u32),
    /// Any number.
    Any,
}

impl Holders {
    fn as_arg(self) -> String {
        match self {
            Self::One => "x".to_owned(),
            Self::AtMost(most) => most.max(1).to_string(),
            Self::Any => "0".to_owned(),
        }
    }
}

/// A lock, a permit, or one side of a read-write lock.
#[derive(Clone)]
pub(super) struct Resource {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Arc<LockOptions>,
    pub(super) key: Key,
    companions: Arc<Companions>,
    holders: Holders,
}

struct Companions {
    counter: String,
    queue: String,
    alive: String,
    ended: String,
}

/// The answer to a request for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Taken { fence: u64, counter: Counter },
    NotFree { left: Option<Duration> },
    TooManyWaiters,
    Ended,
}

/// The state of the counter of fencing tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    WentOn,
    New,
    Lost,
}

impl Resource {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: Arc<LockOptions>,
        key: Key,
        holders: Holders,
    ) -> Self {
        let companions = Arc::new(Companions {
            counter: fence_key(&key),
            queue: key.companion("edgecask:queue"),
            alive: key.companion("edgecask:alive"),
            ended: key.companion("edgecask:ended"),
        });
        Self { shared, options, key, companions, holders }
    }

    /// The same lock for other holders.
    pub(super) fn for_holders(&self, holders: Holders) -> Self {
        Self { holders, ..self.clone() }
    }

    /// The same lock with other options.
    pub(super) fn with_options(&self, change: impl FnOnce(LockOptions) -> LockOptions) -> Self {
        let options = Arc::new(change((*self.options).clone()));
        Self { options, ..self.clone() }
    }

    /// A new token: the owner's name, this process, and a random text.
    pub(super) fn token(&self) -> Result<String> {
        let random = u64::from_le_bytes(platform::random()?);
        let instance = &self.shared.instance;
        Ok(match &self.options.owner {
            Some(owner) => format!("{owner}:{instance}{random:016x}"),
            None => format!("{instance}{random:016x}"),
        })
    }

    /// Asks for the lock, and for a place among its waiters if the caller waits. One script.
    pub(super) async fn ask(&self, token: &str, waits: bool) -> Result<Reply> {
        let Companions { counter, queue, alive, ended } = &*self.companions;
        let options = &self.options;
        let Known { highest, floor } = self.shared.fences.of(&self.key);
        let keys = [self.key.as_str(), counter, queue, alive, ended];
        let args = [
            token,
            &millis_arg(options.lease()),
            &self.holders.as_arg(),
            &if waits { millis_arg(options.waiter_ttl) } else { "0".to_owned() },
            &options.waiters.to_string(),
            &highest.to_string(),
            &floor.to_string(),
            &options.fence_ttl.map_or("0".to_owned(), millis_arg),
        ];
        let reply = self.run::<Vec<i64>>(&ACQUIRE, &keys, &args).await?;
        let &[happened, fence, left, counter] = reply.as_slice() else { return Err(unexpected()) };
        Ok(match happened {
            1 => {
                let fence = u64::try_from(fence).map_err(|_| unexpected())?;
                self.shared.fences.saw(&self.key, fence);
                let counter = match counter {
                    0 => Counter::WentOn,
                    1 => Counter::New,
                    _ => Counter::Lost,
                };
                if counter == Counter::Lost {
                    tracing::warn!(key = %self.key, "the counter of fencing tokens was lost, and began again above all that is known");
                }
                Reply::Taken { fence, counter }
            }
            0 => Reply::NotFree { left: u64::try_from(left).ok().map(Duration::from_millis) },
            -2 => Reply::TooManyWaiters,
            _ => Reply::Ended,
        })
    }

    /// As [`Resource::ask`]. If the answer is lost, the request is sent once more with the same token, which resolves it. Also returns
    /// whether the first request may still arrive.
    pub(super) async fn ask_surely(&self, token: &str, waits: bool) -> (Result<Reply>, bool) {
        match self.ask(token, waits).await {
            Err(error) if error.outcome() == Outcome::Unknown => {
                (self.ask(token, waits).await.map_err(still_unknown), true)
            }
            reply => (reply, false),
        }
    }

    /// Ends an acquisition; returns whether it held the lock until now. One script.
    pub(super) async fn end(&self, token: &str) -> Result<bool> {
        let Companions { queue, alive, ended, .. } = &*self.companions;
        let keys = [self.key.as_str(), queue, alive, ended];
        let args = [token, &self.holders.as_arg(), &millis_arg(MEMORY)];
        self.run(&RELEASE, &keys, &args).await
    }

    /// As [`Resource::end`]. If the answer is lost, it is asked for once more.
    pub(super) async fn end_surely(&self, token: &str) -> Result<bool> {
        repeat_if_lost(|| self.end(token)).await
    }

    /// Ends an acquisition in the background. An error is only logged.
    pub(super) fn end_in_background(&self, token: String) {
        let resource = self.clone();
        self.shared.background.spawn(platform::send(|| async move {
            // If this fails, the lock expires.
            if let Err(error) = resource.end_surely(&token).await {
                tracing::debug!(key = %resource.key, %error, "a lock was not released, it expires");
            }
        }));
    }

    /// Renews the time to live; returns whether the lock was held. One script.
    pub(super) async fn renew(&self, token: &str, ttl: Duration) -> Result<bool> {
        self.run(&RENEW, &[self.key.as_str()], &[token, &millis_arg(ttl)]).await
    }

    /// The value of an exclusive lock, and its fencing token. One MGET.
    pub(super) async fn holder(&self) -> Result<Option<(String, u64)>> {
        use crate::command::strings::StringCommands;
        let keys = [self.key.as_str(), &self.companions.counter];
        let values: Vec<Option<String>> = self.shared.client.mget(keys).await?;
        let mut values = values.into_iter();
        let (holder, fence) = (values.next().flatten(), values.next().flatten());
        let fence = fence.and_then(|fence| fence.parse().ok()).unwrap_or(0);
        Ok(holder.map(|holder| (holder, fence)))
    }

    /// Runs a script. No layer sends it again after a lost answer, so this room knows how often it was sent.
    async fn run<R: FromValue>(&self, script: &Script, keys: &[&str], args: &[&str]) -> Result<R> {
        self.shared.client.run_script(script, keys, args).await
    }
}

/// The key of a lock's counter of fencing tokens.
pub(super) fn fence_key(lock: &Key) -> String {
    lock.companion("edgecask:fence")
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Protocol, "the server did not answer the request for a lock")
}
