//! What of a server's text stands in an error: no argument of the command.

use std::sync::Arc;

use super::{BoxError, Error, ErrorKind, redaction};

impl Error {
    /// An error reply of Redis, such as `WRONGTYPE Operation against a key …`. If Redis repeats the command's arguments, they
    /// are cut off, because they may contain secrets.
    ///
    /// ```
    /// use edgecask::{Error, ErrorKind};
    ///
    /// let error = Error::server("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("WRONGTYPE")));
    /// ```
    pub fn server(reply: &str) -> Self {
        const ECHOES: [&str; 2] = [", with args beginning with:", ", command was:"];
        let reply = ECHOES
            .iter()
            .filter_map(|echo| reply.find(echo))
            .min()
            .map_or(reply, |at| &reply[..at]);
        let (code, kind) = match reply.split_once(' ').map_or(reply, |(code, _)| code) {
            code @ ("WRONGPASS" | "NOAUTH") => (Some(code), ErrorKind::Unauthorized),
            "EXECABORT" => (Some("EXECABORT"), ErrorKind::Discarded),
            code if !code.is_empty()
                && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') =>
            {
                (Some(code), ErrorKind::Server)
            }
            _ => (None, ErrorKind::Server),
        };
        Self::quoting(kind, String::new(), reply).with_code(code)
    }

    /// An error whose message ends in words of the server.
    pub(crate) fn quoting(kind: ErrorKind, own: String, quoted: &str) -> Self {
        /// The text of a server has no limit of its own.
        const LONGEST: usize = 500;
        let start = own.len();
        let cut = quoted.char_indices().nth(LONGEST).map(|(at, _)| &quoted[..at]);
        let message = match cut {
            Some(cut) => [&own, cut, "…"].concat(),
            None => own + quoted,
        };
        let mut error = Self::new(kind, message);
        error.0.quoted_from = Some(start);
        error
    }

    /// An error of another kind in the same words of the server.
    #[cfg(feature = "rest")]
    pub(crate) fn into_kind(self, kind: ErrorKind) -> Self {
        let mut error = Self::new(kind, "");
        error.0.message = self.0.message;
        error.0.quoted_from = self.0.quoted_from;
        error
    }

    pub(crate) fn with_code(mut self, code: Option<&str>) -> Self {
        /// No code of Redis is half as long.
        const LONGEST: usize = 40;
        self.0.code = code.filter(|code| code.len() <= LONGEST).map(Into::into);
        self
    }

    /// The same error with these arguments removed from the server's text. Each word of at least 3 bytes that is part of an
    /// argument, or that an argument is part of, becomes `…`. The words of Redis's own messages stay, and so does the text of
    /// this crate. A transport calls it with all arguments of the command.
    ///
    /// ```
    /// use edgecask::Error;
    ///
    /// let error = Error::server("ERR Error in ACL SETUSER modifier '<hunter2': Syntax error");
    /// let error = error.redacted([b"bob".as_slice(), b"<hunter2"]);
    /// assert_eq!(error.message(), "ERR Error in ACL SETUSER modifier '…': Syntax error");
    /// ```
    #[must_use]
    pub fn redacted<'a>(mut self, args: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let inner_error = |source: &Arc<BoxError>| {
            source.downcast_ref::<Self>().is_some_and(|error| error.0.quoted_from.is_some())
        };
        let has_inner = self.0.source.as_ref().is_some_and(inner_error);
        if self.0.quoted_from.is_none() && !has_inner {
            return self;
        }
        let args: Vec<&[u8]> =
            args.into_iter().filter(|arg| arg.len() >= redaction::SHORTEST_SECRET).collect();
        if let Some(source) =
            self.0.source.as_ref().and_then(|source| source.downcast_ref::<Self>())
        {
            self.0.source = Some(Arc::new(Box::new(source.clone().redacted(args.iter().copied()))));
        }
        if let Some(start) = self.0.quoted_from {
            let (own, quoted) = self.0.message.split_at(start);
            let code = self.0.code.as_deref().filter(|code| {
                let is_argument = |arg: &&[u8]| arg.starts_with(code.as_bytes());
                redaction::is_common(code) || !args.iter().any(is_argument)
            });
            let clean = redaction::without(&args, quoted, code);
            let message = [own, &clean].concat();
            self.0.code = code.map(Into::into);
            self.0.message = message.into();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_error_never_repeats_arguments() {
        let error = Error::server(
            "ERR unknown command 'FOO', with args beginning with: 'secret' 'password'",
        );
        assert_eq!(error.message(), "ERR unknown command 'FOO'");
        let error = Error::server("ERR internal, command was: [\"set\",\"k\",\"secret\"]");
        assert_eq!(error.message(), "ERR internal");
    }

    #[test]
    fn the_first_word_is_a_code_only_if_it_looks_like_one() {
        assert_eq!(Error::server("something odd").code(), None);
        assert_eq!(Error::server("").code(), None);
        assert_eq!(
            Error::server("NOAUTH Authentication required.").kind(),
            ErrorKind::Unauthorized
        );
    }

    #[test]
    fn no_argument_is_in_what_a_server_says() {
        let shown = |reply: &str, args: &[&[u8]]| {
            let error = Error::server(reply).redacted(args.iter().copied());
            (error.message().to_owned(), error.code().map(str::to_owned))
        };
        for (reply, args, expected) in [
            ("ERR bad modifier '<pw1': x", &[b"<pw1".as_slice()][..], "ERR bad modifier '…': x"),
            ("ERR near 'tok' in line 1", &[b"return tok en", b"1"], "ERR near '…' in line 1"),
            ("ERR Unsupported option SECRET", &[b"secret"], "ERR Unsupported option …"),
            ("ERR my long secret", &[b"my long secret"], "ERR …"),
            ("ERR 'p(w)1;z2' and a1,b2", &[b"p(w)1;z2", b"a1,b2"], "ERR '…' and …"),
            ("ERR near (A1,B2)", &[b"A1,b2"], "ERR near (…)"),
            ("ERR wrong kind, no", &[b"wrong kind"], "ERR wrong kind, no"),
            ("ERR [\"SET\",\"a-secret\"]", &[b"a-secret"], "ERR [\"SET\",\"…\"]"),
            ("ERR pre-secret-post", &[b"secret"], "ERR …"),
            ("ERR /SET/%73%65%63ret", &[b"secret"], "ERR …"),
            ("ERR syntax error", &[b"a syntax error", b"error"], "ERR syntax error"),
            (
                "ERR wrong number of arguments for 'get' command",
                &[b"k"],
                "ERR wrong number of arguments for 'get' command",
            ),
            ("ERR \u{fc}ber geheim.", &[b"\xff geheim"], "ERR \u{fc}ber …."),
        ] {
            assert_eq!(
                shown(reply, args),
                (expected.to_owned(), Some("ERR".to_owned())),
                "{reply}"
            );
        }
        assert_eq!(shown("SECRET is said", &[b"SECRET is said"]), ("…".to_owned(), None));
        assert_eq!(shown("LIMIT reached", &[b"key"]).1.as_deref(), Some("LIMIT"));
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(shown(wrong_type, &[b"WRONGTYPE key of value"]).0, wrong_type);
    }

    #[test]
    fn a_discarded_transaction_hides_arguments_at_every_depth() {
        let error = Error::server("EXECABORT because of 'secret'").into_discarded();
        let error = error.redacted([b"secret".as_slice()]);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn a_message_has_a_bound() {
        let error = Error::server(&"ü".repeat(100_000));
        assert_eq!(error.message().chars().count(), 501);
        assert_eq!(Error::server(&"A".repeat(100_000)).code(), None);
    }
}
