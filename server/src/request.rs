//! HTTP requests as commands.

use std::borrow::Cow;

use edgecask::Command;
use edgecask::transport::Subscription;
use percent_encoding::percent_decode_str;
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A command that cannot be read, as the error that the client gets.
pub(crate) type Malformed = String;

/// `["SET","k",1]`.
pub(crate) fn from_json(body: &[u8]) -> Result<Command, Malformed> {
    let args: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_| "ERR failed to parse command".to_owned())?;
    command(&args)
}

/// `[["SET","k",1],["GET","k"]]`, at most `most` commands.
pub(crate) fn batch_from_json(body: &[u8], most: usize) -> Result<Vec<Command>, Malformed> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_seq(Batch { most }).and_then(|batch| json.end().map(|()| batch));
    read.map_err(|_| "ERR failed to parse pipeline request".to_owned())?
}

/// Reads a batch command by command, so that a batch that is too long does not take memory.
struct Batch {
    most: usize,
}

impl<'de> Visitor<'de> for Batch {
    type Value = Result<Vec<Command>, Malformed>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of commands")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut commands = Vec::new();
        let mut refusal = None;
        while let Some(args) = items.next_element::<Vec<&RawValue>>()? {
            if refusal.is_some() {
                continue;
            }
            match command(&args) {
                Ok(_) if commands.len() == self.most => {
                    refusal = Some(format!(
                        "ERR max pipeline length exceeded. Limit: {} commands",
                        self.most
                    ));
                }
                Ok(command) => commands.push(command),
                Err(malformed) => refusal = Some(malformed),
            }
        }
        Ok(refusal.map_or(Ok(commands), Err))
    }
}

fn command(args: &[&RawValue]) -> Result<Command, Malformed> {
    let (name, args) = args.split_first().ok_or("ERR empty command")?;
    let command = Command::new(text(name)?.into_owned());
    args.iter().try_fold(command, |command, arg| Ok(command.arg(text(arg)?)))
}

/// The content of a string, or the text of a number or bool, so that no digit is lost.
fn text(arg: &RawValue) -> Result<Cow<'_, str>, Malformed> {
    let json = arg.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Cow<'_, str>>(json)
            .map_err(|_| "ERR failed to parse command".to_owned()),
        Some(b'[' | b'{') => Err("ERR an argument must be a string, a number or a bool".to_owned()),
        Some(b'n') => Err("ERR null arguments are not supported".to_owned()),
        _ => Ok(Cow::Borrowed(json)),
    }
}

/// The command of `/set/k/v?EX=60`: the path, then the body as one argument, then the query.
pub(crate) fn from_path(path: &str, query: &str, body: &[u8]) -> Result<Command, Malformed> {
    let mut segments = segments(path)?.into_iter();
    let name = segments.next().and_then(|name| String::from_utf8(name).ok());
    let name = name.filter(|name| !name.is_empty()).ok_or("ERR empty command")?;
    let mut command = Command::new(name).args_from(segments);
    if !body.is_empty() {
        command = command.arg(body);
    }
    for (name, value) in query_pairs(query).filter(|(name, _)| name != TOKEN) {
        command = command.arg(name);
        if let Some(value) = value {
            command = command.arg(value);
        }
    }
    Ok(command)
}

/// `/subscribe/a/b`, `/psubscribe/news.*` or `/monitor`: the command's name, and what it listens to.
pub(crate) fn subscription(path: &str) -> Result<(&'static str, Subscription), Malformed> {
    let mut names = segments(path)?;
    let word = names.remove(0);
    if word != b"monitor" && names.iter().all(Vec::is_empty) {
        return Err("ERR wrong number of arguments for 'subscribe' command".to_owned());
    }
    // Events are text and cannot carry other names. Messages of such channels would be lost or attributed to others.
    let unfit = |name: &Vec<u8>| {
        name.is_empty() || name.contains(&b'\r') || std::str::from_utf8(name).is_err()
    };
    if names.iter().any(unfit) {
        return Err("ERR server-sent events cannot name this channel: it must be UTF-8 text, not empty and without \
                    carriage returns"
            .to_owned());
    }
    match &word[..] {
        b"monitor" if names.is_empty() => Ok(("MONITOR", Subscription::Monitor)),
        b"subscribe" => Ok(("SUBSCRIBE", Subscription::channels(names))),
        b"psubscribe" => Ok(("PSUBSCRIBE", Subscription::patterns(names))),
        _ => Err("ERR unknown subscription".to_owned()),
    }
}

/// The decoded segments of a path.
///
/// URL parsers resolve the segments `.` and `..`, also in percent encoding, and read `\` as `/`. A client or proxy that rewrites
/// such a path turns the command into another one, so paths with such segments are refused.
fn segments(path: &str) -> Result<Vec<Vec<u8>>, Malformed> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let decode = |segment: &str| percent_decode_str(segment).collect::<Vec<u8>>();
    let segments: Vec<Vec<u8>> = path.split('/').map(decode).collect();
    if path.contains('\\') || segments.iter().any(|segment| matches!(&segment[..], b"." | b"..")) {
        return Err("ERR the path has a segment that URL parsers rewrite ('.', '..' or one with '\\'): send the command \
                    as JSON, or this argument as the body"
            .to_owned());
    }
    Ok(segments)
}

