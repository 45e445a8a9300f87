//! How long a command waits for data or for replicas.

use std::time::Duration;

use super::row::Wait;
use crate::command::Command;

impl Command {
    /// Whether the command waits for data or for replicas: a blocking command, WAIT, WAITAOF, or XREAD and XREADGROUP
    /// with `BLOCK`.
    pub fn is_blocking(&self) -> bool {
        // Each command is asked this; most are told apart by their first letter.
        if !self.name().starts_with(['B', 'X', 'W']) {
            return false;
        }
        match self.info().wait {
            Wait::Never => false,
            Wait::Block => self.streams().0.is_some(),
            _ => true,
        }
    }

    /// How long a command that waits may wait, as its arguments say; [`Duration::MAX`] if for ever.
    pub fn blocks_for(&self) -> Option<Duration> {
        if !self.is_blocking() {
            return None;
        }
        let number = |at: usize| std::str::from_utf8(self.get(at)?).ok()?.parse::<f64>().ok();
        let last = || number(self.args().len().checked_sub(1)?);
        let seconds = match self.info().wait {
            Wait::Block => self.streams().0.and_then(number).map(|millis| millis / 1000.0),
            Wait::MillisLast => last().map(|millis| millis / 1000.0),
            Wait::SecondsFirst => number(0),
            Wait::SecondsLast | Wait::Never => last(),
        };
        // What cannot be read is refused by the server at once.
        let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(f64::INFINITY);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
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
