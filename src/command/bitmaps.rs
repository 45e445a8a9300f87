//! Bitmaps: strings, bit by bit, and integers of any width inside of them.

use super::{Arguments, Command, Execute, ToArg};

/// A part of a string. Negative positions count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitRange {
    /// From one byte to another, both included.
    Bytes(i64, i64),
    /// From one bit to another, both included (Redis 7).
    Bits(i64, i64),
}

impl BitRange {
    fn append(self, command: Command) -> Command {
        match self {
            Self::Bytes(start, end) => command.arg(start).arg(end),
            Self::Bits(start, end) => command.arg(start).arg(end).arg("BIT"),
        }
    }
}

/// The operation of BITOP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitOp {
    /// Bits that are set in all.
    And,
    /// Bits that are set in any.
    Or,
    /// Bits that are set in an odd number.
    Xor,
    /// The inverted bits of one key.
    Not,
    /// Bits that are set in the first and in none of the others (Redis 8.2).
    Diff,
    /// Bits that are set in any but the first (Redis 8.2).
    Diff1,
    /// Bits that are set in the first and in any of the others (Redis 8.2).
    AndOr,
    /// Bits that are set in exactly one (Redis 8.2).
    One,
}

impl ToArg for BitOp {
    fn write_to(&self, args: &mut Arguments) {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Xor => "XOR",
            Self::Not => "NOT",
            Self::Diff => "DIFF",
            Self::Diff1 => "DIFF1",
            Self::AndOr => "ANDOR",
            Self::One => "ONE",
        }
        .write_to(args);
    }
}

/// The type of an integer inside of a string: its width, and whether it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IntType {
    /// Signed, of 1 to 64 bits.
    Signed(u8),
    /// Unsigned, of 1 to 63 bits.
    Unsigned(u8),
}

impl ToArg for IntType {
    fn write_to(&self, args: &mut Arguments) {
        match self {
            Self::Signed(bits) => args.push_display(format_args!("i{bits}")),
            Self::Unsigned(bits) => args.push_display(format_args!("u{bits}")),
        }
    }
}

/// The position of such an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitOffset {
    /// At this bit.
    Bit(u64),
    /// At this index, counted in integers of its width.
    Index(u64),
}

impl ToArg for BitOffset {
    fn write_to(&self, args: &mut Arguments) {
        match self {
            Self::Bit(bit) => bit.write_to(args),
            Self::Index(index) => args.push_display(format_args!("#{index}")),
        }
    }
}

/// The handling of an overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It wraps around.
    Wrap,
    /// It stays at the largest or smallest value.
    Sat,
    /// It does not change, and the reply is `None`.
    Fail,
}

/// The steps of a BITFIELD, in order.
///
/// ```
/// use edgecask::command::bitmaps::{BitField, BitOffset, IntType, Overflow};
///
/// let steps = BitField::new()
///     .overflow(Overflow::Sat)
///     .incrby(IntType::Unsigned(8), BitOffset::Index(3), 10)
///     .get(IntType::Unsigned(8), BitOffset::Index(3));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BitField {
    args: Arguments,
}

impl BitField {
    /// No steps.
    pub fn new() -> Self {
        Self::default()
    }

    fn step(mut self, word: &str, kind: IntType, at: BitOffset, number: Option<i64>) -> Self {
        word.write_to(&mut self.args);
        kind.write_to(&mut self.args);
        at.write_to(&mut self.args);
        if let Some(number) = number {
            number.write_to(&mut self.args);
        }
        self
    }

    /// Returns the integer.
    #[must_use]
    pub fn get(self, kind: IntType, at: BitOffset) -> Self {
        self.step("GET", kind, at, None)
    }

    /// Sets the integer, and returns the old one. Not for BITFIELD_RO.
    #[must_use]
    pub fn set(self, kind: IntType, at: BitOffset, number: i64) -> Self {
        self.step("SET", kind, at, Some(number))
    }

    /// Adds to the integer, and returns the sum. Not for BITFIELD_RO.
    #[must_use]
    pub fn incrby(self, kind: IntType, at: BitOffset, by: i64) -> Self {
        self.step("INCRBY", kind, at, Some(by))
    }

