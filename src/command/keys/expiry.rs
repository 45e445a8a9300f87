//! The expiry of keys and fields.

use std::time::Duration;

use crate::command::Command;
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// The remaining time to live of a key or a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifetime {
    /// There is no such key.
    Missing,
    /// It never expires.
    Persistent,
    /// It expires after this time. TTL and HTTL round it to seconds, PTTL and HPTTL give milliseconds.
    Expires(Duration),
}

impl Lifetime {
    pub(in crate::command) fn from_seconds(value: Value) -> Result<Self> {
        Ok(Self::new(ExpireTime::from_value(value)?, Duration::from_secs))
    }

    pub(in crate::command) fn from_millis(value: Value) -> Result<Self> {
        Ok(Self::new(ExpireTime::from_value(value)?, Duration::from_millis))
    }

    fn new(reply: ExpireTime, unit: fn(u64) -> Duration) -> Self {
        match reply {
            ExpireTime::Missing => Self::Missing,
            ExpireTime::Persistent => Self::Persistent,
            ExpireTime::At(left) => Self::Expires(unit(left)),
        }
    }
}

/// The Unix time at which a key or a field expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpireTime {
    /// There is no such key.
    Missing,
    /// It never expires.
    Persistent,
    /// It expires at this time: in seconds from EXPIRETIME and HEXPIRETIME, in milliseconds from PEXPIRETIME and
    /// HPEXPIRETIME.
    At(u64),
}

impl FromValue for ExpireTime {
    fn from_value(value: Value) -> Result<Self> {
        match i64::from_value(value)? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::Persistent),
            time => u64::try_from(time).map(Self::At).map_err(|_| {
                Error::new(
                    ErrorKind::Type,
                    "asked for the time of an expiry, the reply is negative",
                )
            }),
        }
    }
}

/// The condition under which EXPIRE and similar commands change a time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpireIf {
    /// Always.
    #[default]
    Always,
    /// Only if the key has none (`NX`).
    Persistent,
    /// Only if the key has one (`XX`).
    Volatile,
    /// Only if the new one is later (`GT`); no expiry counts as latest.
    Later,
    /// Only if the new one is sooner (`LT`).
    Sooner,
}

impl ExpireIf {
    pub(in crate::command) fn append(self, command: Command) -> Command {
        match self {
            Self::Always => command,
            Self::Persistent => command.arg("NX"),
            Self::Volatile => command.arg("XX"),
            Self::Later => command.arg("GT"),
            Self::Sooner => command.arg("LT"),
        }
    }
}
