//! Minutes, hours and days of UTC, as digits in keys.

use std::fmt::Write;

/// A unit of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// `minute:202401151422`
    Minute,
    /// `hour:2024011514`
    Hour,
    /// `day:20240115`
    Day,
}

impl Calendar {
    pub(super) fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Writes the unit and the digits of its window with this number, such as `minute:202401151422`.
    pub(super) fn write(self, window: u64, out: &mut String) {
        let minutes = window * (self.millis() / 60_000);
        let (days, minutes) = (minutes / 1440, minutes % 1440);
        let (year, month, day) = date(days);
        let (hour, minute) = (minutes / 60, minutes % 60);
        let _ = write!(out, "{}:{year:04}{month:02}{day:02}", self.name());
        let _ = match self {
            Self::Minute => write!(out, "{hour:02}{minute:02}"),
            Self::Hour => write!(out, "{hour:02}"),
            Self::Day => Ok(()),
        };
    }
}

/// The date of a day since the Unix epoch: `civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unit: Calendar, unix_seconds: u64) -> String {
        let mut text = String::new();
        unit.write(unix_seconds * 1000 / unit.millis(), &mut text);
        text
    }

    #[test]
    fn windows_have_the_digits_of_the_calendar() {
        for (seconds, minute) in [
            (0, "minute:197001010000"),
            (951_827_696, "minute:200002291234"),
            (1_705_328_579, "minute:202401151422"),
            (4_107_542_399, "minute:210002282359"),
            (4_107_542_400, "minute:210003010000"),
        ] {
            assert_eq!(text(Calendar::Minute, seconds), minute);
        }
        assert_eq!(text(Calendar::Hour, 1_705_328_579), "hour:2024011514");
        assert_eq!(text(Calendar::Day, 1_705_328_579), "day:20240115");
    }
}
