//! A member that is present for as long as its guard lives.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::super::subscription::may_pass;
use super::members::Members;
use crate::platform;
use crate::{ErrorKind, Outcome, Result};

/// A member that is present, from [`Presence::join`](super::Presence::join). Dropping the guard makes the member leave in the background. If
/// that fails, or the process dies, the member leaves [`present_for`](crate::events::EventsOptions::present_for) after its last heartbeat.
///
/// Each guard has a token of its own. A member with several guards, such as a page that was loaded again before the old one had
/// left, is present until the last of them has left. A request that arrives after its guard has left has no effect, for as long as
/// [`present_for`](crate::events::EventsOptions::present_for). Up to 64 guards of a member are distinguished.
#[must_use = "dropping it makes the member leave"]
pub struct Present {
    members: Members,
    /// `None` after it has left.
    member: Option<Arc<str>>,
    token: Arc<str>,
    /// Whether the last heartbeat was not refused. The heartbeats stop when this is dropped.
    is_present: Arc<AtomicBool>,
}

impl Present {
    /// Joins. If the future is dropped, the member leaves.
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
                present.spawn_heartbeats();
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

    /// Whether the last heartbeat was accepted, or its answer was lost. `false` if Redis refused it, for instance because the member's time had
    /// run out and another member had taken its place. The next heartbeat tries again.
    pub fn is_present(&self) -> bool {
        self.is_present.load(Ordering::Relaxed)
    }

    /// Leaves, and returns whether the call made the member leave: `false` if the member has another guard, or if its time was over. One
    /// command.
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

    fn spawn_heartbeats(&self) {
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
                // The next heartbeat may arrive in time.
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
                tracing::debug!(%error, "a member did not leave, it expires");
            }
        }));
    }
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").field("member", &self.member).finish_non_exhaustive()
    }
}
