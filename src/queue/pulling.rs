//! Pulls tasks, and releases those of a pull whose future was dropped.

use std::sync::Arc;

use super::state::{Pulled, State};
use crate::client::still_unknown;
use crate::platform;
use crate::{Outcome, Result};

/// A pull that is under way. If it is dropped before [`Pull::done`], it is ended in the background, because its tasks may be leased.
pub(super) struct Pull<'a> {
    state: &'a Arc<State>,
    token: Option<String>,
}

impl<'a> Pull<'a> {
    pub(super) fn new(state: &'a Arc<State>) -> Result<Self> {
        Ok(Self { state, token: Some(platform::random_id()?) })
    }

    /// Leases up to `most` tasks; returns them with the token of their deliveries. If the answer is lost, the request is sent once more.
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

    /// The caller has its tasks: dropping the pull does not release them any more.
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
