//! Who may do what: the standard token everything, the read-only token commands that read, and the tokens of ACL users
//! what Redis lets those do.
//!
//! As with Redis's own category `@read`, scripts and functions do not belong to what only reads, also those that are sent
//! by EVAL_RO: inside, they may call KEYS and its like.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use edgecask::{Client, Command, Error};

use crate::random_token;

/// The tokens, kept as hashes: comparing those takes the same time whatever they hold.
pub(crate) struct Tokens {
    standard: blake3::Hash,
    read_only: Option<blake3::Hash>,
    /// Those that ACL RESTTOKEN gave out.
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    by_token: HashMap<blake3::Hash, Permission>,
    /// The token of a user with a password: who asks again gets the same one.
    given: HashMap<blake3::Hash, String>,
}

/// Each token holds a connection to Redis.
const MOST_USERS: usize = 1000;

/// What a token allows.
#[derive(Debug, Clone)]
pub(crate) enum Permission {
    Everything,
    ReadOnly,
    /// What Redis allows the user of this name, by whose connection commands go.
    User(String, Client),
}

impl Tokens {
    pub(crate) fn new(standard: &str, read_only: Option<&str>) -> Self {
        Self { standard: hash(standard), read_only: read_only.map(hash), users: Mutex::default() }
    }

    pub(crate) fn permission(&self, token: &str) -> Option<Permission> {
        let hash = hash(token);
        if hash == self.standard {
            return Some(Permission::Everything);
        }
        if self.read_only == Some(hash) {
            return Some(Permission::ReadOnly);
        }
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.by_token.get(&hash).cloned()
    }

    /// The token of a user, whose password was accepted on this connection.
    pub(crate) fn add_user(
        &self,
        name: &str,
        password: &str,
        client: Client,
    ) -> Result<String, Error> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let login = hash(&format!("{}:{name}{password}", name.len()));
        if let Some(token) = users.given.get(&login) {
            return Ok(token.clone());
        }
        if users.given.len() >= MOST_USERS {
            return Err(Error::server("ERR too many tokens were given out: restart the server"));
        }
        let token = random_token()?;
        users.by_token.insert(hash(&token), Permission::User(name.to_owned(), client));
        users.given.insert(login, token.clone());
        Ok(token)
    }
}

fn hash(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

impl Permission {
    /// Why a command is refused, if it is.
    pub(crate) fn refuse(&self, command: &Command) -> Option<String> {
        let refused = matches!(self, Self::ReadOnly) && !command.info().read_only_token;
        refused.then(|| no_permission(command.name()))
    }

    /// Why listening by this word is refused, if it is: MONITOR shows everybody's values.
    pub(crate) fn refuse_to_listen(&self, word: &str) -> Option<String> {
        (matches!(self, Self::ReadOnly) && word == "MONITOR").then(|| no_permission(word))
    }
}

pub(crate) fn no_permission(name: &str) -> String {
    format!(
        "NOPERM this user has no permissions to run the '{}' command or its subcommand",
        name.to_ascii_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_token_reads_and_nothing_else() {
        let tokens = Tokens::new("all", Some("read"));
        assert!(matches!(tokens.permission("all"), Some(Permission::Everything)));
        assert!(matches!(tokens.permission("read"), Some(Permission::ReadOnly)));
        assert!(tokens.permission("nothing").is_none());
        assert!(tokens.permission("").is_none());
        for (name, refused) in [
            ("GET", false),
            ("PING", false),
            ("SET", true),
            ("EVAL", true),
            ("KEYS", true),
            ("RANDOMKEY", true),
            ("EVAL_RO", true),
            ("EVALSHA_RO", true),
            ("FCALL_RO", true),
            ("SORT_RO", true),
            ("NEW", true),
            ("SCAN", true),
            ("ECHO", false),
            ("DBSIZE", false),
            ("TIME", false),
            ("INFO", false),
            ("COPY", true),
            ("CLIENT", true),
        ] {
            assert_eq!(
                Permission::ReadOnly.refuse(&Command::new(name)).is_some(),
                refused,
                "{name}"
            );
            assert_eq!(Permission::Everything.refuse(&Command::new(name)), None);
        }
        assert!(Permission::ReadOnly.refuse_to_listen("MONITOR").is_some());
        assert!(Permission::ReadOnly.refuse_to_listen("SUBSCRIBE").is_none());
    }
}
