use bytes::Bytes;

use super::reply::Reply;
use crate::{Error, Result, Value};

/// The memory that an element of an aggregate takes beyond its bytes.
const ELEMENT: u64 = 64;
/// How deep aggregates may be nested.
const DEEPEST: usize = 100;
/// The longest line of a number or a length.
const LONGEST_NUMBER: usize = 32;
/// The most memory that is reserved for a string or an array of which only the length has come.
const RESERVED_BYTES: usize = 64 << 10;
const RESERVED_ITEMS: u64 = 1024;

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::transport::tcp) enum Unreadable {
    /// A reply beyond the limit.
    #[error("a reply is larger than max_reply_bytes allows")]
    TooLarge,
    #[error("a reply is nested too deeply")]
    TooDeep,
    #[error("what was received is not RESP")]
    Malformed,
    /// A reply that no command asked for. From then on, replies cannot be matched with commands.
    #[error("more replies came than commands were sent")]
    TooMany,
}

/// Reads replies from a stream that comes in parts. Each byte is read once, however the parts are cut.
pub(in crate::transport::tcp) struct Decoder {
    limit: u64,
    /// The cost of the current reply so far.
    cost: u64,
    /// The aggregates that are not complete, the innermost last.
    open: Vec<Aggregate>,
    state: State,
    /// The part of the current line or string that has come.
    part: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line,
    /// A string of this type. This many bytes are to come, the final line break included.
    String {
        kind: u8,
        left: usize,
    },
}

struct Aggregate {
    kind: u8,
    /// How many items are to come.
    left: u64,
    items: Vec<Value>,
}

impl Aggregate {
    fn into_value(self) -> Value {
        let mut items = self.items;
        match self.kind {
            b'~' => Value::Set(items),
            b'>' => Value::Push(items),
            // The last one has the attributes before it.
            b'|' => items.pop().unwrap_or_default(),
            b'%' => {
                let mut items = items.into_iter();
                let pair = || Some((items.next()?, items.next()?));
                Value::Map(std::iter::from_fn(pair).collect())
            }
            _ => Value::Array(items),
        }
    }
}

