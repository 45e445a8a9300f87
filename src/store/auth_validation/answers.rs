//! The cached value of a user: the answers to a few credentials.

use serde::{Deserialize, Serialize};

use super::Validation;

/// How many answers are cached for one user at a time.
const ANSWERS_PER_USER: usize = 8;

/// The cached value of a user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answers {
    pub(super) user_id: String,
    results: Vec<Answer>,
}

/// The answer to one credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// The keyed hash of the credential, in hexadecimal.
    pub(super) credential_hash: String,
    /// Unix time in milliseconds at which the answer expires; 0: never.
    pub(super) expires_at: u64,
    #[serde(flatten)]
    pub(super) validation: Validation,
}

impl Answers {
    pub(super) fn find(&self, hash: &blake3::Hash, now: u64) -> Option<&Validation> {
        let answer = self.results.iter().find(|answer| {
            // Hashes are compared in constant time.
            blake3::Hash::from_hex(&answer.credential_hash).is_ok_and(|cached| cached == *hash)
        })?;
        answer.counts(now).then_some(&answer.validation)
    }

    /// Adds an answer, and drops expired ones. If there are too many, negative answers are dropped first, so that wrong
    /// credentials cannot evict the right one.
    pub(super) fn add(&mut self, new: Answer, now: u64) {
        self.results
            .retain(|answer| answer.counts(now) && answer.credential_hash != new.credential_hash);
        self.results.push(new);
        while self.results.len() > ANSWERS_PER_USER {
            let oldest_negative = self.results.iter().position(|answer| !answer.validation.valid);
            self.results.remove(oldest_negative.unwrap_or(0));
        }
    }
}

impl Answer {
    fn counts(&self, now: u64) -> bool {
        self.expires_at == 0 || now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, valid: bool, expires_at: u64) -> Answer {
        Answer {
            credential_hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
            expires_at,
            validation: if valid { Validation::valid() } else { Validation::invalid() },
        }
    }

    #[test]
    fn wrong_credentials_do_not_push_out_the_right_one() {
        let mut answers = Answers::default();
        answers.add(answer("right", true, 1000), 0);
        for guess in 0..100 {
            answers.add(answer(&guess.to_string(), false, 1000), 0);
        }
        assert_eq!(answers.results.len(), ANSWERS_PER_USER);
        assert_eq!(answers.find(&blake3::hash(b"right"), 0), Some(&Validation::valid()));
        assert_eq!(answers.find(&blake3::hash(b"99"), 0), Some(&Validation::invalid()));
    }

    #[test]
    fn an_answer_does_not_outlive_its_own_time() {
        let mut answers = Answers::default();
        answers.add(answer("right", true, 1000), 0);
        answers.add(answer("wrong", false, 1900), 900);
        assert!(answers.find(&blake3::hash(b"right"), 999).is_some());
        assert!(answers.find(&blake3::hash(b"right"), 1000).is_none());
    }
}
