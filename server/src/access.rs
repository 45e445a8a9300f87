//! Permissions of tokens. The standard token may send every command, the read-only token commands that read, and the token of
//! an ACL user the commands that Redis allows to that user.
//!
//! Scripts and functions do not count as reading, not even by EVAL_RO, because a script may call KEYS and similar commands. The
//! category `@read` of Redis excludes them too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use edgecask::{Client, Command, Error};

use crate::random_token;

/// The tokens. They are kept as hashes, which are compared in constant time.
pub(crate) struct Tokens {
    standard: blake3::Hash,
    read_only: Option<blake3::Hash>,
    /// The tokens that ACL RESTTOKEN issued.
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    by_token: HashMap<blake3::Hash, Permission>,
    /// The issued token for a user name and password. A second request gets the same token.
    given: HashMap<blake3::Hash, String>,
}

/// The number of tokens is limited, because each keeps a connection to Redis.
const MAX_USERS: usize = 1000;

/// The permissions of a token.
#[derive(Debug, Clone)]
pub(crate) enum Permission {
    Everything,
    ReadOnly,
    /// The permissions of the Redis user of this name. Commands use the user's own connection.
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

    /// The token of a user. The password was accepted on the connection of `client`.
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
        if users.given.len() >= MAX_USERS {
            return Err(Error::server("ERR too many tokens were issued: restart the server"));
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
    /// The error text if the command is refused.
    pub(crate) fn refuse(&self, command: &Command) -> Option<String> {
        let refused = matches!(self, Self::ReadOnly) && !command.info().read_only_token;
        refused.then(|| no_permission(command.name()))
    }

    /// The error text if this kind of subscription is refused. MONITOR shows the values of all clients.
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
