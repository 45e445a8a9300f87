//! HTTP requests as commands.

use std::borrow::Cow;

use edgecask::Command;
use edgecask::transport::Subscription;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

/// A command that cannot be read, as the error that the client gets.
pub(crate) type Malformed = String;

/// `["SET","k",1]`.
pub(crate) fn from_json(body: &[u8]) -> Result<Command, Malformed> {
    let args: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_| "ERR failed to parse command".to_owned())?;
    command(&args)
}

/// `[["SET","k",1],["GET","k"]]`.
pub(crate) fn batch_from_json(body: &[u8]) -> Result<Vec<Command>, Malformed> {
    let commands: Vec<Vec<&RawValue>> = serde_json::from_slice(body)
        .map_err(|_| "ERR failed to parse pipeline request".to_owned())?;
    if commands.is_empty() {
        return Err("ERR empty pipeline request".to_owned());
    }
    commands.iter().map(|args| command(args)).collect()
}

fn command(args: &[&RawValue]) -> Result<Command, Malformed> {
    let (name, args) = args.split_first().ok_or("ERR empty command")?;
    let command = Command::new(text(name)?.into_owned());
    args.iter().try_fold(command, |command, arg| Ok(command.arg(text(arg)?)))
}

/// A string's content, or a number or bool just as it is written, so that no digit is lost.
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

/// `/set/k/v`, with the body as the last argument of the path and `?EX=60` as what follows it.
pub(crate) fn from_path(path: &str, query: &str, body: &[u8]) -> Result<Command, Malformed> {
    let mut segments = path
        .trim_start_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).collect::<Vec<u8>>());
    let name = segments.next().and_then(|name| String::from_utf8(name).ok());
    let name = name.filter(|name| !name.is_empty()).ok_or("ERR empty command")?;
    let mut command = Command::new(name).args_from(segments);
    if !body.is_empty() {
        command = command.arg(body);
    }
    for (name, value) in query_pairs(query).filter(|(name, _)| name != b"_token") {
        command = command.arg(name);
        if let Some(value) = value {
            command = command.arg(value);
        }
    }
    Ok(command)
}

/// `/subscribe/a/b`, `/psubscribe/news.*` or `/monitor`: the command's name, and what it listens to.
pub(crate) fn subscription(path: &str) -> Result<(&'static str, Subscription), Malformed> {
    let mut segments = path.trim_start_matches('/').split('/');
    let word = segments.next();
    let names = segments.map(|segment| percent_decode_str(segment).collect::<Vec<u8>>());
    let names: Vec<Vec<u8>> = names.filter(|name| !name.is_empty()).collect();
    match word {
        Some("monitor") => Ok(("MONITOR", Subscription::Monitor)),
        Some("subscribe") if !names.is_empty() => Ok(("SUBSCRIBE", Subscription::channels(names))),
        Some("psubscribe") if !names.is_empty() => {
            Ok(("PSUBSCRIBE", Subscription::patterns(names)))
        }
        _ => Err("ERR wrong number of arguments for 'subscribe' command".to_owned()),
    }
}

/// The `_token` of a query.
pub(crate) fn token_in(query: &str) -> Option<String> {
    let (_, token) = query_pairs(query).find(|(name, _)| name == b"_token")?;
    String::from_utf8(token?).ok()
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
    fn what_is_no_command_is_refused() {
        for body in ["", "{}", "[]", "[[1]]", r#"["get",null]"#, r#"["get",{}]"#, r#"["get""#] {
            assert!(from_json(body.as_bytes()).is_err(), "{body}");
        }
        assert!(batch_from_json(b"[]").is_err());
        assert!(batch_from_json(br#"["get","k"]"#).is_err());
    }

    #[test]
    fn a_path_takes_its_body_before_its_query() {
        let command = from_path("/set/a%2Fb", "EX=100&_token=x&NX", b"\xff");
        assert_eq!(args(command), ["SET", "a/b", r"\xff", "EX", "100", "NX"]);
        assert_eq!(args(from_path("/set/k/", "", b"")), ["SET", "k", ""]);
        assert!(from_path("/", "", b"").is_err());
        assert_eq!(token_in("a=b&_token=t%20t"), Some("t t".to_owned()));
    }
}
