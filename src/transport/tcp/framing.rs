//! Where replies and commands begin and end in a stream of RESP, without keeping any of it.

/// What an element of an aggregate costs in memory beyond its bytes.
const ELEMENT: u64 = 64;
/// How deep aggregates may be nested, as in the `redis` crate's parser.
const DEEPEST: usize = 100;
/// The longest line that holds a length.
const LONGEST_NUMBER: usize = 24;

/// Follows a stream of RESP. It counts what has begun and ended, and refuses what grows beyond a limit.
#[derive(Debug)]
pub(super) struct Framing {
    limit: u64,
    /// What the item that is under way has cost so far.
    cost: u64,
    /// The elements that are still to come, at each depth.
    open: Vec<u64>,
    state: State,
    /// The line that is under way, as far as a length can be in it.
    line: Vec<u8>,
    begun: u64,
    ended: u64,
    /// Whether the item that is under way is a push.
    is_push: bool,
    pushes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next byte tells the type.
    Type,
    /// In a line of this type; whether the last byte was a carriage return.
    Line { kind: u8, returned: bool },
    /// So many bytes to come, the final line break among them.
    Data(u64),
}

/// Why a stream cannot be followed any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// A reply beyond the limit.
    #[error("a reply is larger than max_reply_bytes allows")]
    TooLarge,
    #[error("what was received is not RESP")]
    Malformed,
    /// A reply that no command asked for. From then on nobody can tell whose the next ones are.
    #[error("more replies came than commands were sent")]
    TooMany,
}

impl Framing {
    /// A stream whose items may cost so much at the most: their bytes, and 64 for each element of an aggregate.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            cost: 0,
            open: Vec::new(),
            state: State::Type,
            line: Vec::new(),
            begun: 0,
            ended: 0,
            is_push: false,
            pushes: 0,
        }
    }

    /// How many items have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// How many items have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// How many of the items that have ended answer a command: all but the pushes of RESP3.
    pub(super) fn answers(&self) -> u64 {
        self.ended - self.pushes
    }

    /// Goes on through these bytes.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while let Some(first) = bytes.first() {
            let taken = match self.state {
                State::Type => {
                    if self.open.is_empty() {
                        self.begun += 1;
                        self.is_push = *first == b'>';
                    }
                    self.line.clear();
                    self.state = State::Line { kind: *first, returned: false };
                    1
                }
                State::Line { kind, returned } => self.line(kind, returned, bytes)?,
                State::Data(left) => {
                    let taken = left.min(bytes.len() as u64);
                    self.state = State::Data(left - taken);
                    if left == taken {
                        self.end_item();
                    }
                    taken as usize
                }
            };
            bytes = &bytes[taken..];
            self.charge(taken as u64)?;
            if self.state == State::Type && self.open.is_empty() {
                self.cost = 0;
            }
        }
        Ok(())
    }

    /// Goes on in a line, and tells how far.
    fn line(&mut self, kind: u8, returned: bool, bytes: &[u8]) -> Result<usize, Unreadable> {
        let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.keep(bytes);
            self.state = State::Line { kind, returned: bytes.last() == Some(&b'\r') };
            return Ok(bytes.len());
        };
        let ends = if at == 0 { returned } else { bytes[at - 1] == b'\r' };
        self.keep(&bytes[..at]);
        if ends {
            self.end_line(kind)?;
        } else {
            self.state = State::Line { kind, returned: false };
        }
        Ok(at + 1)
    }

    /// Keeps what may be a length.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (LONGEST_NUMBER + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, kind: u8) -> Result<(), Unreadable> {
        match kind {
            b'$' | b'!' | b'=' => match self.length()? {
                Some(length) => {
                    if self.cost.saturating_add(length) > self.limit {
                        return Err(Unreadable::TooLarge);
                    }
                    self.state = State::Data(length + 2);
                }
                None => self.end_item(),
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = self.length()?.unwrap_or(0);
                let count = match kind {
                    b'%' => count.saturating_mul(2),
                    // What the attributes belong to is part of the same item.
                    b'|' => count.saturating_mul(2).saturating_add(1),
                    _ => count,
                };
                self.charge(count.saturating_mul(ELEMENT))?;
                if count == 0 {
                    self.end_item();
                } else if self.open.len() == DEEPEST {
                    return Err(Unreadable::TooLarge);
                } else {
                    self.open.push(count);
                    self.state = State::Type;
                }
            }
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => self.end_item(),
            _ => return Err(Unreadable::Malformed),
        }
        Ok(())
    }

    /// The length in the line; `None` for nil.
    fn length(&self) -> Result<Option<u64>, Unreadable> {
        let text = std::str::from_utf8(&self.line).map_err(|_| Unreadable::Malformed)?;
        let number: i64 = text.trim().parse().map_err(|_| Unreadable::Malformed)?;
        Ok(u64::try_from(number).ok())
    }

    fn charge(&mut self, cost: u64) -> Result<(), Unreadable> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Unreadable::TooLarge) } else { Ok(()) }
    }

    fn end_item(&mut self) {
        self.state = State::Type;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        self.ended += 1;
        self.pushes += u64::from(self.is_push);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\nsuch line\r\n",
        b":-12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$6\r\na\r\n+OK\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n#t\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n,1.5\r\n",
        b"|1\r\n+k\r\n+v\r\n*1\r\n$1\r\nx\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!5\r\nERR x\r\n",
        b">2\r\n+message\r\n(123\r\n",
    ];

    #[test]
    fn replies_end_where_they_end_however_they_are_cut() {
        let all = REPLIES.concat();
        for cut in 1..=all.len() {
            let mut framing = Framing::new(1 << 20);
            for part in all.chunks(cut) {
                framing.take(part).unwrap();
            }
            assert_eq!((framing.begun(), framing.ended()), (14, 14), "in parts of {cut}");
            assert_eq!(framing.answers(), 13, "a push answers nothing");
        }
        let mut framing = Framing::new(1 << 20);
        for (number, reply) in (1..).zip(REPLIES) {
            let (last, before) = reply.split_last().unwrap();
            framing.take(before).unwrap();
            assert_eq!((framing.begun(), framing.ended()), (number, number - 1));
            framing.take(&[*last]).unwrap();
            assert_eq!(framing.ended(), number);
        }
    }

    #[test]
    fn what_grows_beyond_the_limit_is_refused() {
        let mut framing = Framing::new(1000);
        assert_eq!(framing.take(b"$1000\r\n"), Err(Unreadable::TooLarge), "before its bytes come");
        let mut framing = Framing::new(1000);
        assert_eq!(framing.take(b"*2000000000\r\n"), Err(Unreadable::TooLarge));
        let mut framing = Framing::new(1000);
        framing.take(b"+").unwrap();
        assert_eq!(framing.take(&[b'a'; 1000]), Err(Unreadable::TooLarge), "a line without an end");
        let mut framing = Framing::new(1 << 20);
        assert_eq!(framing.take(&b"*1\r\n".repeat(101)), Err(Unreadable::TooLarge), "too deep");
        let mut framing = Framing::new(1000);
        for _ in 0..10 {
            framing.take(b"$900\r\n").unwrap();
            framing.take(&[0; 902]).unwrap();
        }
        assert_eq!(framing.ended(), 10, "each reply has the limit for itself");
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for line in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"$x\r\n", b"*99999999999999999999\r\n"]
        {
            assert_eq!(Framing::new(1000).take(line), Err(Unreadable::Malformed));
        }
    }
}