impl Decoder {
    /// For replies that may cost `limit` each: their bytes, and 64 for each element of an aggregate.
    pub(in crate::transport::tcp) fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            cost: 0,
            open: Vec::new(),
            state: State::Line,
            part: Vec::new(),
        }
    }

    /// The next reply in these bytes, from which it is taken. `None` if more bytes are needed; then all were taken.
    pub(in crate::transport::tcp) fn next(
        &mut self,
        bytes: &mut &[u8],
    ) -> Result<Option<Reply>, Unreadable> {
        loop {
            let item = match self.state {
                State::Line => match self.line(bytes)? {
                    Step::More => return Ok(None),
                    Step::Opened => continue,
                    Step::Item(item) => item,
                },
                State::String { kind, left } => match self.string(kind, left, bytes)? {
                    Some(item) => item,
                    None => return Ok(None),
                },
            };
            if let Some(reply) = self.enter(item) {
                self.cost = 0;
                return Ok(Some(reply));
            }
        }
    }

    /// Enters an item into its aggregate. The whole reply, if it is complete.
    fn enter(&mut self, mut item: Value) -> Option<Reply> {
        loop {
            let Some(innermost) = self.open.last_mut() else {
                return Some(match item {
                    Value::Error(text) => Reply::Error(error(&text)),
                    value => Reply::Value(value),
                });
            };
            innermost.items.push(item);
            innermost.left -= 1;
            item = self.open.pop_if(|aggregate| aggregate.left == 0)?.into_value();
        }
    }

    /// Reads a line.
    fn line(&mut self, bytes: &mut &[u8]) -> Result<Step, Unreadable> {
        let (taken, is_complete) = line_end(&self.part, bytes);
        let (line, rest) = bytes.split_at(taken);
        *bytes = rest;
        self.charge(taken as u64)?;
        if self.part.is_empty() {
            let Some(kind) = line.first() else { return Ok(Step::More) };
            if !b"+-:$*_#,(!=%~|>".contains(kind) {
                return Err(Unreadable::Malformed);
            }
            if is_complete {
                return self.read(*kind, &line[1..taken - 2]);
            }
        }
        self.part.extend_from_slice(line);
        let kind = self.part[0];
        if !is_complete {
            let may_be_long = matches!(kind, b'+' | b'-' | b'(');
            let is_long = !may_be_long && self.part.len() > LONGEST_NUMBER;
            return if is_long { Err(Unreadable::Malformed) } else { Ok(Step::More) };
        }
        let line = std::mem::take(&mut self.part);
        self.read(kind, &line[1..line.len() - 2])
    }

    /// Reads a line of this type.
    fn read(&mut self, kind: u8, text: &[u8]) -> Result<Step, Unreadable> {
        Ok(Step::Item(match kind {
            b'+' if text == b"OK" => Value::OK,
            b'+' => Value::Simple(Bytes::copy_from_slice(text)),
            b'-' => Value::Error(Bytes::copy_from_slice(text)),
            b':' => Value::Integer(number(text)?),
            b'_' => Value::Nil,
            b'#' if text == b"t" => Value::Boolean(true),
            b'#' if text == b"f" => Value::Boolean(false),
            b',' => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                Value::Double(number.ok_or(Unreadable::Malformed)?)
            }
            b'(' => Value::BigNumber(Bytes::copy_from_slice(text)),
            b'$' | b'!' | b'=' => {
                let Ok(length) = u64::try_from(number(text)?) else {
                    return Ok(Step::Item(Value::Nil));
                };
                self.charge(length)?;
                let left = usize::try_from(length).ok().and_then(|length| length.checked_add(2));
                let left = left.ok_or(Unreadable::TooLarge)?;
                self.state = State::String { kind, left };
                return Ok(Step::Opened);
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let Ok(count) = u64::try_from(number(text)?) else {
                    return Ok(Step::Item(Value::Nil));
                };
                let left = match kind {
                    b'%' => count.saturating_mul(2),
                    // The value that follows the attributes is part of the same item.
                    b'|' => count.saturating_mul(2).saturating_add(1),
                    _ => count,
                };
                self.charge(left.saturating_mul(ELEMENT))?;
                let items = Vec::with_capacity(left.min(RESERVED_ITEMS) as usize);
                let aggregate = Aggregate { kind, left, items };
                if left == 0 {
                    return Ok(Step::Item(aggregate.into_value()));
                }
                if self.open.len() == DEEPEST {
                    return Err(Unreadable::TooDeep);
                }
                self.open.push(aggregate);
                return Ok(Step::Opened);
            }
            _ => return Err(Unreadable::Malformed),
        }))
    }

    /// Reads a string. `None` if more bytes are needed.
    fn string(
        &mut self,
        kind: u8,
        left: usize,
        bytes: &mut &[u8],
    ) -> Result<Option<Value>, Unreadable> {
        let taken = left.min(bytes.len());
        let (part, rest) = bytes.split_at(taken);
        *bytes = rest;
        if taken < left {
            if self.part.is_empty() {
                self.part.reserve(left.min(RESERVED_BYTES));
            }
            self.part.extend_from_slice(part);
            self.state = State::String { kind, left: left - taken };
            return Ok(None);
        }
        self.state = State::Line;
        // Small strings are copied to a memory of their own size, so that a value which is kept holds no more than itself.
        let content = if self.part.is_empty() {
            Bytes::copy_from_slice(part.strip_suffix(b"\r\n").ok_or(Unreadable::Malformed)?)
        } else {
            let mut whole = std::mem::take(&mut self.part);
            whole.extend_from_slice(part);
            if !whole.ends_with(b"\r\n") {
                return Err(Unreadable::Malformed);
            }
            whole.truncate(whole.len() - 2);
            Bytes::from(whole.into_boxed_slice())
        };
        Ok(Some(match kind {
            b'!' => Value::Error(content),
            b'=' => {
                let format = content.first_chunk::<3>().filter(|_| content.get(3) == Some(&b':'));
                let format = *format.ok_or(Unreadable::Malformed)?;
                Value::Verbatim { format, text: content.slice(4..) }
            }
            _ => Value::Bulk(content),
        }))
    }

    fn charge(&mut self, cost: u64) -> Result<(), Unreadable> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Unreadable::TooLarge) } else { Ok(()) }
    }
}

/// The result of reading a line.
enum Step {
    /// It is not complete.
    More,
    /// The head of a string or an aggregate.
    Opened,
    Item(Value),
}

/// How many of these bytes belong to the line of which `before` has come, and whether they complete it.
fn line_end(before: &[u8], bytes: &[u8]) -> (usize, bool) {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        let at = from + found;
        let last = if at == 0 { before.last() } else { bytes.get(at - 1) };
        if last == Some(&b'\r') {
            return (at + 1, true);
        }
        from = at + 1;
    }
    (bytes.len(), false)
}

fn number(text: &[u8]) -> Result<i64, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::Malformed)?;
    text.parse().map_err(|_| Unreadable::Malformed)
}

