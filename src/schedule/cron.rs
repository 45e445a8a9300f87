//! Cron expressions in a time zone, by the crates croner and jiff.

use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Error, ErrorKind, Result};

/// The times of a cron expression. All times are milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct CronTimes {
    cron: Arc<Cron>,
    zone: TimeZone,
}

impl CronTimes {
    /// Reads an expression of five fields, six with seconds in front, or seven with a year at the end. The time zone is UTC.
    pub(super) fn parse(expression: &str) -> Result<Self> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional);
        let cron = parser.build().parse(expression).map_err(|error| {
            let why = format!("{} is no cron expression: {error}", expression.escape_debug());
            Error::new(ErrorKind::InvalidInput, why)
        })?;
        let times = Self { cron: Arc::new(cron), zone: TimeZone::UTC };
        match times.next_after(0) {
            Some(_) => Ok(times),
            None => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the cron expression {} has no time at all", expression.escape_debug()),
            )),
        }
    }

    /// The same expression in a time zone of the IANA database.
    pub(super) fn in_zone(mut self, name: &str) -> Result<Self> {
        self.zone = TimeZone::get(name).map_err(|_| {
            let why = format!(
                "{} is no time zone: a name of the IANA database is expected, such as Europe/Berlin",
                name.escape_debug()
            );
            Error::new(ErrorKind::InvalidInput, why)
        })?;
        Ok(self)
    }

    pub(super) fn next_after(&self, after: u64) -> Option<u64> {
        let from = self.zoned(after)?;
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        // Seconds are the smallest unit, so a time within a second gives a later slot at any rate.
        millis(&next).filter(|next| *next > after)
    }

    pub(super) fn latest_until(&self, until: u64) -> Option<u64> {
        let from = self.zoned(until)?;
        millis(&self.cron.find_previous_occurrence(&from, true).ok()?)
    }

    fn zoned(&self, at: u64) -> Option<jiff::Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

fn millis(at: &jiff::Zoned) -> Option<u64> {
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let times = CronTimes::parse(expression).unwrap().in_zone(zone).unwrap();
        let from: Timestamp = from.parse().unwrap();
        let from = u64::try_from(from.as_millisecond()).unwrap();
        std::iter::successors(times.next_after(from), |slot| times.next_after(*slot))
            .take(count)
            .map(|slot| Timestamp::from_millisecond(slot as i64).unwrap().to_string())
            .collect()
    }

    #[test]
    fn a_fixed_time_that_the_clock_leaves_out_comes_once() {
        // Berlin goes from 02:00 to 03:00 on 2026-03-29.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_fixed_time_that_the_clock_repeats_comes_once() {
        // Berlin goes from 03:00 back to 02:00 on 2026-10-25.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn slots_of_every_hour_go_on_through_the_change() {
        assert_eq!(
            slots("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T03:00:00Z"
            ]
        );
    }

    #[test]
    fn lists_follow_the_local_clock() {
        assert_eq!(
            slots("30 2,10 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T08:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            slots("30 2,10 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T09:30:00Z"]
        );
    }

    #[test]
    fn seconds_are_a_sixth_field_in_front() {
        assert_eq!(
            slots("*/20 * * * * *", "UTC", "2026-01-01T00:00:01Z", 3),
            ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]
        );
    }

    #[test]
    fn a_malformed_expression_says_why() {
        for bad in ["", "* * *", "61 * * * *", "0 0 30 2 *", "a b c d e", "* * * * * * * *"] {
            let error = CronTimes::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
        let times = CronTimes::parse("@daily").unwrap();
        assert!(times.in_zone("Europe/Atlantis").unwrap_err().to_string().contains("Atlantis"));
    }
}
