//! How long a command waits for data or for replicas.

use std::time::Duration;

use super::row::Wait;
use crate::command::Command;

impl Command {
    /// Whether the command waits for data or for replicas: a blocking command, WAIT, WAITAOF, or XREAD and XREADGROUP
    /// with `BLOCK`.
    pub fn is_blocking(&self) -> bool {
        // This is called for every command. The first letter rules most of them out.
        if !self.name().starts_with(['B', 'X', 'W']) {
            return false;
        }
        match self.info().wait {
            Wait::Never => false,
            Wait::Block => self.streams().0.is_some(),
            _ => true,
        }
    }

    /// How long a waiting command may wait by its arguments; [`Duration::MAX`] for no limit, and for a time that is not
    /// written in plain decimal digits.
    pub fn blocks_for(&self) -> Option<Duration> {
        if !self.is_blocking() {
            return None;
        }
        let last = || self.get(self.args().len().checked_sub(1)?);
        let time = match self.info().wait {
            Wait::Block => self.streams().0.and_then(|at| self.get(at)).and_then(millis),
            Wait::MillisLast => last().and_then(millis),
            Wait::SecondsFirst => self.get(0).and_then(seconds),
            Wait::SecondsLast | Wait::Never => last().and_then(seconds),
        };
        // Zero means no limit. The server refuses at once what it cannot read.
        Some(time.filter(|time| !time.is_zero()).unwrap_or(Duration::MAX))
    }
}

fn millis(text: &[u8]) -> Option<Duration> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Duration::from_millis)
}

/// Seconds in plain decimal digits. Parsing them as `f64` would link 10 kB of tables only for this. `None` for other forms
/// that Redis reads, such as `1e3`.
fn seconds(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (whole, digits) = match (whole, fraction) {
        ("", "") => return None,
        ("", _) => (0, fraction),
        _ => (whole.parse().ok()?, fraction),
    };
    let nanos = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Some(Duration::new(whole, nanos))
}

#[cfg(test)]
mod tests {
    use super::super::rows::TABLE;
    use super::*;

    #[test]
    fn waiting_commands_begin_with_three_letters() {
        let waiting = TABLE.iter().filter(|row| row.may_wait());
        assert!(waiting.into_iter().all(|row| row.name.starts_with(['B', 'X', 'W'])));
    }

    #[test]
    fn waiting_times_are_read_from_the_arguments() {
        let blocks_for = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Command::new(words.next().unwrap_or_default()).args_from(words).blocks_for()
        };
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        assert_eq!(blocks_for("BLPOP a b 1.5"), seconds(1.5));
        assert_eq!(blocks_for("BLPOP a 0"), Some(Duration::MAX));
        for (text, expected) in [
            ("0.25", Some(Duration::from_millis(250))),
            (".5", Some(Duration::from_millis(500))),
            ("3.", Some(Duration::from_secs(3))),
            ("+2.000000001999", Some(Duration::new(2, 1))),
            ("18446744073709551615", Some(Duration::from_secs(u64::MAX))),
            ("0.0", Some(Duration::MAX)),
        ] {
            assert_eq!(blocks_for(&format!("BLPOP a {text}")), expected, "{text}");
        }
        for unread in
            ["", ".", "-1", "1.-5", "1.+5", "1.5.5", "1e3", "inf", "x", "18446744073709551616"]
        {
            assert_eq!(blocks_for(&format!("BLPOP a {unread}")), Some(Duration::MAX), "{unread}");
        }
        assert_eq!(blocks_for("BZMPOP 2 1 a MIN"), seconds(2.0));
        assert_eq!(blocks_for("XREAD COUNT 1 BLOCK 250 STREAMS s $"), seconds(0.25));
        assert_eq!(blocks_for("XREAD STREAMS s $"), None);
        assert_eq!(blocks_for("LPOP a"), None);
        assert_eq!(blocks_for("XREADGROUP GROUP BLOCK 9 STREAMS s >"), None);
        assert_eq!(blocks_for("XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), Some(Duration::MAX));
        assert_eq!(blocks_for("WAIT 1 250"), seconds(0.25));
        assert_eq!(blocks_for("WAITAOF 1 0 0"), Some(Duration::MAX));
    }
}
