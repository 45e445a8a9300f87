//! Pulls tasks, and gives back what nobody hears of.

use std::sync::Arc;

use super::state::{Pulled, State};
use crate::client::still_unknown;
use crate::platform;
use crate::{Outcome, Result};

/// A pull that is under way. If it is dropped before its answer is known, it is ended in the background: its tasks are leased, maybe.
pub(super) struct Pull<'a> {
    state: &'a Arc<State>,
    token: Option<String>,
}

impl<'a> Pull<'a> {
    pub(super) fn new(state: &'a Arc<State>) -> Result<Self> {
        Ok(Self { state, token: Some(platform::random_id()?) })
    }

    /// Leases up to so many tasks; returns them with the token of their deliveries. A lost answer is asked for again.
    /// Until [`Pull::done`], they go back if the pull is dropped.
    pub(super) async fn run(&mut self, most: usize) -> Result<(Pulled, Arc<str>)> {
        let token: Arc<str> = self.token.as_deref().unwrap_or_default().into();
        let pulled = match self.state.pull(&token, most, false).await {
            Err(error) if error.outcome() == Outcome::Unknown => {
                self.state.pull(&token, most, true).await.map_err(still_unknown)
            }
            pulled => pulled,
        };
        if pulled.as_ref().is_err_and(|error| error.outcome() != Outcome::Unknown) {
            self.token = None;
        }
        Ok((pulled?, token))
    }

    /// The caller has its tasks.
    pub(super) fn done(mut self) {
        self.token = None;
    }
}

impl Drop for Pull<'_> {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else { return };
        let state = Arc::clone(self.state);
        self.state.background.spawn(platform::send(|| async move {
            // If this fails, the leases end.
            if let Err(error) = state.end_pull(&token).await {
                tracing::debug!(queue = state.keys.name, %error, "a pull was not ended, its leases end");
            }
        }));
    }
}
