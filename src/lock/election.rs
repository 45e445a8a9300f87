use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::resource::Resource;
use super::{LockError, LockGuard, Loss};
use crate::{Error, ErrorKind, Result, platform};

/// The election of one leader among candidates, from [`Locks::election`](super::Locks::election).
///
/// A leader has a [lock](super::Lock), renews it, and loses it as any holder does. The [term](Leadership::term) is the lock's
/// fencing token: it grows with each leader, and a store that checks it refuses a leader that was replaced.
///
/// ```
/// use edgecask::lock::Locks;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let election = Locks::new(Client::memory()).election(Key::verbatim("leader:scheduler")?, "node-1")?;
/// let leadership = election.campaign().await?;
/// let leader = election.leader().await?.expect("it was elected");
/// assert_eq!((leader.name.as_str(), leader.term), ("node-1", leadership.term()));
/// leadership.resign().await?;
/// assert!(election.leader().await?.is_none());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Election {
    resource: Resource,
}

/// The leader at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leader {
    /// The name of the candidate.
    pub name: String,
    /// Its term.
    pub term: u64,
}

impl Election {
    pub(super) fn new(resource: &Resource, name: String) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a candidate needs a name"));
        }
        Ok(Self { resource: resource.with_options(|options| options.owner(name)) })
    }

    /// Waits until this candidate is the leader, within [`LockOptions::wait`](super::LockOptions::wait).
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn campaign(&self) -> Result<Leadership, LockError> {
        self.campaign_within(self.resource.options.wait).await
    }

    /// As [`Election::campaign`], but waits at most `longest`.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn campaign_within(&self, longest: Duration) -> Result<Leadership, LockError> {
        Ok(Leadership { guard: self.resource.acquire_within(longest).await? })
    }

    /// The leader, if there is one. One command.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn leader(&self) -> Result<Option<Leader>, LockError> {
        let Some((token, term)) = self.resource.holder().await? else { return Ok(None) };
        let name = token.rsplit_once(':').map_or(token.as_str(), |(name, _)| name).to_owned();
        Ok(Some(Leader { name, term }))
    }

    /// Waits until the leader differs from `seen`, and returns the new one, or `None` if there is none. One command a second.
    ///
    /// # Errors
    /// [`LockError::Redis`] if Redis refuses the command. While Redis is away, it goes on waiting.
    pub async fn changed(&self, seen: Option<&Leader>) -> Result<Option<Leader>, LockError> {
        loop {
            match self.leader().await {
                Ok(leader) if leader.as_ref() != seen => return Ok(leader),
                Err(LockError::Redis(error)) if !error.is_transient() => return Err(error.into()),
                _ => platform::sleep(pause()).await,
            }
        }
    }

    /// Campaigns, and runs `work` with the term whenever this candidate is the leader. If the leadership is lost, the work is
    /// dropped where it stands, and the candidate campaigns again, through any failure of Redis. When the work ends, the
    /// candidate resigns, and its result is returned.
    ///
    /// ```
    /// use edgecask::lock::Locks;
    /// use edgecask::{Client, Key};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let election = Locks::new(Client::memory()).election(Key::verbatim("leader:scheduler")?, "node-1")?;
    /// let term = election.lead(async |term| term).await?;
    /// assert!(term > 0);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LockError::Redis`] if Redis refuses the commands. After a transient error, it campaigns again after a second.
    pub async fn lead<T, F>(&self, mut work: impl FnMut(u64) -> F) -> Result<T, LockError>
    where
        F: Future<Output = T>,
    {
        loop {
            let leadership = match self.campaign().await {
                Ok(leadership) => leadership,
                Err(LockError::Redis(error)) if !error.is_transient() => return Err(error.into()),
                Err(LockError::TimedOut { within, .. }) if within >= PAUSE => continue,
                Err(_) => {
                    platform::sleep(pause()).await;
                    continue;
                }
            };
            match leadership.guard.while_held(work(leadership.term())).await {
                Ok(done) => {
                    // If this fails, the lock expires.
                    let _ = leadership.resign().await;
                    return Ok(done);
                }
                Err(_) => platform::sleep(pause()).await,
            }
        }
    }
}

/// The shortest pause between two looks at an election.
const PAUSE: Duration = Duration::from_secs(1);

fn pause() -> Duration {
    PAUSE.mul_f64(1.0 + 0.3 * platform::random_fraction())
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Election").field(&self.resource.key.as_str()).finish()
    }
}

/// The leadership of a candidate, from [`Election::campaign`]. Dropping it resigns in the background.
#[derive(Debug)]
#[must_use = "dropping it resigns"]
pub struct Leadership {
    guard: LockGuard,
}

impl Leadership {
    /// The term: larger than those of all earlier leaders. It is the lock's [fencing token](LockGuard::fence).
    pub fn term(&self) -> u64 {
        self.guard.fence()
    }

    /// Whether this candidate is the leader, as far as it knows; see [`LockGuard::is_held`].
    pub fn is_leader(&self) -> bool {
        self.guard.is_held()
    }

    /// Waits until the leadership is lost; see [`LockGuard::lost`].
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + use<> {
        self.guard.lost()
    }

    /// Runs work as long as the leadership lasts; see [`LockGuard::while_held`].
    ///
    /// # Errors
    /// [`LockError::Lost`].
    pub async fn while_leader<T>(&self, work: impl Future<Output = T>) -> Result<T, LockError> {
        self.guard.while_held(work).await
    }

    /// Gives the leadership up, and returns whether it lasted until now; see [`LockGuard::release`].
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn resign(self) -> Result<bool, LockError> {
        self.guard.release().await
    }
}
