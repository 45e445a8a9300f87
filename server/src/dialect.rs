//! Where Upstash answers a command in another way than Redis, and this server can tell.

use edgecask::transport::Transport;
use edgecask::{Command, Error, Value};

use crate::scripts::Translated;

/// Whose answers the server gives where Upstash and Redis differ.
///
/// | command | Upstash | Redis |
/// |---|---|---|
/// | COPY of a key to itself | 0 | an error |
/// | UNLINK without keys | 0 | an error |
/// | `SCAN … WITHTYPE` | each key with its type | an error |
/// | `XTRIM … ~ …` | trims to the threshold | trims whole nodes only |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The answers of Upstash, as its documentation tells them.
    #[default]
    Upstash,
    /// The answers of the Redis or the engine behind the server.
    Redis,
}

impl Dialect {
    /// `None` if the command can be sent unchanged.
    pub(crate) fn translate(self, command: &Command) -> Option<Translated> {
        if self == Self::Redis {
            return None;
        }
        let answer = |command: Command, reply| {
            Some(Translated { command, reply: Some(Value::Integer(reply)) })
        };
        match command.name() {
            "COPY" if command.get(0)? == command.get(1)? && !has_word(command, 2, b"DB") => {
                answer(Command::new("EXISTS").arg(command.get(0)?), 0)
            }
            "UNLINK" if command.args().len() == 0 => answer(Command::new("PING"), 0),
            "XTRIM" if command.get(2)? == b"~" => {
                let exact = Command::new("XTRIM").args_from([command.get(0)?, command.get(1)?]);
                let exact = exact.arg("=").args_from(command.get(3));
                // An exact trim has no LIMIT.
                let rest = command.args().skip(4);
                let is_limit = has_word(command, 4, b"LIMIT");
                let command = exact.args_from(rest.skip(if is_limit { 2 } else { 0 }));
                Some(Translated { command, reply: None })
            }
            _ => None,
        }
    }

    /// The reply to a SCAN with WITHTYPE, in as many commands as there are keys. `None` for any other command.
    pub(crate) async fn scan_with_types(
        self,
        transport: &dyn Transport,
        command: &Command,
    ) -> Option<Result<Value, Error>> {
        if self == Self::Redis || command.name() != "SCAN" {
            return None;
        }
        let is_word = |arg: &[u8]| arg.eq_ignore_ascii_case(b"WITHTYPE");
        // The words after the cursor come in pairs, apart from this one; a pattern may be the same word.
        let mut at = 1;
        while !is_word(command.get(at)?) {
            at += 2;
        }
        let args = command.args().enumerate().filter(|(place, _)| *place != at);
        let plain = Command::new("SCAN").args_from(args.map(|(_, arg)| arg));
        Some(with_types(transport, &plain).await)
    }
}

async fn with_types(transport: &dyn Transport, scan: &Command) -> Result<Value, Error> {
    let reply = transport.send(scan).await?;
    let Value::Array(mut parts) = reply else { return Ok(reply) };
    if let Some(Value::Array(keys)) = parts.get_mut(1) {
        let types = keys.iter().filter_map(Value::as_bytes);
        let types: Vec<Command> = types.map(|key| Command::new("TYPE").arg(key)).collect();
        let mut replies = Vec::new();
        if !types.is_empty() {
            replies = transport.pipeline(&types).await?;
        }
        let mut pairs = Vec::with_capacity(keys.len() * 2);
        for (key, kind) in keys.drain(..).zip(replies) {
            pairs.extend([key, kind?]);
        }
        *keys = pairs;
    }
    Ok(Value::Array(parts))
}

/// Whether an argument from this place on is a word.
fn has_word(command: &Command, from: usize, word: &[u8]) -> bool {
    command.args().skip(from).any(|arg| arg.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> Option<String> {
        let mut words = line.split(' ');
        let command = Command::new(words.next()?.to_owned()).args_from(words);
        assert!(Dialect::Redis.translate(&command).is_none());
        let command = Dialect::Upstash.translate(&command)?.command;
        let args = command.args().map(|arg| String::from_utf8_lossy(arg).into_owned());
        Some(std::iter::once(command.name().to_owned()).chain(args).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn only_what_differs_is_changed() {
        for (line, expected) in [
            ("COPY a a", Some("EXISTS a")),
            ("COPY a a REPLACE", Some("EXISTS a")),
            ("COPY a a DB 1", None),
            ("COPY a b", None),
            ("UNLINK", Some("PING")),
            ("UNLINK a", None),
            ("XTRIM s MAXLEN ~ 10", Some("XTRIM s MAXLEN = 10")),
            ("XTRIM s MINID ~ 5-1 LIMIT 100", Some("XTRIM s MINID = 5-1")),
            ("XTRIM s MAXLEN 10", None),
            ("XTRIM s", None),
            ("GET a", None),
        ] {
            assert_eq!(sent(line).as_deref(), expected, "{line}");
        }
    }
}
