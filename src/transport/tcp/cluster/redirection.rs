//! The replies by which a server sends a command to another server (Redis Cluster specification, MOVED and ASK).

use super::node::Address;
use crate::Error;

/// Where a command that a server did not run is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The slot belongs to this server. An empty host is the one that answered.
    Moved(Address),
    /// The slot is on its way to this server, and so is the key. It serves the command behind ASKING.
    Ask(Address),
    /// The slot is on its way to another server, and the keys of the command are on both.
    TryAgain,
}

impl Redirection {
    /// The redirection that an error reply stands for. The error may also be that of a transaction, which was discarded then.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let address = || {
            // MOVED 3999 127.0.0.1:6381
            let (host, port) = error.message().split(' ').nth(2)?.rsplit_once(':')?;
            Some(Address { host: host.to_owned(), port: port.parse().ok()? })
        };
        match error.code()? {
            "MOVED" => address().map(Self::Moved),
            "ASK" => address().map(Self::Ask),
            "TRYAGAIN" => Some(Self::TryAgain),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_replies_name_the_other_server() {
        let of = |reply: &str| Redirection::of(&Error::server(reply));
        let address = |host: &str, port| Address { host: host.to_owned(), port };
        assert_eq!(
            of("MOVED 3999 127.0.0.1:6381"),
            Some(Redirection::Moved(address("127.0.0.1", 6381)))
        );
        assert_eq!(of("ASK 3999 ::1:6381"), Some(Redirection::Ask(address("::1", 6381))));
        assert_eq!(of("MOVED 3999 :6381"), Some(Redirection::Moved(address("", 6381))));
        assert_eq!(of("TRYAGAIN Multiple keys request"), Some(Redirection::TryAgain));
        for reply in ["MOVED", "MOVED 1", "MOVED 1 host", "ASK 1 host:99999", "ERR MOVED 1 a:1"] {
            assert_eq!(of(reply), None, "{reply}");
        }
        let discarded = Error::server("MOVED 3999 127.0.0.1:6381").into_discarded();
        assert!(Redirection::of(&discarded).is_some());
    }
}
