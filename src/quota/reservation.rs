//! An amount that is held for a time.

use std::fmt;

use super::QuotaError;
use super::state::State;

/// An amount of a [`Quota`](super::Quota) that no other caller can take. Dropping it releases the amount in the background. If its
/// process dies, or it is not [renewed](Self::renew) in time, the amount is free again when the lease ends.
///
/// Background work needs a Tokio runtime on native targets, and [`Quota::wait_until`](super::Quota::wait_until) in a Worker.
/// Without it, a dropped amount is free again when the lease ends.
#[must_use = "the amount returns when the reservation is dropped"]
pub struct Reservation {
    quota: State,
    /// Empty once it is settled.
    id: String,
    amount: u64,
    /// The part that was used, as far as it is known.
    used: u64,
}

impl Reservation {
    pub(super) fn new(quota: State, id: String, amount: u64) -> Self {
        Self { quota, id, amount, used: 0 }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Marks the reservation as settled: it holds nothing.
    pub(super) fn forget(&mut self) {
        self.id.clear();
    }

    /// The amount.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Holds the amount for a whole lease from now on. Returns `false` if the lease has ended, so that others may have taken the
    /// amount. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`]. The amount is then held for as long as it was.
    pub async fn renew(&self) -> Result<bool, QuotaError> {
        Ok(self.quota.renew(&self.id, self.amount).await?)
    }

    /// Ends the reservation and counts what was used, in one step. Returns whether it was held until then. The used amount is counted
    /// in any case, even if it is more than the reserved amount or the lease had ended. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`]. The commit is then tried once more in the background, and a warning is logged if that fails.
    pub async fn commit(mut self, used: u64) -> Result<bool, QuotaError> {
        self.used = used;
        let held = self.quota.settle(&self.id, self.amount, used).await?;
        self.forget();
        Ok(held)
    }

    /// Ends the reservation, and counts nothing. Returns whether it was held until then. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`]. The release is then tried once more in the background.
    pub async fn release(self) -> Result<bool, QuotaError> {
        self.commit(0).await
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.id.is_empty() {
            self.quota.settle_in_background(std::mem::take(&mut self.id), self.amount, self.used);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("quota", &self.quota.key.as_str())
            .field("amount", &self.amount)
            .finish()
    }
}
