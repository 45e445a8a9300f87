//! Upstash's answers over a real Redis, as far as this server can tell. The embedded engine has them itself: see
//! [`Dialect`](edgecask::transport::memory::Dialect), whose table has all of them.

use edgecask::transport::Transport;
use edgecask::{Command, Error, Value};

use crate::scripts::{Answer, Translated};

/// XREADGROUP with NOACK by consumers that do not exist yet, and that do not exist after it either. Its keys are those of the
/// streams; its arguments are the group, the consumer, and the words of the command.
const BY_STRANGERS: &str = "\
local group, consumer, unknown = ARGV[1], ARGV[2], {}
for _, key in ipairs(KEYS) do
  local consumers, is_known = redis.pcall('XINFO', 'CONSUMERS', key, group), false
  for _, fields in ipairs(consumers) do
    is_known = is_known or fields[2] == consumer
  end
  if not consumers.err and not is_known then table.insert(unknown, key) end
end
local reply = redis.pcall(unpack(ARGV, 3))
for _, key in ipairs(unknown) do redis.pcall('XGROUP', 'DELCONSUMER', key, group, consumer) end
return reply";

/// The command to send in place of one that Upstash answers in another way than Redis. `None` if it can be sent unchanged. A
/// script is only sent for a user that `may_run_scripts`.
pub(crate) fn translate(command: &Command, may_run_scripts: bool) -> Option<Translated> {
    let answer = |command: Command, reply| {
        Some(Translated { command, answer: Answer::Fixed(Value::Integer(reply)) })
    };
    match command.name() {
        "COPY" if command.get(0)? == command.get(1)? && !has_word(command, 2, b"DB") => {
            answer(Command::new("EXISTS").arg(command.get(0)?), 0)
        }
        "UNLINK" if command.args().len() == 0 => answer(Command::new("PING"), 0),
        "XREADGROUP" if may_run_scripts => read_by_strangers(command),
        "XTRIM" if command.get(2)? == b"~" => exact_trim(command),
        "ZRANGE" => page_of_ranks(command),
        _ => None,
    }
}

/// `XTRIM key MAXLEN|MINID ~ threshold [LIMIT count] …`. A LIMIT that Redis refuses stays.
fn exact_trim(command: &Command) -> Option<Translated> {
    let exact = Command::new("XTRIM").args_from([command.get(0)?, command.get(1)?]);
    let exact = exact.arg("=").arg(command.get(3)?);
    // An exact trim has no LIMIT.
    let rest = match has_word(command, 4, b"LIMIT") {
        false => 4,
        true if command.get(4)?.eq_ignore_ascii_case(b"LIMIT") => {
            number(command, 5).filter(|limit| *limit >= 0)?;
            6
        }
        true => return None,
    };
    let command = exact.args_from(command.args().skip(rest));
    Some(Translated { command, answer: Answer::Same })
}

fn read_by_strangers(command: &Command) -> Option<Translated> {
    /// Lua's stack holds 8000 values.
    const MOST_WORDS: usize = 4000;
    if command.args().len() > MOST_WORDS {
        return None;
    }
    let streams = command.args().position(|arg| arg.eq_ignore_ascii_case(b"STREAMS"))?;
    let is_no_ack = |arg: &[u8]| arg.eq_ignore_ascii_case(b"NOACK");
    // The words of the options may also be names of the group and the consumer, which come first.
    let is_asked = command.args().take(streams).skip(3).any(is_no_ack);
    if !is_asked || !command.get(0)?.eq_ignore_ascii_case(b"GROUP") {
        return None;
    }
    let named = command.args().skip(streams + 1);
    let keys = named.len() / 2;
    let script = Command::new("EVAL").arg(BY_STRANGERS).arg(keys).args_from(named.take(keys));
    let script = script.args_from([command.get(1)?, command.get(2)?]).arg("XREADGROUP");
    Some(Translated { command: script.args_from(command.args()), answer: Answer::Same })
}

