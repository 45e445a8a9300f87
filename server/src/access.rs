//! Who may do what: the standard token everything, the read-only token commands that read, and the tokens of ACL users
//! what Redis lets those do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use edgecask::command::Access;
use edgecask::{Client, Command};

/// The tokens, kept as hashes: comparing those takes the same time whatever they hold.
pub(crate) struct Tokens {
    standard: blake3::Hash,
    read_only: Option<blake3::Hash>,
    /// Those that ACL RESTTOKEN gave out, each with a connection of its user's.
    users: Mutex<HashMap<blake3::Hash, Client>>,
}

/// What a token allows.
#[derive(Debug, Clone)]
pub(crate) enum Permission {
    Everything,
    ReadOnly,
    /// What Redis allows this user, by whose connection commands go.
    User(Client),
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
        users.get(&hash).cloned().map(Permission::User)
    }

    pub(crate) fn add_user(&self, token: &str, client: Client) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(hash(token), client);
    }
}

fn hash(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

impl Permission {
    /// Why a command is refused, if it is.
    pub(crate) fn refuse(&self, command: &Command) -> Option<String> {
        let info = command.info();
        // Like Upstash, a read-only token may not walk through all keys.
        let reads = info.access == Access::Read && !matches!(command.name(), "SCAN" | "KEYS");
        let harmless = matches!(command.name(), "PING" | "ECHO" | "DBSIZE" | "TIME" | "INFO");
        (matches!(self, Self::ReadOnly) && !reads && !harmless)
            .then(|| no_permission(command.name()))
    }

    /// Why listening by this word is refused, if it is: MONITOR shows everybody's values.
    pub(crate) fn refuse_to_listen(&self, word: &str) -> Option<String> {
        (matches!(self, Self::ReadOnly) && word == "MONITOR").then(|| no_permission(word))
    }
}

fn no_permission(name: &str) -> String {
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
            ("NEW", true),
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
