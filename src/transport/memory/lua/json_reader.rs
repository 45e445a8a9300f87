//! JSON as lua-cjson reads it: with numbers that strict JSON does not have.

use mlua::{Lua, Table, Value};

use super::json_writer::Problem;

pub(super) struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    /// Whether numbers such as `0x10`, `inf` and `nan` are read.
    invalid_numbers: bool,
    deepest: i64,
}

/// A table that is being read, and the key of its next value: a number in an array, a name in an object.
struct Open {
    table: Table,
    key: Value,
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What is wrong with the text.
    Broken(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Broken(text) => text,
        }
    }
}

/// A token and its place.
type Placed = (Token, usize);

fn unexpected(expected: &str, (token, at): &Placed) -> Problem {
    let found = token.name();
    Problem::Value(format!("Expected {expected} but found {found} at character {}", at + 1))
}

impl<'a> Reader<'a> {
    pub(super) fn new(lua: &'a Lua, text: &'a [u8], invalid_numbers: bool, deepest: i64) -> Self {
        Self { lua, text, at: 0, invalid_numbers, deepest }
    }

    /// The value that the whole text is.
    pub(super) fn all(mut self) -> Result<Value, Problem> {
        if let [first, second, ..] = self.text
            && (*first == 0 || *second == 0)
        {
            let text = "JSON parser does not support UTF-16 or UTF-32";
            return Err(Problem::Value(text.to_owned()));
        }
        let token = self.next();
        let value = self.value(token)?;
        match self.next() {
            (Token::End, _) => Ok(value),
            other => Err(unexpected("the end", &other)),
        }
    }

