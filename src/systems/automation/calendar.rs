use std::fmt;

use time::OffsetDateTime;

use crate::KeyPart;
use crate::platform::unix_millis;

/// Writes a point in time as digits: the first `units` of year, month, day, hour and minute.
fn write_digits(unix_seconds: u64, units: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    let seconds = i64::try_from(unix_seconds).map_err(|_| fmt::Error)?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| fmt::Error)?;
    write!(out, "{:04}", time.year())?;
    let smaller = [u8::from(time.month()), time.day(), time.hour(), time.minute()];
    smaller.iter().take(units - 1).try_for_each(|unit| write!(out, "{unit:02}"))
}

macro_rules! calendar_part {
    ($(#[$meta:meta])* $name:ident, $seconds:literal, $units:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// The one that contains this second since the Unix epoch.
            pub fn of(unix_seconds: u64) -> Self {
                Self(unix_seconds - unix_seconds % $seconds)
            }

            /// The current one.
            pub fn now() -> Self {
                Self::of(unix_millis() / 1000)
            }
        }

        impl KeyPart for $name {
            fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                write_digits(self.0, $units, out)
            }
        }
    };
}

calendar_part! {
    /// A minute of UTC: `202401151422` in keys.
    Minute, 60, 5
}

calendar_part! {
    /// An hour of UTC: `2024011514` in keys.
    Hour, 3600, 4
}

calendar_part! {
    /// A day of UTC: `20240115` in keys.
    Day, 86_400, 3
}
