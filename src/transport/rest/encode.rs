//! Commands as HTTP bodies.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::command::Command;
use crate::transport::not_utf8;
use crate::{Error, ErrorKind, Result};

/// The characters that are percent-encoded in a path segment or a query: all but RFC 3986's unreserved ones.
pub(super) const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Paths longer than this are refused by common servers and proxies.
const MAX_PATH_BYTES: usize = 8 * 1024;

/// A single command: `POST /` with a JSON array. If an argument is not UTF-8, the path form is used, whose body may be any
/// bytes.
pub(super) fn single(command: &Command) -> Result<(String, Bytes)> {
    let mut body = Vec::with_capacity(command.len_bytes() + 4 * command.args().len() + 8);
    match write_json(command, &mut body) {
        Ok(()) => Ok(("/".to_owned(), body.into())),
        Err(NotUtf8) => binary(command),
    }
}

/// Commands in a batch: a JSON array of arrays.
pub(super) fn batch(commands: &[Command]) -> Result<Bytes> {
    let mut body = Vec::with_capacity(commands.iter().map(Command::len_in_batch).sum());
    body.push(b'[');
    for command in commands {
        if body.len() > 1 {
            body.push(b',');
        }
        write_json(command, &mut body).map_err(|NotUtf8| not_utf8(command))?;
    }
    body.push(b']');
    Ok(body.into())
}

struct NotUtf8;

fn write_json(command: &Command, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.push(b'[');
    write_string(command.name(), out);
    for arg in command.args() {
        out.push(b',');
        write_string(std::str::from_utf8(arg).map_err(|_| NotUtf8)?, out);
    }
    out.push(b']');
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// `POST /SET/key?EX=60` with the value as body. The arguments before the body's one go into the path, and those after it go
/// into the query in pairs.
///
/// URL parsers and proxies on the way may change a URL: they resolve the segments `.` and `..`, also escaped ones, and merge
/// empty ones. A changed path is another command. So the argument for the body is chosen such that all others are safe in
/// their places. The body may be any argument that is not empty. If no choice is safe, the command is refused.
fn binary(command: &Command) -> Result<(String, Bytes)> {
    let refuse = |why: &'static str| {
        Err(Error::new(ErrorKind::Unsupported, why).with_command(|| command.label()))
    };
    if !is_command_name(command.name()) {
        return refuse("over REST, the name of a command with binary arguments must be a word");
    }
    let args: Vec<&[u8]> = command.args().collect();
    let escaped: Vec<usize> = args.iter().map(|arg| escaped_len(arg) + 1).collect();
    let whole = command.name().len() + 1 + escaped.iter().sum::<usize>();
    let last = args.len().saturating_sub(1);
    // The body must not stand behind the first argument that is unsafe in the path, and only pairs that are safe in the query
    // may follow it.
    let latest = args.iter().position(|arg| !fits_path(arg)).unwrap_or(last);
    let pairs = args.rchunks_exact(2).take_while(|pair| fits_query(pair)).count();
    let fits = |at: &usize| !args[*at].is_empty() && (last - at) / 2 <= pairs;
    let fitting = || {
        (0..args.len())
            .take(latest + 1)
            .rev()
            .filter(|at| (last - at).is_multiple_of(2))
            .filter(fits)
    };
    if fitting().next().is_none() {
        return refuse(
            "over REST, bytes that are not UTF-8 go by a URL, and a URL carries neither the arguments \".\", \"..\" and \
             \"\" before them nor single, empty or \"_token\" options after them: encode the bytes as text (base64), or \
             use TCP",
        );
    }
    let short = |at: &usize| whole - escaped[*at] <= MAX_PATH_BYTES;
    // Bytes that are not text are preferred for the body, because they are not escaped there.
    let best = |at: &usize| (std::str::from_utf8(args[*at]).is_err(), args[*at].len());
    let Some(body_at) = fitting().filter(short).rev().max_by_key(best) else {
        return refuse(
            "over REST, only one argument of a command may be long and not UTF-8, and options after it must come in \
             pairs: encode the bytes as text (base64), or use TCP",
        );
    };
    let mut path = format!("/{}", percent_encode(command.name().as_bytes(), SEGMENT));
    for arg in &args[..body_at] {
        path.push('/');
        path.extend(percent_encode(arg, SEGMENT));
    }
    for (number, pair) in args[body_at + 1..].chunks_exact(2).enumerate() {
        path.push(if number == 0 { '?' } else { '&' });
        path.extend(percent_encode(pair[0], SEGMENT));
        path.push('=');
        path.extend(percent_encode(pair[1], SEGMENT));
    }
    Ok((path, Bytes::copy_from_slice(args[body_at])))
}

