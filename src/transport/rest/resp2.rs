//! Parses replies in RESP2, the protocol of Redis itself. Strings are slices of the body, so nothing is copied.

use bytes::Bytes;

use super::limits::Limits;
use crate::{Error, Result, Value};

/// Why a body is not RESP2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It ends too early.
    Incomplete,
    /// The byte at this position is not allowed there.
    At(usize),
    /// It holds more values or deeper arrays than the limits allow.
    TooMuch,
}

/// Whether a body is RESP2 and not JSON or a page. Their first bytes differ.
pub(super) fn is_resp2(body: &[u8]) -> bool {
    matches!(body.first(), Some(b'+' | b'-' | b':' | b'$' | b'*'))
}

/// Parses a body of one reply.
pub(super) fn one(body: &Bytes, limits: Limits) -> Result<Result<Value>, Malformed> {
    let mut reader = Reader { body, at: 0, limits };
    let reply = reader.reply()?;
    reader.end()?;
    Ok(reply)
}

/// Parses a body of the replies to `count` commands. The documentation of Upstash does not say how the replies are joined, so
/// two forms are accepted: one reply after the other, and one array of all replies.
pub(super) fn many(
    body: &Bytes,
    count: usize,
    limits: Limits,
) -> Result<Vec<Result<Value>>, Malformed> {
    let mut reader = Reader { body, at: 0, limits };
    let in_a_row = reader.replies(count).and_then(|replies| reader.end().map(|()| replies));
    in_a_row.or_else(|malformed| {
        let mut reader = Reader { body, at: 0, limits };
        match reader.line() {
            Ok((b'*', length)) if parse(length) == Some(count as i64) => {
                let replies = reader.replies(count)?;
                reader.end()?;
                Ok(replies)
            }
            _ => Err(malformed),
        }
    })
}

struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
    /// `values` is the number of values that may still follow.
    limits: Limits,
}

impl<'a> Reader<'a> {
    fn replies(&mut self, count: usize) -> Result<Vec<Result<Value>>, Malformed> {
        Ok(self.values(count, 0)?.into_iter().map(reply_of).collect())
    }

    fn reply(&mut self) -> Result<Result<Value>, Malformed> {
        self.value(0).map(reply_of)
    }

    fn values(&mut self, count: usize, depth: usize) -> Result<Vec<Value>, Malformed> {
        /// The count may be wrong, and nested arrays have one each, so little is reserved by it.
        const RESERVED: usize = 1024;
        // A reply takes at least three bytes.
        let possible = self.limits.values.min((self.body.len() - self.at) / 3);
        let mut values = Vec::with_capacity(count.min(possible).min(RESERVED));
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        let start = self.at;
        let malformed = Malformed::At(start);
        self.limits.values = self.limits.values.checked_sub(1).ok_or(Malformed::TooMuch)?;
        let (kind, content) = self.line()?;
        match kind {
            b'+' => Ok(Value::Simple(self.body.slice_ref(content))),
            b'-' => Ok(Value::Error(self.body.slice_ref(content))),
            b':' => Ok(match parse(content) {
                Some(number) => Value::Integer(number),
                // A number that does not fit is kept as its digits.
                None if is_number(content) => Value::Bulk(self.body.slice_ref(content)),
                None => return Err(malformed),
            }),
            b'$' => match parse(content).ok_or(malformed)? {
                -1 => Ok(Value::Nil),
                length => {
                    let length = usize::try_from(length).map_err(|_| malformed)?;
                    let end = self.at.checked_add(length).ok_or(malformed)?;
                    let after = end.checked_add(2).ok_or(malformed)?;
                    let tail = self.body.get(end..after).ok_or(Malformed::Incomplete)?;
                    if tail != b"\r\n" {
                        return Err(Malformed::At(end));
                    }
                    let bytes = self.body.slice(self.at..end);
                    self.at = after;
                    Ok(Value::Bulk(bytes))
                }
            },
            b'*' => match parse(content).ok_or(malformed)? {
                -1 => Ok(Value::Nil),
                _ if depth >= self.limits.depth => Err(Malformed::TooMuch),
                count => {
                    let count = usize::try_from(count).map_err(|_| malformed)?;
                    self.values(count, depth + 1).map(Value::Array)
                }
            },
            _ => Err(malformed),
        }
    }

