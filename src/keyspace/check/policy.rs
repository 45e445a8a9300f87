//! Whether the server evicts keys that must not be lost.

use std::collections::HashMap;

use super::report::Warning;
use crate::command::server::ServerCommands;
use crate::command::{Command, Execute};
use crate::keyspace::{Declaration, KeyTtl};
use crate::{Client, Result};

/// The server's settings for eviction.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// `maxmemory-policy`, if the server reports it.
    pub(super) name: Option<String>,
    /// Whether `maxmemory` is set.
    limited: bool,
    pub(super) commands: u64,
}

impl Policy {
    /// Reads them by INFO, or by CONFIG GET if INFO does not contain them. A server that reports neither is not an error.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub(super) async fn of(client: &Client) -> Result<Self> {
        let info = known(client.info("memory").await)?.unwrap_or_default();
        let from_info = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let mut policy = Self { commands: 1, ..Self::default() };
        policy.read(from_info.map(|(name, value)| (name.replace('_', "-"), value.to_owned())));
        if policy.name.is_none() {
            let config = Command::new("CONFIG").arg("GET").arg("maxmemory*");
            let settings = known(client.execute::<HashMap<String, String>>(config).await)?;
            policy.commands += 1;
            policy.read(settings.unwrap_or_default());
        }
        Ok(policy)
    }

    fn read(&mut self, settings: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in settings {
            match name.as_str() {
                "maxmemory-policy" => self.name = Some(value),
                "maxmemory" => self.limited = value != "0",
                _ => {}
            }
        }
    }

    /// A warning if keys of these declarations may be evicted.
    pub(super) fn warning<'a>(
        &self,
        durable: impl IntoIterator<Item = &'a Declaration>,
    ) -> Option<Warning> {
        let policy = self.name.as_ref().filter(|_| self.limited)?;
        let evicts = |declaration: &Declaration| {
            let expires = declaration.ttl != KeyTtl::Forever;
            policy.starts_with("allkeys") || policy.starts_with("volatile") && expires
        };
        let patterns: Vec<String> = durable
            .into_iter()
            .filter(|declaration| evicts(declaration))
            .map(|declaration| declaration.pattern.to_owned())
            .collect();
        (!patterns.is_empty()).then(|| Warning::Evicts { policy: policy.clone(), patterns })
    }
}

/// `None` if the server refuses the command.
fn known<T>(reply: Result<T>) -> Result<Option<T>> {
    match reply {
        Err(error) if error.is_transient() => Err(error),
        reply => Ok(reply.ok()),
    }
}
