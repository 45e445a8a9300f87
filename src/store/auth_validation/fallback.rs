//! Answers in this process's memory, for outages of the cache.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;

use super::Validation;
use super::answers::{Answer, Answers};

/// How long an answer is served at most, in milliseconds. This process is not told what other processes revoke.
pub(super) const LONGEST: u64 = 300_000;

pub(super) struct Fallback(Mutex<State>);

struct State {
    users: Cache<String, Answers>,
    revocations: u64,
}

/// The number of revocations when a check began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Began(u64);

impl Fallback {
    /// Keeps the answers of this many users. The least recently used are evicted first.
    pub(super) fn new(users: usize) -> Self {
        Self(Mutex::new(State { users: Cache::new(users), revocations: 0 }))
    }

    /// The answer to a credential, or the start of its check.
    pub(super) fn find(
        &self,
        user_id: &str,
        hash: &blake3::Hash,
        now: u64,
    ) -> Result<Validation, Began> {
        let state = self.lock();
        let found = state.users.get(user_id).and_then(|answers| answers.find(hash, now));
        found.cloned().ok_or(Began(state.revocations))
    }

    /// Keeps an answer, unless something was revoked since its check began.
    pub(super) fn add(&self, user_id: &str, answer: Answer, began: Began, now: u64) {
        let mut state = self.lock();
        if Began(state.revocations) != began {
            return;
        }
        let mut answers = state.users.get(user_id).cloned().unwrap_or_default();
        answers.add(answer, now);
        state.users.insert(user_id.to_owned(), answers);
    }

    pub(super) fn revoke(&self, user_id: &str) {
        let mut state = self.lock();
        state.revocations += 1;
        state.users.remove(user_id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_meanwhile_is_not_kept() {
        let (fallback, hash) = (Fallback::new(2), blake3::hash(b"right"));
        let answer = || Answer {
            credential_hash: hash.to_hex().to_string(),
            expires_at: 100,
            validation: Validation::valid(),
        };
        let began = fallback.find("ada", &hash, 0).expect_err("nothing is kept");
        fallback.revoke("ada");
        fallback.add("ada", answer(), began, 0);
        let began = fallback.find("ada", &hash, 0).expect_err("nothing is kept");
        fallback.add("ada", answer(), began, 0);
        assert_eq!(fallback.find("ada", &hash, 99).ok(), Some(Validation::valid()));
        assert!(fallback.find("ada", &hash, 100).is_err(), "its time is over");
        fallback.revoke("ada");
        assert!(fallback.find("ada", &hash, 0).is_err());
        for user in 0..100 {
            let user = user.to_string();
            if let Err(began) = fallback.find(&user, &hash, 0) {
                fallback.add(&user, answer(), began, 0);
            }
        }
        assert!(fallback.lock().users.len() <= 2);
    }
}