/// `ZRANGE key start stop [REV] [WITHSCORES] LIMIT offset count`.
fn page_of_ranks(command: &Command) -> Option<Translated> {
    let (mut plain, mut limit, mut width) = (Command::new("ZRANGE"), None, 1);
    plain = plain.args_from(command.args().take(3));
    let mut at = 3;
    while let Some(word) = command.get(at) {
        match word.to_ascii_uppercase().as_slice() {
            b"LIMIT" => {
                limit = Some((number(command, at + 1)?, number(command, at + 2)?));
                at += 2;
            }
            b"BYSCORE" | b"BYLEX" => return None,
            b"WITHSCORES" => {
                width = 2;
                plain = plain.arg(word);
            }
            _ => plain = plain.arg(word),
        }
        at += 1;
    }
    let (offset, count) = limit?;
    // With a negative offset there is no result. A negative count is no limit.
    let (offset, count) = match usize::try_from(offset) {
        Ok(offset) => (offset, usize::try_from(count).unwrap_or(usize::MAX)),
        Err(_) => (0, 0),
    };
    let page =
        Answer::Page { skip: offset.saturating_mul(width), most: count.saturating_mul(width) };
    Some(Translated { command: plain, answer: page })
}

/// The reply to a SCAN with WITHTYPE, in as many commands as there are keys. `None` for any other command.
pub(crate) async fn scan_with_types(
    transport: &dyn Transport,
    command: &Command,
) -> Option<Result<Value, Error>> {
    if command.name() != "SCAN" {
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

fn number(command: &Command, at: usize) -> Option<i64> {
    std::str::from_utf8(command.get(at)?).ok()?.parse().ok()
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
        let command = translate(&command, true)?.command;
        let args = command.args().map(|arg| String::from_utf8_lossy(arg).into_owned());
        let args = args.map(|arg| if arg == BY_STRANGERS { "…".to_owned() } else { arg });
        Some(std::iter::once(command.name().to_owned()).chain(args).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn only_commands_that_differ_are_changed() {
        for (line, expected) in [
            ("COPY a a", Some("EXISTS a")),
            ("COPY a a REPLACE", Some("EXISTS a")),
            ("COPY a a DB 1", None),
            ("COPY a b", None),
            ("UNLINK", Some("PING")),
            ("UNLINK a", None),
            ("XTRIM s MAXLEN ~ 10", Some("XTRIM s MAXLEN = 10")),
            ("XTRIM s MINID ~ 5-1 LIMIT 100", Some("XTRIM s MINID = 5-1")),
            ("XTRIM s MAXLEN ~ 10 LIMIT 5 DELREF", Some("XTRIM s MAXLEN = 10 DELREF")),
            ("XTRIM s MAXLEN ~ 10 LIMIT x", None),
            ("XTRIM s MAXLEN ~ 10 LIMIT -1", None),
            ("XTRIM s MAXLEN ~ 10 LIMIT", None),
            ("XTRIM s MAXLEN ~ 10 ACKED LIMIT 1", None),
            ("XTRIM s MAXLEN ~", None),
            ("XTRIM s MAXLEN 10", None),
            ("XTRIM s", None),
            ("ZRANGE z 0 -1", None),
            ("ZRANGE z 0 -1 limit 1 2 REV", Some("ZRANGE z 0 -1 REV")),
            ("ZRANGE z 0 9 BYSCORE LIMIT 1 2", None),
            ("ZRANGE z 0 9 LIMIT 1", None),
            (
                "XREADGROUP GROUP g c NOACK STREAMS s t > >",
                Some("EVAL … 2 s t g c XREADGROUP GROUP g c NOACK STREAMS s t > >"),
            ),
            ("XREADGROUP GROUP g noack STREAMS s >", None),
            ("XREADGROUP GROUP g c STREAMS NOACK >", None),
            ("XREADGROUP NOACK", None),
            ("GET a", None),
        ] {
            assert_eq!(sent(line).as_deref(), expected, "{line}");
        }
    }
}