    /// Reads the value that begins with a token. The tables that are open are in a list, not on the stack, since there may be
    /// many.
    fn value(&mut self, mut token: Placed) -> Result<Value, Problem> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match token.0 {
                Token::String(text) => Value::String(self.lua.create_string(text)?),
                Token::Number(number) => Value::Number(number),
                Token::Boolean(yes) => Value::Boolean(yes),
                Token::Null => Value::NULL,
                Token::ObjectBegin => {
                    self.descend(open.len())?;
                    let table = self.lua.create_table()?;
                    match self.next() {
                        (Token::ObjectEnd, _) => Value::Table(table),
                        first => {
                            let name = self.name(first)?;
                            open.push(Open { table, key: name });
                            token = self.next();
                            continue;
                        }
                    }
                }
                Token::ArrayBegin => {
                    self.descend(open.len())?;
                    let table = self.lua.create_table()?;
                    match self.next() {
                        (Token::ArrayEnd, _) => Value::Table(table),
                        first => {
                            open.push(Open { table, key: Value::Integer(1) });
                            token = first;
                            continue;
                        }
                    }
                }
                _ => return Err(unexpected("value", &token)),
            };
            // The value is complete, and perhaps so are the tables around it.
            loop {
                let Some(inner) = open.last_mut() else { return Ok(value) };
                inner.table.raw_set(&inner.key, value)?;
                let next = self.next();
                match (&inner.key, next) {
                    (Value::Integer(_), (Token::ArrayEnd, _))
                    | (Value::String(_), (Token::ObjectEnd, _)) => {
                        value = Value::Table(inner.table.clone());
                        open.pop();
                    }
                    (Value::Integer(at), (Token::Comma, _)) => {
                        inner.key = Value::Integer(at + 1);
                        token = self.next();
                        break;
                    }
                    (Value::Integer(_), other) => {
                        return Err(unexpected("comma or array end", &other));
                    }
                    (_, (Token::Comma, _)) => {
                        let first = self.next();
                        inner.key = self.name(first)?;
                        token = self.next();
                        break;
                    }
                    (_, other) => return Err(unexpected("comma or object end", &other)),
                }
            }
        }
    }

    /// The name of a field, with the colon after it.
    fn name(&mut self, token: Placed) -> Result<Value, Problem> {
        let Token::String(name) = token.0 else {
            return Err(unexpected("object key string", &token));
        };
        match self.next() {
            (Token::Colon, _) => Ok(Value::String(self.lua.create_string(name)?)),
            other => Err(unexpected("colon", &other)),
        }
    }

    fn descend(&self, open: usize) -> Result<(), Problem> {
        let (depth, at) = (open + 1, self.at);
        match depth as i64 <= self.deepest {
            true => Ok(()),
            false => Err(Problem::Value(format!(
                "Found too many nested data structures ({depth}) at character {at}"
            ))),
        }
    }

    fn peek(&self) -> u8 {
        // The text ends with a zero, as in C.
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Placed {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let short = |token, length| (token, length);
        let rest = self.text.get(start..).unwrap_or_default();
        let (token, length) = match self.peek() {
            0 => return (Token::End, start),
            b'{' => short(Token::ObjectBegin, 1),
            b'}' => short(Token::ObjectEnd, 1),
            b'[' => short(Token::ArrayBegin, 1),
            b']' => short(Token::ArrayEnd, 1),
            b',' => short(Token::Comma, 1),
            b':' => short(Token::Colon, 1),
            b'"' => return self.string(start),
            b'-' | b'0'..=b'9' => {
                if !self.invalid_numbers && is_invalid(rest) {
                    return (Token::Broken("invalid number"), start);
                }
                return self.number(start);
            }
            _ if rest.starts_with(b"true") => short(Token::Boolean(true), 4),
            _ if rest.starts_with(b"false") => short(Token::Boolean(false), 5),
            _ if rest.starts_with(b"null") => short(Token::Null, 4),
            first => {
                // Only these begin a token.
                let begins = matches!(first, b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+');
                if begins && self.invalid_numbers && is_invalid(rest) {
                    return self.number(start);
                }
                return (Token::Broken("invalid token"), start);
            }
        };
        self.at += length;
        (token, start)
    }

    fn number(&mut self, start: usize) -> Placed {
        match float_prefix(&self.text[start..]) {
            Some((number, length)) => {
                self.at += length;
                (Token::Number(number), start)
            }
            None => (Token::Broken("invalid number"), start),
        }
    }

    fn string(&mut self, start: usize) -> Placed {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                b'"' => break,
                0 if self.at >= self.text.len() => {
                    return (Token::Broken("unexpected end of string"), self.at);
                }
                b'\\' => {
                    let escaped = self.text.get(self.at + 1).copied().unwrap_or(0);
                    let byte = match escaped {
                        b'u' => match self.unicode() {
                            Some(character) => {
                                let mut buffer = [0; 4];
                                out.extend(character.encode_utf8(&mut buffer).bytes());
                                continue;
                            }
                            None => return (Token::Broken("invalid unicode escape code"), self.at),
                        },
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'"' | b'\\' | b'/' => escaped,
                        _ => return (Token::Broken("invalid escape code"), self.at),
                    };
                    out.push(byte);
                    self.at += 2;
                }
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        (Token::String(out), start)
    }

    /// The character of `\uXXXX`, or of a pair of them.
    fn unicode(&mut self) -> Option<char> {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
            digits
                .iter()
                .try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
        };
        let first = unit(self.at)?;
        let (code, length) = match first {
            0xd800..=0xdbff => {
                let second = unit(self.at + 6).filter(|unit| unit & 0xfc00 == 0xdc00)?;
                (0x10000 + ((first & 0x3ff) << 10 | second & 0x3ff), 12)
            }
            _ => (first, 6),
        };
        let character = char::from_u32(code)?;
        self.at += length;
        Some(character)
    }
}

/// Whether this is no number of strict JSON.
fn is_invalid(text: &[u8]) -> bool {
    if text.starts_with(b"+") {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let second = text.get(1).copied().unwrap_or(0);
    match text.first() {
        Some(b'0') => matches!(second, b'x' | b'X' | b'0'..=b'9'),
        Some(first) if *first <= b'9' => false,
        _ => text.get(..3).is_some_and(|word| {
            word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
        }),
    }
}

/// The longest number at the beginning of a text, as C's `strtod` reads it, and its length.
fn float_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let signed = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let sign = if text.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let rest = &text[signed..];
    let word =
        |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if word(b"infinity") {
        return Some((sign * f64::INFINITY, signed + 8));
    }
    if word(b"inf") {
        return Some((sign * f64::INFINITY, signed + 3));
    }
    if word(b"nan") {
        return Some((f64::NAN.copysign(sign), signed + 3));
    }
    let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if word(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let hex = rest[2..].iter().map_while(|byte| char::from(*byte).to_digit(16));
        let (number, count) = hex
            .fold((0.0, 0), |(number, count), digit| (number * 16.0 + f64::from(digit), count + 1));
        return Some((sign * number, signed + 2 + count));
    }
    let whole = digits(0);
    let mut end = whole;
    if rest.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'-' | b'+')));
        let exponent = rest.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(&text[..signed + end]).ok()?.parse().ok()?;
    Some((number, signed + end))
}
