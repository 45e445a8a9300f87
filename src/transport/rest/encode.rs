//! Commands as HTTP bodies.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::command::Command;
use crate::{Error, ErrorKind, Result};

/// What stays as it is in a path segment or a query: RFC 3986's unreserved characters.
pub(super) const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Paths longer than this are refused by common servers and proxies.
const MAX_PATH_BYTES: usize = 8 * 1024;

/// A single command: `POST /` with a JSON array; if an argument is not UTF-8, in the path form, whose body may be any
/// bytes.
pub(super) fn single(command: &Command) -> Result<(String, Bytes)> {
    let mut body = Vec::with_capacity(command.len_bytes() + 4 * command.args().len() + 8);
    match write_json(command, &mut body) {
        Ok(()) => Ok(("/".to_owned(), body.into())),
        Err(NotUtf8) => binary(command),
    }
}

/// About how many bytes a command takes in a batch.
pub(super) fn size_in_batch(command: &Command) -> usize {
    command.len_bytes() + 3 * command.args().len() + 16
}

/// Commands in a batch: a JSON array of arrays.
pub(super) fn batch(commands: &[Command]) -> Result<Bytes> {
    let mut body = Vec::with_capacity(commands.iter().map(size_in_batch).sum());
    body.push(b'[');
    for command in commands {
        if body.len() > 1 {
            body.push(b',');
        }
        write_json(command, &mut body).map_err(|NotUtf8| {
            Error::new(
                ErrorKind::Unsupported,
                "over REST, arguments inside pipelines and transactions must be UTF-8: send this command on its own, or \
                 store its bytes as text (base64)",
            )
            .with_command(|| command.label())
        })?;
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

/// `POST /SET/key?EX=60` with the value as body: what stands before the binary argument goes into the path, what
/// follows it must be pairs and goes into the query. Where that does not fit, everything goes into the path.
fn binary(command: &Command) -> Result<(String, Bytes)> {
    let args: Vec<&[u8]> = command.args().collect();
    let body_at = args.iter().rposition(|arg| std::str::from_utf8(arg).is_err());
    let mut path = format!("/{}", percent_encode(command.name().as_bytes(), SEGMENT));
    let mut body = Bytes::new();
    let after = match body_at {
        Some(at) if (args.len() - at - 1).is_multiple_of(2) => {
            body = Bytes::copy_from_slice(args[at]);
            push_segments(&mut path, &args[..at]);
            &args[at + 1..]
        }
        _ => {
            push_segments(&mut path, &args);
            &[]
        }
    };
    for (number, pair) in after.chunks_exact(2).enumerate() {
        path.push(if number == 0 { '?' } else { '&' });
        path.extend(percent_encode(pair[0], SEGMENT));
        path.push('=');
        path.extend(percent_encode(pair[1], SEGMENT));
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "over REST, only one argument of a command may be long and not UTF-8, and options after it must come in pairs",
        )
        .with_command(|| command.label()));
    }
    Ok((path, body))
}

fn push_segments(path: &mut String, args: &[&[u8]]) {
    for arg in args {
        path.push('/');
        path.extend(percent_encode(arg, SEGMENT));
    }
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
        assert_eq!(encoded(command), ("/SET/k/%FF/NX".to_owned(), vec![]));
    }

    #[test]
    fn bytes_in_a_batch_are_refused_by_name() {
        let error = batch(&[Command::new("SET").arg("k").arg(vec![0xff])]).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("SET k: not supported"), "{text}");
    }
}
