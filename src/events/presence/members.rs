//! The members of a topic, in Redis.

use std::sync::Arc;
use std::time::Duration;

use super::super::hub::Hub;
use super::super::publish::checked;
use super::super::scripts::PRESENCE;
use super::super::source::Source;
use crate::{Error, ErrorKind, Key, Result};

/// The token of a caller that sends its own heartbeats.
pub(super) const NO_GUARD: &str = "-";

#[derive(Clone)]
pub(super) struct Members {
    hub: Arc<Hub>,
    topic: Key,
}

impl Members {
    pub(super) fn new(hub: Arc<Hub>, topic: &Key) -> Self {
        Self { hub, topic: topic.clone() }
    }

    pub(super) fn topic(&self) -> &Key {
        &self.topic
    }

    /// For how long a member is present after a heartbeat.
    pub(super) fn present_for(&self) -> Duration {
        self.hub.options.present_for
    }

    /// Sends a heartbeat. Returns whether the member was absent before.
    pub(super) async fn beat(&self, member: &str, token: &str) -> Result<bool> {
        checked("name of a member", member)?;
        match self.run("beat", member, token).await? {
            (_, -1, _) => {
                let why = format!("there are {} members already", self.hub.options.max_present);
                Err(Error::new(ErrorKind::Conflict, why))
            }
            (_, changed, _) => Ok(changed == 1),
        }
    }

    /// Returns whether the call made the member leave.
    pub(super) async fn leave(&self, member: &str, token: &str) -> Result<bool> {
        Ok(self.run("leave", member, token).await?.1 == 1)
    }

    pub(super) async fn list(&self) -> Result<Vec<String>> {
        Ok(self.run("list", "", NO_GUARD).await?.2)
    }

    /// The name of the channel on which changes are published.
    pub(super) async fn channel(&self) -> Result<String> {
        Ok(self.run("list", "", NO_GUARD).await?.0)
    }

    pub(super) async fn source(&self, channel: &str) -> Result<Source> {
        self.hub.presence_source(channel).await
    }

    /// Returns the name of the channel, whether the member has joined or left, and the members.
    async fn run(
        &self,
        what: &str,
        member: &str,
        token: &str,
    ) -> Result<(String, i64, Vec<String>)> {
        let options = &self.hub.options;
        let keys = [
            self.topic.companion("edgecask:present"),
            self.topic.companion("edgecask:guards"),
            self.topic.companion(&format!("edgecask:left:{token}")),
        ];
        let time = options.present_for.as_millis().to_string();
        let args = [what, member, &time, &options.max_present.to_string(), token];
        self.hub.client()?.run_script(&PRESENCE, keys, args).await
    }
}
