//! A member that is present for as long as its guard lives.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::super::subscription::may_pass;
use super::members::Members;
use crate::platform;
use crate::{ErrorKind, Outcome, Result};

/// A member that is present, from [`Presence::join`](super::Presence::join). Dropping it leaves in the background; if that fails, or the process dies, the
/// member is gone when its time is over.
///
/// Each guard has a token of its own. A member with several guards, such as a page that was loaded again before the old one had
/// left, is present until the last of them has left. What arrives late of a guard that has left has no effect, for as long as
/// [`present_for`](crate::events::EventsOptions::present_for). Of one member, 64 guards are told apart.
#[must_use = "dropping it leaves"]
pub struct Present {
    members: Members,
    /// `None` after it has left.
    member: Option<Arc<str>>,
    token: Arc<str>,
    /// Its heartbeats stop when this is gone. Whether the last one was not refused.
    is_present: Arc<AtomicBool>,
}

impl Present {
    /// Joins. A future that is dropped leaves.
    pub(super) async fn join(members: Members, member: String) -> Result<Self> {
        let token = format!("{:016x}", u64::from_le_bytes(platform::random()?));
        let present = Self {
            members,
            member: Some(member.into()),
            token: token.into(),
            is_present: Arc::new(AtomicBool::new(true)),
        };
        match present.beat().await {
            Ok(()) => {
                present.beat_on();
                Ok(present)
            }
            Err(error) => {
                let kind = error.kind();
                let is_refused = matches!(kind, ErrorKind::InvalidInput | ErrorKind::Conflict);
                if is_refused || error.outcome() == Outcome::NotSent {
                    present.forget();
                }
                Err(error)
            }
        }
    }

    /// Whether the last heartbeat was accepted, or lost on its way. If not, Redis refused it: the member's time had run out, and its
    /// place was taken. The next heartbeat tries again.
    pub fn is_present(&self) -> bool {
        self.is_present.load(Ordering::Relaxed)
    }

    /// Leaves, and returns whether the member has left by this: `false` if another guard of its name is there, or if its time was
    /// over. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn leave(mut self) -> Result<bool> {
        let Some(member) = self.member.clone() else { return Ok(false) };
        let left = self.members.leave(&member, &self.token).await;
        if left.is_ok() {
            self.member = None;
        }
        left
    }

    fn forget(mut self) {
        self.member = None;
    }

    async fn beat(&self) -> Result<()> {
        let member = self.member.as_deref().unwrap_or_default();
        self.members.beat(member, &self.token).await.map(|_| ())
    }

    fn beat_on(&self) {
        let Some(member) = self.member.clone() else { return };
        let (members, token) = (self.members.clone(), Arc::clone(&self.token));
        let alive: Weak<AtomicBool> = Arc::downgrade(&self.is_present);
        let pause = members.present_for() / 3;
        platform::spawn(platform::send(|| async move {
            loop {
                platform::sleep_idly(pause).await;
                if alive.strong_count() == 0 {
                    return;
                }
                let beat = members.beat(&member, &token).await;
                let Some(is_present) = alive.upgrade() else { return };
                let is_refused =
                    |error: &crate::Error| !may_pass(error) || error.kind() == ErrorKind::Conflict;
                is_present.store(!beat.as_ref().is_err_and(is_refused), Ordering::Relaxed);
                // The next one may arrive in time.
                match beat {
                    Err(error) if error.is_loss() => {
                        tracing::debug!(%error, "a heartbeat was lost");
                    }
                    Err(error) => tracing::warn!(%error, "a heartbeat was refused"),
                    Ok(_) => {}
                }
            }
        }));
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let Some(member) = self.member.take() else { return };
        let (members, token) = (self.members.clone(), Arc::clone(&self.token));
        platform::spawn(platform::send(|| async move {
            if let Err(error) = members.leave(&member, &token).await {
                tracing::debug!(%error, "a member did not leave, its time runs out");
            }
        }));
    }
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").field("member", &self.member).finish_non_exhaustive()
    }
}