fn error(text: &[u8]) -> Error {
    Error::server(&String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> Value {
        Value::bulk(text)
    }

    fn replies() -> Vec<(&'static [u8], Reply)> {
        let value = Reply::Value;
        vec![
            (b"+OK\r\n", value(Value::OK)),
            (b"+a\rb\r\n", value(Value::Simple("a\rb".into()))),
            (b"-ERR no\nsuch line\r\n", Reply::Error(Error::server("ERR no\nsuch line"))),
            (b"-an error of a proxy\r\n", Reply::Error(Error::server("an error of a proxy"))),
            (b":-12\r\n", value(Value::Integer(-12))),
            (b"$-1\r\n", value(Value::Nil)),
            (b"$0\r\n\r\n", value(bulk(""))),
            (b"$6\r\na\r\n+OK\r\n", value(bulk("a\r\n+OK"))),
            (b"*0\r\n", value(Value::Array(vec![]))),
            (b"*-1\r\n", value(Value::Nil)),
            (
                b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n#t\r\n",
                value(Value::Array(vec![
                    bulk("a"),
                    Value::Array(vec![Value::Integer(1), Value::Nil]),
                    Value::Boolean(true),
                ])),
            ),
            (
                b"*2\r\n-ERR no\r\n*1\r\n!5\r\nERR x\r\n",
                value(Value::Array(vec![
                    Value::Error("ERR no".into()),
                    Value::Array(vec![Value::Error("ERR x".into())]),
                ])),
            ),
            (
                b"%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n,1.5\r\n",
                value(Value::Map(vec![
                    (Value::Simple("a".into()), Value::Integer(1)),
                    (Value::Simple("b".into()), Value::Set(vec![Value::Double(1.5)])),
                ])),
            ),
            (b"|1\r\n+k\r\n+v\r\n*1\r\n$1\r\nx\r\n", value(Value::Array(vec![bulk("x")]))),
            (b"=7\r\ntxt:abc\r\n", value(Value::Verbatim { format: *b"txt", text: "abc".into() })),
            (b"!5\r\nERR x\r\n", Reply::Error(Error::server("ERR x"))),
            (b",inf\r\n", value(Value::Double(f64::INFINITY))),
            (
                b">2\r\n+message\r\n(123\r\n",
                value(Value::Push(vec![
                    Value::Simple("message".into()),
                    Value::BigNumber("123".into()),
                ])),
            ),
        ]
    }

    #[test]
    fn replies_are_the_same_however_they_are_cut() {
        let same = |one: &Reply, other: &Reply| format!("{one:?}") == format!("{other:?}");
        let all: Vec<u8> = replies().iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        for cut in 1..=all.len() {
            let mut decoder = Decoder::new(1 << 20);
            let mut read = Vec::new();
            for mut part in all.chunks(cut) {
                while let Some(reply) = decoder.next(&mut part).unwrap() {
                    read.push(reply);
                }
                assert!(part.is_empty());
            }
            assert_eq!(read.len(), replies().len(), "in parts of {cut}");
            for (read, (bytes, expected)) in read.iter().zip(replies()) {
                assert!(same(read, &expected), "{read:?} of {:?}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn values_are_those_that_were_sent() {
        for (mut bytes, expected) in replies() {
            let read = Decoder::new(1 << 20).next(&mut bytes).unwrap().unwrap();
            match (read.clone().into_result(), expected.into_result()) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected),
                (Err(read), Err(expected)) => assert_eq!(read.message(), expected.message()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_reply_beyond_the_limit_is_refused() {
        let next = |decoder: &mut Decoder, mut bytes: &[u8]| decoder.next(&mut bytes).map(|_| ());
        let fresh = || Decoder::new(1000);
        assert_eq!(next(&mut fresh(), b"$1000\r\n"), Err(Unreadable::TooLarge), "before it comes");
        assert_eq!(next(&mut fresh(), b"*2000000000\r\n"), Err(Unreadable::TooLarge));
        assert_eq!(next(&mut fresh(), b"%9223372036854775807\r\n"), Err(Unreadable::TooLarge));
        let mut decoder = fresh();
        next(&mut decoder, b"+").unwrap();
        assert_eq!(next(&mut decoder, &[b'a'; 1000]), Err(Unreadable::TooLarge), "without an end");
        let mut decoder = Decoder::new(1 << 20);
        let deep = b"*1\r\n".repeat(101);
        assert_eq!(next(&mut decoder, &deep), Err(Unreadable::TooDeep));
        let mut decoder = fresh();
        let reply = [&b"$900\r\n"[..], &[0; 900], b"\r\n"].concat();
        for _ in 0..10 {
            next(&mut decoder, &reply).unwrap();
        }
    }

    #[test]
    fn bytes_that_are_not_resp_are_refused() {
        let lines: [&[u8]; 9] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"H",
            b"$x\r\n",
            b"$1\r\nabc",
            b"*99999999999999999999\r\n",
            b":99999999999999999999999999999999999999",
            b"#x\r\n",
            b"=2\r\nab\r\n",
            b",one\r\n",
        ];
        for mut line in lines {
            assert_eq!(Decoder::new(1000).next(&mut line).err(), Some(Unreadable::Malformed));
        }
    }
}