    /// The first byte of a line, and the rest of it.
    fn line(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let rest = &self.body[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Malformed::Incomplete)?;
        let (kind, content) = rest[..end].split_first().ok_or(Malformed::At(self.at))?;
        self.at += end + 2;
        Ok((*kind, content))
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.at == self.body.len() { Ok(()) } else { Err(Malformed::At(self.at)) }
    }
}

/// The error of a whole command is an `Err`; one among the items of an array stays an item.
fn reply_of(value: Value) -> Result<Value> {
    match value {
        Value::Error(text) => Err(Error::server(&String::from_utf8_lossy(&text))),
        value => Ok(value),
    }
}

fn parse(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str) -> Result<Result<Value>, Malformed> {
        one(&Bytes::from_static(body.as_bytes()), Limits::default())
    }

    #[test]
    fn every_type_is_read() {
        let value = |body| read(body).ok().and_then(Result::ok);
        assert_eq!(value("+OK\r\n"), Some(Value::OK));
        assert_eq!(value(":-42\r\n"), Some(Value::Integer(-42)));
        assert_eq!(value(":18446744073709551615\r\n"), Some(Value::bulk("18446744073709551615")));
        assert_eq!(value("$4\r\na\r\nb\r\n"), Some(Value::bulk("a\r\nb")));
        assert_eq!(value("$0\r\n\r\n"), Some(Value::bulk("")));
        assert_eq!([value("$-1\r\n"), value("*-1\r\n")], [Some(Value::Nil), Some(Value::Nil)]);
        let nested = Value::Array(vec![Value::Array(vec![]), Value::Integer(1), Value::Nil]);
        assert_eq!(value("*3\r\n*0\r\n:1\r\n$-1\r\n"), Some(nested));
        let partly = Value::Array(vec![Value::Integer(1), Value::Error("ERR no".into())]);
        assert_eq!(value("*2\r\n:1\r\n-ERR no\r\n"), Some(partly));
        let error =
            read("-WRONGTYPE no\r\n").map(|reply| reply.map_err(|e| e.code() == Some("WRONGTYPE")));
        assert_eq!(error, Ok(Err(true)));
    }

    #[test]
    fn malformed_bodies_have_different_errors() {
        for body in ["+OK", "$5\r\nab", "*2\r\n:1\r\n", "$2\r\nab"] {
            assert_eq!(read(body).err(), Some(Malformed::Incomplete), "{body:?}");
        }
        for body in ["?x\r\n", "+OK\r\nmore\r\n", "$-2\r\n", ":x\r\n", "$1\r\nabc\r\n", "\r\n"] {
            assert!(matches!(read(body), Err(Malformed::At(_))), "{body:?}");
        }
        let deep = Bytes::from("*1\r\n".repeat(100_000));
        assert_eq!(one(&deep, Limits::default()).err(), Some(Malformed::TooMuch));
        assert!(read("*9999999999\r\n").is_err());
    }

    #[test]
    fn values_are_counted_and_false_counts_reserve_little() {
        let limits = Limits { values: 5, ..Limits::default() };
        let four = Bytes::from_static(b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n");
        assert!(one(&four, limits).is_ok());
        let two = Bytes::from([&four[..], &four[..]].concat());
        assert_eq!(many(&two, 2, limits).err(), Some(Malformed::TooMuch));
        let false_counts = Bytes::from("*1000000\r\n".repeat(500_000));
        assert_eq!(one(&false_counts, Limits::default()).err(), Some(Malformed::TooMuch));
    }

    #[test]
    fn a_batch_comes_in_a_row_or_as_an_array() {
        for body in [":1\r\n-ERR no\r\n", "*2\r\n:1\r\n-ERR no\r\n"] {
            let body = &Bytes::from_static(body.as_bytes());
            let replies = many(body, 2, Limits::default()).unwrap_or_default();
            assert_eq!(replies.len(), 2, "{body:?}");
            assert!(replies[0].is_ok() && replies[1].is_err(), "{body:?}");
        }
        assert!(many(&Bytes::from_static(b":1\r\n"), 2, Limits::default()).is_err());
    }
}