    /// Sets the handling of overflows for the following steps. Default: [`Overflow::Wrap`].
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        "OVERFLOW".write_to(&mut self.args);
        let word = match overflow {
            Overflow::Wrap => "WRAP",
            Overflow::Sat => "SAT",
            Overflow::Fail => "FAIL",
        };
        word.write_to(&mut self.args);
        self
    }
}

/// The commands on bits. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::prelude::*;
///
/// # async fn active(client: Client) -> edgecask::Result<()> {
/// client.setbit("active:today", 42, true).await?;
/// assert!(client.getbit("active:today", 42).await?);
/// let users = client.bitcount("active:today").await?;
/// # Ok(())
/// # }
/// ```
pub trait BitmapCommands: Execute {
    /// How many bits are set. [Redis BITCOUNT](https://redis.io/docs/latest/commands/bitcount/).
    #[doc(alias = "BITCOUNT")]
    fn bitcount(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("BITCOUNT").arg(key))
    }

    /// How many bits are set in a part. [Redis BITCOUNT](https://redis.io/docs/latest/commands/bitcount/).
    #[doc(alias = "BITCOUNT")]
    fn bitcount_range(&self, key: impl ToArg, range: BitRange) -> Self::Reply<u64> {
        self.execute(range.append(Command::new("BITCOUNT").arg(key)))
    }

    /// Reads and changes integers. There is a reply for each step; `None` after an overflow. [Redis
    /// BITFIELD](https://redis.io/docs/latest/commands/bitfield/).
    #[doc(alias = "BITFIELD")]
    fn bitfield(&self, key: impl ToArg, steps: &BitField) -> Self::Reply<Vec<Option<i64>>> {
        self.execute(Command::new("BITFIELD").arg(key).args_from(steps.args.iter()))
    }

    /// Reads integers: for replicas and read-only tokens. [Redis BITFIELD_RO](https://redis.io/docs/latest/commands/bitfield_ro/).
    #[doc(alias = "BITFIELD_RO")]
    fn bitfield_ro(&self, key: impl ToArg, steps: &BitField) -> Self::Reply<Vec<Option<i64>>> {
        self.execute(Command::new("BITFIELD_RO").arg(key).args_from(steps.args.iter()))
    }

    /// Stores the result of an operation on some keys under `to`, and returns its length in bytes. [Redis
    /// BITOP](https://redis.io/docs/latest/commands/bitop/).
    #[doc(alias = "BITOP")]
    fn bitop(
        &self,
        operation: BitOp,
        to: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("BITOP").arg(operation).arg(to).args_from(keys))
    }

    /// The position of the first such bit; -1 if there is none. [Redis
    /// BITPOS](https://redis.io/docs/latest/commands/bitpos/).
    #[doc(alias = "BITPOS")]
    fn bitpos(&self, key: impl ToArg, bit: bool) -> Self::Reply<i64> {
        self.execute(Command::new("BITPOS").arg(key).arg(u32::from(bit)))
    }

    /// The position of the first such bit in a part; -1 if there is none. [Redis
    /// BITPOS](https://redis.io/docs/latest/commands/bitpos/).
    #[doc(alias = "BITPOS")]
    fn bitpos_range(&self, key: impl ToArg, bit: bool, range: BitRange) -> Self::Reply<i64> {
        self.execute(range.append(Command::new("BITPOS").arg(key).arg(u32::from(bit))))
    }

    /// A bit. Bits beyond the end are 0. [Redis GETBIT](https://redis.io/docs/latest/commands/getbit/).
    #[doc(alias = "GETBIT")]
    fn getbit(&self, key: impl ToArg, offset: u64) -> Self::Reply<bool> {
        self.execute(Command::new("GETBIT").arg(key).arg(offset))
    }

    /// Sets or clears a bit, and returns the old one. [Redis SETBIT](https://redis.io/docs/latest/commands/setbit/).
    #[doc(alias = "SETBIT")]
    fn setbit(&self, key: impl ToArg, offset: u64, bit: bool) -> Self::Reply<bool> {
        self.execute(Command::new("SETBIT").arg(key).arg(offset).arg(u32::from(bit)))
    }
}

impl<E: Execute + ?Sized> BitmapCommands for E {}
