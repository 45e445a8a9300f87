//! Replies of a node, read without the client that is tested.

use edgecask::Value;

/// The next reply of a RESP2 answer; `None` where it ends.
pub(super) fn reply(rest: &mut &[u8]) -> Option<Result<Value, String>> {
    let line = line(rest)?;
    let text = String::from_utf8_lossy(line.get(1..)?).into_owned();
    Some(Ok(match line.first()? {
        b'+' => Value::Simple(text.into()),
        b'-' => return Some(Err(text)),
        b':' => Value::Integer(text.parse().ok()?),
        b'$' | b'*' if text == "-1" => Value::Nil,
        b'$' => {
            let length: usize = text.parse().ok()?;
            let bytes = rest.get(..length)?.to_vec();
            *rest = rest.get(length + 2..)?;
            Value::bulk(bytes)
        }
        b'*' => {
            let mut items = Vec::new();
            for _ in 0..text.parse().ok()? {
                items.push(reply(rest)?.unwrap_or_else(|error| Value::Simple(error.into())));
            }
            Value::Array(items)
        }
        _ => return None,
    }))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    *rest = after;
    Some(line)
}