/// The name of the query parameter that holds the token.
const TOKEN: &[u8] = b"_token";

/// The one `_token` of a query.
pub(crate) fn token_in(query: &str) -> Result<Option<String>, Malformed> {
    let mut tokens = query_pairs(query).filter(|(name, _)| name == TOKEN);
    let token = tokens.next().and_then(|(_, token)| String::from_utf8(token?).ok());
    match tokens.next() {
        Some(_) => Err(ambiguous_token()),
        None => Ok(token),
    }
}

/// Whether a query names a `_token`.
pub(crate) fn has_token(query: &str) -> bool {
    query_pairs(query).any(|(name, _)| name == TOKEN)
}

/// The error for a `_token` that may be an argument. The server reads it as a token, so the argument would be lost.
pub(crate) fn ambiguous_token() -> Malformed {
    "ERR the query parameter '_token' is the token and cannot be an argument too: send the command as JSON".to_owned()
}

/// Refuses a query if the command is not in the path, because the query would be ignored.
pub(crate) fn no_arguments_in(query: &str) -> Result<(), Malformed> {
    match query_pairs(query).all(|(name, _)| name == TOKEN) {
        true => Ok(()),
        false => Err("ERR query parameters belong to commands in the path: put them into the body"
            .to_owned()),
    }
}

/// `name=value` pairs in order; a name without `=` stands alone.
fn query_pairs(query: &str) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| match pair.split_once('=') {
        Some((name, value)) => (decode(name), Some(decode(value))),
        None => (decode(pair), None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(command: Result<Command, Malformed>) -> Vec<String> {
        let Ok(command) = command else {
            return Vec::new();
        };
        let args = command.args().map(|arg| arg.escape_ascii().to_string());
        std::iter::once(command.name().to_owned()).chain(args).collect()
    }

    #[test]
    fn json_arguments_keep_their_digits() {
        let command = from_json(br#"["set","k",12345678901234567890, 1.0, 1e21, true, "\u00fc"]"#);
        assert_eq!(
            args(command),
            ["SET", "k", "12345678901234567890", "1.0", "1e21", "true", r"\xc3\xbc"]
        );
    }

    #[test]
    fn a_malformed_command_is_refused() {
        for body in ["", "{}", "[]", "[[1]]", r#"["get",null]"#, r#"["get",{}]"#, r#"["get""#] {
            assert!(from_json(body.as_bytes()).is_err(), "{body}");
        }
        assert!(batch_from_json(b"[[]]", 9).is_err());
        assert!(batch_from_json(br#"["get","k"]"#, 9).is_err());
    }

    #[test]
    fn a_path_takes_its_body_before_its_query() {
        let command = from_path("/set/a%2Fb", "EX=100&_token=x&NX", b"\xff");
        assert_eq!(args(command), ["SET", "a/b", r"\xff", "EX", "100", "NX"]);
        assert_eq!(args(from_path("/set/k/", "", b"")), ["SET", "k", ""]);
        assert!(from_path("/", "", b"").is_err());
        assert_eq!(token_in("a=b&_token=t%20t"), Ok(Some("t t".to_owned())));
        assert!(token_in("_token=a&_token=b").is_err());
    }

    #[test]
    fn a_path_that_url_parsers_rewrite_is_refused() {
        for path in ["/set/../a/b", "/set/k/.", "/%2e%2E/k", "/set/.%2e/k", "/set\\k", "/.", "/.."]
        {
            let refusal = from_path(path, "", b"").err().unwrap_or_default();
            assert!(refusal.contains("rewrite"), "{path}: {refusal}");
        }
        for path in ["/subscribe/..", "/psubscribe/%2e"] {
            assert!(subscription(path).is_err(), "{path}");
        }
        assert_eq!(args(from_path("/set/.../.k", "", b"")), ["SET", "...", ".k"]);
        assert!(from_path("//get/k", "", b"").is_err(), "the name is empty");
    }

    #[test]
    fn a_batch_that_is_too_long_is_refused() {
        let batch = |count| format!("[{}]", vec![r#"["PING"]"#; count].join(","));
        assert_eq!(batch_from_json(batch(3).as_bytes(), 3).map(|batch| batch.len()), Ok(3));
        let refusal = batch_from_json(batch(4).as_bytes(), 3).err();
        assert_eq!(refusal.as_deref(), Some("ERR max pipeline length exceeded. Limit: 3 commands"));
        assert!(batch_from_json(b"[[\"PING\"]] x", 3).is_err(), "something follows");
    }
}
