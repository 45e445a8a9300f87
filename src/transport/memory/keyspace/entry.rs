//! A key's value, its lifetime, and what is known of its use.

use super::kind::Kind;
use crate::transport::memory::collections::Hash;
use crate::transport::memory::data::Data;
use crate::transport::memory::usage::Usage;

#[derive(Clone)]
pub(in crate::transport::memory) struct Entry {
    pub(in crate::transport::memory) data: Data,
    /// Unix time in milliseconds.
    pub(in crate::transport::memory) expires_at: Option<u64>,
    /// When the next field of a hash expires.
    pub(super) field_expires_at: Option<u64>,
    pub(in crate::transport::memory) usage: Usage,
    /// What the key counts for in the memory that is used.
    pub(super) bytes: usize,
}

impl Entry {
    pub(super) fn new(data: Data, expires_at: Option<u64>, now: u64) -> Self {
        Self { data, expires_at, field_expires_at: None, usage: Usage::new(now), bytes: 0 }
    }

    pub(super) fn next_field_expiry(&self) -> Option<u64> {
        Hash::of(&self.data).and_then(Hash::next_expiry)
    }
}
