//! The rules of a check.

use std::time::Duration;

use super::fault::{self, Fault};
use super::judge;
use super::look::{Content, Limits};
use super::patterns::Patterns;
use crate::key::slot_of;
use crate::{Keyspace, Pattern};

/// The settings of a check.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) patterns: Patterns,
    /// The keys of other programs.
    pub(super) excepted: Vec<Keyspace>,
    pub(super) matching: Option<Pattern>,
    /// The declarations whose keys must not be evicted.
    pub(super) durable: Vec<usize>,
    /// The declarations whose keys change together.
    pub(super) together: Vec<Vec<usize>>,
    pub(super) allowed: Limits,
    pub(super) max_findings: usize,
    pub(super) page: u32,
}

impl Rules {
    pub(super) fn is_excepted(&self, key: &[u8]) -> bool {
        let is_in = |keyspace: &Keyspace| {
            key.strip_prefix(keyspace.as_str().as_bytes())
                .is_some_and(|rest| rest.starts_with(b":"))
        };
        self.excepted.iter().any(is_in)
    }

    pub(super) fn faults(&self, at: usize, ttl: Option<Duration>, content: &Content) -> Vec<Fault> {
        judge::faults(&self.patterns.declarations[at], ttl, content, self.allowed)
    }

    /// The keys that change together with this one and are in another slot.
    pub(super) fn cross_slots(&self, at: usize, key: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for group in &self.together {
            let Some((_, others)) = group.split_first().filter(|(first, _)| **first == at) else {
                continue;
            };
            let siblings = others.iter().map(|other| self.patterns.sibling(key, at, *other));
            let apart = siblings.filter(|other| slot_of(other) != slot_of(key));
            faults
                .extend(apart.map(|with| Fault::CrossSlot { with: fault::shown(with.as_bytes()) }));
        }
        faults
    }
}
