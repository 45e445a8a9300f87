//! LCS: the longest common subsequence of two strings. Compared with Redis 8.

use bytes::Bytes;

use super::replies::length;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::steps;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys!["LCS" -3 lcs];

/// The most bytes that the table of lengths may take, as Redis's `proto-max-bulk-len`.
const MAX_TABLE_BYTES: usize = 512 * 1024 * 1024;

#[derive(Default)]
struct Options {
    only_length: bool,
    ranges: bool,
    least_match: usize,
    with_match_length: bool,
}

/// The lengths of the longest common subsequences of all beginnings of two strings.
struct Table {
    lengths: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(left: &[u8], right: &[u8]) -> Result<Self> {
        let width = right.len() + 1;
        let cells = (left.len() + 1).saturating_mul(width);
        if cells.saturating_mul(size_of::<u32>()) > MAX_TABLE_BYTES {
            return Err(Error::server(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut lengths = Vec::new();
        lengths.try_reserve_exact(cells).map_err(|_| {
            Error::server("ERR Insufficient memory, failed allocating transient memory for LCS")
        })?;
        lengths.resize(cells, 0);
        steps::count(cells);
        let mut table = Self { lengths, width };
        for (row, byte) in left.iter().enumerate() {
            for (column, other) in right.iter().enumerate() {
                let length = if byte == other {
                    table.at(row, column) + 1
                } else {
                    table.at(row, column + 1).max(table.at(row + 1, column))
                };
                table.lengths[(row + 1) * width + column + 1] = length;
            }
        }
        Ok(table)
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.lengths[row * self.width + column]
    }
}

/// Where both strings are the same: the first positions and the length.
#[derive(Clone, Copy)]
struct Match {
    left: usize,
    right: usize,
    length: usize,
}

impl Match {
    fn show(self, with_length: bool) -> Value {
        let range =
            |start: usize| Value::Array(vec![length(start), length(start + self.length - 1)]);
        let mut parts = vec![range(self.left), range(self.right)];
        if with_length {
            parts.push(length(self.length));
        }
        Value::Array(parts)
    }
}

/// The matches that make the longest common subsequence, the last one first.
fn matches(table: &Table, left: &[u8], right: &[u8]) -> Vec<Match> {
    let (mut row, mut column) = (left.len(), right.len());
    let mut found: Vec<Match> = Vec::new();
    let mut goes_on = false;
    while row > 0 && column > 0 {
        if left[row - 1] == right[column - 1] {
            (row, column) = (row - 1, column - 1);
            match found.last_mut() {
                Some(last) if goes_on => {
                    *last = Match { left: row, right: column, length: last.length + 1 };
                }
                _ => found.push(Match { left: row, right: column, length: 1 }),
            }
            goes_on = true;
        } else {
            goes_on = false;
            if table.at(row - 1, column) > table.at(row, column - 1) {
                row -= 1;
            } else {
                column -= 1;
            }
        }
    }
    found
}

fn lcs(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let text = |at: usize| -> Result<Bytes> {
        db.read::<Bytes>(args.at(at)?)
            .map(|text| text.cloned().unwrap_or_default())
            .map_err(|_| Error::server("ERR The specified keys must contain string values"))
    };
    let (left, right) = (text(0)?, text(1)?);
    let mut options = Options::default();
    let mut at = 2;
    while at < args.len() {
        match args.word(at).as_str() {
            "IDX" => options.ranges = true,
            "LEN" => options.only_length = true,
            "WITHMATCHLEN" => options.with_match_length = true,
            "MINMATCHLEN" if args.len() > at + 1 => {
                at += 1;
                options.least_match = usize::try_from(args.int(at)?).unwrap_or(0);
            }
            _ => return Err(syntax()),
        }
        at += 1;
    }
    if options.ranges && options.only_length {
        return Err(Error::server(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let table = Table::new(&left, &right)?;
    let whole = Value::Integer(table.at(left.len(), right.len()).into());
    if options.only_length {
        return Ok(whole);
    }
    let matches = matches(&table, &left, &right);
    if options.ranges {
        let shown = matches.iter().filter(|found| found.length >= options.least_match);
        let shown = shown.map(|found| found.show(options.with_match_length)).collect();
        return Ok(Value::Array(vec![
            Value::bulk("matches"),
            Value::Array(shown),
            Value::bulk("len"),
            whole,
        ]));
    }
    let parts = matches.iter().rev().map(|found| &left[found.left..found.left + found.length]);
    Ok(Value::bulk(parts.collect::<Vec<_>>().concat()))
}