fn escaped_len(arg: &[u8]) -> usize {
    percent_encode(arg, SEGMENT).map(str::len).sum()
}

/// Whether a name is a plain word and not one of the API's own paths.
fn is_command_name(name: &str) -> bool {
    const PATHS: [&str; 5] = ["PIPELINE", "MULTI-EXEC", "SUBSCRIBE", "PSUBSCRIBE", "MONITOR"];
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(is_word)
        && !PATHS.contains(&name)
}

/// Whether a path segment reaches the server unchanged.
pub(super) fn fits_path(arg: &[u8]) -> bool {
    !matches!(arg, b"" | b"." | b"..")
}

/// Whether an option and its value reach the server unchanged. A server reads `_token` as its own parameter, and may read an
/// option with an empty value as a single word.
fn fits_query(pair: &[&[u8]]) -> bool {
    pair.iter().all(|part| !part.is_empty()) && !pair[0].eq_ignore_ascii_case(b"_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(command: Command) -> (String, Vec<u8>) {
        single(&command).map(|(path, body)| (path, body.to_vec())).unwrap_or_default()
    }

    #[test]
    fn text_goes_as_json() {
        let command = Command::new("SET").arg("k\"").arg("ü\n").arg("EX").arg(5);
        let (path, body) = encoded(command);
        assert_eq!(
            (path.as_str(), String::from_utf8_lossy(&body).as_ref()),
            ("/", r#"["SET","k\"","ü\n","EX","5"]"#)
        );
    }

    #[test]
    fn bytes_go_as_the_body() {
        let command = Command::new("SET").arg("a/b").arg(vec![0xff, 0]).arg("EX").arg(5);
        assert_eq!(encoded(command), ("/SET/a%2Fb?EX=5".to_owned(), vec![0xff, 0]));
        let command = Command::new("HSET").arg("h").arg(vec![0xfe]).arg(vec![0xff]);
        assert_eq!(encoded(command), ("/HSET/h/%FE".to_owned(), vec![0xff]));
        let command = Command::new("SET").arg("k").arg(vec![0xff]).arg("NX");
        assert_eq!(encoded(command), ("/SET/k/%FF".to_owned(), b"NX".to_vec()));
    }

    #[test]
    fn a_long_argument_is_the_body() {
        let long = "x".repeat(100_000);
        let command = Command::new("HSET").arg("h").arg("f").arg(long.as_str()).arg("g");
        let (path, body) = encoded(command.arg(vec![0xff]));
        assert_eq!((path.as_str(), body.len()), ("/HSET/h/f?g=%FF", long.len()));
        let both = Command::new("MSET").arg("a").arg(long.as_str()).arg("b").arg(vec![0xff; 9000]);
        assert!(single(&both).is_err());
        let many = Command::new("RPUSH").arg("l").args_from(vec![vec![0xff]; 100_000]);
        assert!(single(&many).is_err(), "in linear time");
    }

    #[test]
    fn arguments_that_url_parsers_change_are_not_in_the_path() {
        let dots = Command::new("HSET").arg("..").arg("EVAL").arg("x").arg("0").arg(vec![0xff]);
        assert_eq!(encoded(dots), ("/HSET?EVAL=x&0=%FF".to_owned(), b"..".to_vec()));
        let token = Command::new("HSET").arg("h").arg("f").arg(vec![0xff]).arg("_token").arg("v");
        assert_eq!(encoded(token), ("/HSET/h/f/%FF/_token".to_owned(), b"v".to_vec()));
        for args in [
            &[b".".as_slice(), b"\xff"][..],
            &[b"", b"\xff"],
            &[b"l", b"", b"\xff"],
            &[b"l", b"..", b"_token", b"\xff"],
        ] {
            let error = single(&Command::new("RPUSH").args_from(args.iter().copied())).err();
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Unsupported), "{args:?}");
        }
        for name in ["..", ".", "", "A/B", "PIPELINE", "multi-exec", "A?B", "Ä"] {
            assert!(single(&Command::new(name).arg(vec![0xff])).is_err(), "{name}");
        }
    }

    #[test]
    fn bytes_in_a_batch_are_refused_by_name() {
        let error = batch(&[Command::new("SET").arg("k").arg(vec![0xff])]).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("SET k: not supported"), "{text}");
    }
}
