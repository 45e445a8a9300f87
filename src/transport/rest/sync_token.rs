//! Read your writes: which sync token a request carries, and what the token of an answer covers.
//!
//! Tokens are opaque and cannot be compared. Two facts are known: which token a request carried, and that the primary, which
//! carries out all writes in order, has seen everything that was answered before a write began. So the token of a write
//! covers all tokens that had arrived when the write began. The token of a read covers the token that the read carried.
//! Tokens of writes that overlapped do not cover each other. Then one more write, which changes nothing, gets a token from
//! the primary that covers all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tokens that no other token covers. Usually there is one.
#[derive(Debug, Default)]
pub(super) struct SyncTokens(Mutex<Tokens>);

#[derive(Debug, Default)]
struct Tokens {
    newest: Vec<Token>,
    /// Counts the requests that began and the tokens that arrived.
    clock: u64,
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    arrived: u64,
}

/// A request that is under way.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) carried: Option<String>,
    began: u64,
    writes: bool,
}

/// The longest token that is used. Servers refuse requests whose headers are longer than about 8 KB.
const LONGEST: usize = 4096;

/// The most tokens that are kept. Two tokens already cause a join, and the join covers dropped tokens too.
const MAX: usize = 16;

/// Whether every request can carry this token.
fn fits(token: &str) -> bool {
    let fits = token.len() <= LONGEST && token.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !fits {
        tracing::warn!(
            bytes = token.len(),
            "a sync token that does not fit into a header is dropped"
        );
    }
    fits
}

impl SyncTokens {
    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writes have overlapped, so that no single token covers all of them.
    pub(super) fn is_split(&self) -> bool {
        self.lock().newest.len() > 1
    }

    /// Starts a request. Its ticket holds the token to carry.
    pub(super) fn begin(&self, writes: bool) -> Ticket {
        let mut tokens = self.lock();
        tokens.clock += 1;
        let carried = tokens.newest.last().map(|token| token.text.clone());
        Ticket { carried, began: tokens.clock, writes }
    }

    /// Records the token of a request's answer.
    pub(super) fn finish(&self, ticket: &Ticket, token: &str) {
        if !fits(token) {
            return;
        }
        let mut tokens = self.lock();
        tokens.clock += 1;
        let token = Token { text: token.to_owned(), arrived: tokens.clock };
        let carried = ticket.carried.as_ref();
        if ticket.writes {
            tokens.newest.retain(|old| old.arrived > ticket.began && Some(&old.text) != carried);
            tokens.newest.push(token);
            if tokens.newest.len() > MAX {
                tokens.newest.remove(0);
            }
        } else if let Some(old) = tokens.newest.iter_mut().find(|old| Some(&old.text) == carried) {
            *old = token;
        } else if tokens.newest.is_empty() {
            tokens.newest.push(token);
        }
    }

    /// The token to pass to another client.
    pub(super) fn export(&self) -> Option<String> {
        self.lock().newest.last().map(|token| token.text.clone())
    }

    /// Takes over a token of another client. The tokens of this client are dropped.
    pub(super) fn import(&self, token: &str) {
        if !fits(token) {
            return;
        }
        let mut tokens = self.lock();
        tokens.clock += 1;
        let token = Token { text: token.to_owned(), arrived: tokens.clock };
        tokens.newest = vec![token];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_one_token() {
        let tokens = SyncTokens::default();
        assert_eq!(tokens.export(), None);
        let write = tokens.begin(true);
        tokens.finish(&write, "1");
        let read = tokens.begin(false);
        assert_eq!(read.carried.as_deref(), Some("1"));
        tokens.finish(&read, "2");
        assert_eq!((tokens.export().as_deref(), tokens.is_split()), (Some("2"), false));
    }

    #[test]
    fn a_late_read_does_not_take_a_write_back() {
        let tokens = SyncTokens::default();
        let read = tokens.begin(false);
        let write = tokens.begin(true);
        tokens.finish(&write, "new");
        tokens.finish(&read, "old");
        assert_eq!(tokens.export().as_deref(), Some("new"));
    }

    #[test]
    fn overlapping_writes_are_split_until_a_later_one() {
        let tokens = SyncTokens::default();
        let [one, other] = [tokens.begin(true), tokens.begin(true)];
        tokens.finish(&other, "b");
        tokens.finish(&one, "a");
        assert!(tokens.is_split());
        let overlapping_read = tokens.begin(false);
        tokens.finish(&overlapping_read, "a2");
        assert!(tokens.is_split(), "a read cannot join them");
        let later = tokens.begin(true);
        tokens.finish(&later, "c");
        assert_eq!((tokens.export().as_deref(), tokens.is_split()), (Some("c"), false));
    }

    #[test]
    fn an_imported_token_is_carried() {
        let tokens = SyncTokens::default();
        tokens.import("theirs");
        assert_eq!(tokens.begin(false).carried.as_deref(), Some("theirs"));
    }

    #[test]
    fn a_token_that_no_header_carries_is_dropped() {
        let tokens = SyncTokens::default();
        tokens.import("good");
        for bad in ["x".repeat(LONGEST + 1), "a\r\nb: c".to_owned(), "ü".to_owned()] {
            tokens.import(&bad);
            for writes in [true, false] {
                let ticket = tokens.begin(writes);
                tokens.finish(&ticket, &bad);
            }
            assert_eq!(tokens.export().as_deref(), Some("good"));
        }
    }

    #[test]
    fn few_tokens_are_kept_and_they_stay_split() {
        let tokens = SyncTokens::default();
        let writes: Vec<Ticket> = (0..1000).map(|_| tokens.begin(true)).collect();
        for (number, write) in writes.iter().enumerate() {
            tokens.finish(write, &number.to_string());
        }
        assert_eq!(tokens.lock().newest.len(), MAX);
        assert!(tokens.is_split());
    }
}
