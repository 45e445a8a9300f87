//! Who may do what: the standard token everything, the read-only token commands that read.

use edgecask::Command;
use edgecask::command::Access;

/// The tokens, kept as hashes: comparing those takes the same time whatever they hold.
pub(crate) struct Tokens {
    standard: blake3::Hash,
    read_only: Option<blake3::Hash>,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Everything,
    ReadOnly,
}

impl Tokens {
    pub(crate) fn new(standard: &str, read_only: Option<&str>) -> Self {
        let hash = |token: &str| blake3::hash(token.as_bytes());
        Self { standard: hash(standard), read_only: read_only.map(hash) }
    }

    pub(crate) fn permission(&self, token: &str) -> Option<Permission> {
        let hash = blake3::hash(token.as_bytes());
        if hash == self.standard {
            Some(Permission::Everything)
        } else if self.read_only == Some(hash) {
            Some(Permission::ReadOnly)
        } else {
            None
        }
    }
}

impl Permission {
    /// Why a command is refused, if it is.
    pub(crate) fn refuse(self, command: &Command) -> Option<String> {
        let info = command.info();
        // Like Upstash, a read-only token may not walk through all keys.
        let reads = info.access == Access::Read && !matches!(command.name(), "SCAN" | "KEYS");
        let harmless = matches!(command.name(), "PING" | "ECHO" | "DBSIZE" | "TIME" | "INFO");
        (self == Self::ReadOnly && !reads && !harmless).then(|| {
            format!(
                "NOPERM this user has no permissions to run the '{}' command or its subcommand",
                command.name().to_ascii_lowercase()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_token_reads_and_nothing_else() {
        let tokens = Tokens::new("all", Some("read"));
        assert_eq!(tokens.permission("all"), Some(Permission::Everything));
        assert_eq!(tokens.permission("nothing"), None);
        assert_eq!(tokens.permission(""), None);
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
    }
}
