//! JSON of Lua's values.

use mlua::{Table, Value};

use super::budget::Budget;
use super::cjson_settings::{Invalid, Settings};
use super::convert::truncated;

/// Why a value cannot be written, or a text not be read.
pub(super) enum Problem {
    Value(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Problem {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

/// However deep the settings allow.
const DEEPEST: i64 = 100_000;

pub(super) struct Writer {
    settings: Settings,
    text: Vec<u8>,
    budget: Budget,
}

/// A table that is being written.
enum Open {
    Array { table: Table, at: i64, length: i64 },
    Object { pairs: std::vec::IntoIter<(Value, Value)>, is_first: bool },
}

/// Whether an item is the first one, its name in an object, and its value.
type Item = (bool, Option<Value>, Value);

impl Open {
    fn begin(&self) -> u8 {
        if matches!(self, Self::Array { .. }) { b'[' } else { b'{' }
    }

    fn end(&self) -> u8 {
        if matches!(self, Self::Array { .. }) { b']' } else { b'}' }
    }

    fn next(&mut self) -> mlua::Result<Option<Item>> {
        match self {
            Self::Array { at, length, .. } if at == length => Ok(None),
            Self::Array { table, at, .. } => {
                *at += 1;
                Ok(Some((*at == 1, None, table.raw_get(*at)?)))
            }
            Self::Object { pairs, is_first } => {
                let first = std::mem::take(is_first);
                Ok(pairs.next().map(|(name, item)| (first, Some(name), item)))
            }
        }
    }
}

impl Writer {
    pub(super) fn new(settings: Settings, budget: Budget) -> Self {
        Self { settings, text: Vec::new(), budget }
    }

    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Writes a value. The tables that are open are in a list, not on the stack, since there may be many.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), Problem> {
        let mut open = Vec::new();
        self.begin(value, &mut open)?;
        while let Some(table) = open.last_mut() {
            match table.next()? {
                None => {
                    self.text.push(table.end());
                    open.pop();
                }
                Some((is_first, name, item)) => {
                    if !is_first {
                        self.text.push(b',');
                    }
                    if let Some(name) = name {
                        self.name(&name)?;
                    }
                    self.begin(&item, &mut open)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a value that is no table, or opens a table.
    fn begin(&mut self, value: &Value, open: &mut Vec<Open>) -> Result<(), Problem> {
        match value {
            Value::String(text) => self.string(&text.as_bytes())?,
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.text.extend(b"true"),
            Value::Boolean(false) => self.text.extend(b"false"),
            Value::Nil => self.text.extend(b"null"),
            value if value.is_null() => self.text.extend(b"null"),
            Value::Table(table) => {
                let depth = open.len() as i64 + 1;
                if depth > self.settings.encode_depth.min(DEEPEST) {
                    let text = format!("Cannot serialise, excessive nesting ({depth})");
                    return Err(Problem::Value(text));
                }
                let opened = match self.array_length(table)? {
                    Some(length @ 1..) => Open::Array { table: table.clone(), at: 0, length },
                    _ => {
                        let pairs = table.pairs().collect::<mlua::Result<Vec<_>>>()?;
                        Open::Object { pairs: pairs.into_iter(), is_first: true }
                    }
                };
                self.text.push(opened.begin());
                open.push(opened);
            }
            other => return Err(refused(other.type_name(), "type not supported")),
        }
        Ok(self.budget.take(1)?)
    }

    fn name(&mut self, name: &Value) -> Result<(), Problem> {
        match name {
            Value::String(name) => self.string(&name.as_bytes())?,
            Value::Integer(number) => {
                self.text.push(b'"');
                self.number(*number as f64)?;
                self.text.push(b'"');
            }
            Value::Number(number) => {
                self.text.push(b'"');
                self.number(*number)?;
                self.text.push(b'"');
            }
            other => {
                return Err(refused(other.type_name(), "table key must be a number or string"));
            }
        }
        self.text.push(b':');
        Ok(())
    }

    /// The length of an array; `None` for an object.
    fn array_length(&self, table: &Table) -> Result<Option<i64>, Problem> {
        let (mut highest, mut items, mut is_array) = (0, 0_i64, true);
        table.for_each(|key: Value, _: Value| {
            let number = match key {
                Value::Integer(number) => number,
                Value::Number(number) if truncated(number) as f64 == number => truncated(number),
                _ => 0,
            };
            is_array &= number >= 1;
            highest = highest.max(number);
            items += 1;
            Ok(())
        })?;
        if !is_array {
            return Ok(None);
        }
        let Settings { sparse_ratio, sparse_safe, sparse_convert, .. } = self.settings;
        let is_sparse = sparse_ratio > 0
            && highest > items.saturating_mul(sparse_ratio)
            && highest > sparse_safe;
        match is_sparse {
            true if !sparse_convert => Err(refused("table", "excessively sparse array")),
            true => Ok(None),
            false => Ok(Some(highest)),
        }
    }

    fn number(&mut self, number: f64) -> Result<(), Problem> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => {
                    return Err(refused("number", "must not be NaN or Inf"));
                }
                Invalid::Null => {
                    self.text.extend(b"null");
                    return Ok(());
                }
                Invalid::Written if number.is_nan() => self.text.extend(b"nan"),
                Invalid::Written if number > 0.0 => self.text.extend(b"inf"),
                Invalid::Written => self.text.extend(b"-inf"),
            }
            return Ok(());
        }
        self.text.extend(general(number, self.settings.precision).bytes());
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Problem> {
        self.budget.take(text.len())?;
        self.text.push(b'"');
        for byte in text {
            match byte {
                b'"' => self.text.extend(b"\\\""),
                b'\\' => self.text.extend(b"\\\\"),
                b'/' => self.text.extend(b"\\/"),
                b'\x08' => self.text.extend(b"\\b"),
                b'\t' => self.text.extend(b"\\t"),
                b'\n' => self.text.extend(b"\\n"),
                b'\x0c' => self.text.extend(b"\\f"),
                b'\r' => self.text.extend(b"\\r"),
                0..=0x1f | 0x7f => self.text.extend(format!("\\u{byte:04x}").bytes()),
                _ => self.text.push(*byte),
            }
        }
        self.text.push(b'"');
        Ok(())
    }
}

fn refused(kind: &str, why: &str) -> Problem {
    let kind = match kind {
        "integer" => "number",
        "lightuserdata" => "userdata",
        other => other,
    };
    Problem::Value(format!("Cannot serialise {kind}: {why}"))
}

/// A number as C's `%.14g` writes it, with this many digits.
fn general(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let count = i32::try_from(digits).unwrap_or(i32::MAX);
    if (-4..count).contains(&exponent) {
        let decimals = usize::try_from(count - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn numbers_are_written_as_c_does() {
        for (number, text) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e14, "1e+14"),
            (99_999_999_999_999.0, "99999999999999"),
            (-1.5e-5, "-1.5e-05"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
            (123_456_789.123_456_79, "123456789.12346"),
        ] {
            assert_eq!(general(number, 14), text);
        }
    }
}
