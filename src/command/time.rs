//! Times as arguments, in seconds or milliseconds. A time between two milliseconds is rounded up, so that only zero becomes
//! zero.

use std::time::Duration;

use super::{Arguments, ToArg};

/// Milliseconds, rounded up. A time that is too long for `u64` becomes [`u64::MAX`], which every server refuses.
pub(super) fn millis(time: Duration) -> u64 {
    let below_a_second = u64::from(time.subsec_nanos().div_ceil(1_000_000));
    time.as_secs()
        .checked_mul(1000)
        .and_then(|millis| millis.checked_add(below_a_second))
        .unwrap_or(u64::MAX)
}

/// The name of the command or option for the exact unit, and the number in that unit: whole seconds, or otherwise
/// milliseconds.
pub(super) fn in_exact_unit(
    time: Duration,
    seconds: &'static str,
    milliseconds: &'static str,
) -> (&'static str, u64) {
    match time.subsec_nanos() {
        0 => (seconds, time.as_secs()),
        _ => (milliseconds, millis(time)),
    }
}

/// Milliseconds for a command in which 0 means no limit: `None` is 0, and zero is 1.
pub(super) fn millis_or_zero(time: Option<Duration>) -> u64 {
    time.map_or(0, |time| millis(time).max(1))
}

/// A timeout as a decimal number of seconds, with milliseconds. `None` is 0, which means no limit; zero is 0.001.
pub(super) struct TimeoutSeconds(pub(super) Option<Duration>);

impl ToArg for TimeoutSeconds {
    fn write_to(&self, args: &mut Arguments) {
        let millis = millis_or_zero(self.0);
        match (millis / 1000, millis % 1000) {
            // Before version 6, Redis reads integers only.
            (seconds, 0) => args.push_display(seconds),
            (seconds, millis) => args.push_display(format_args!("{seconds}.{millis:03}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::hashes::{HSetExOptions, HashCommands};
    use super::super::keys::{ExpireIf, KeyCommands, RestoreOptions};
    use super::super::lists::{End, ListCommands};
    use super::super::server::ServerCommands;
    use super::super::sorted_sets::SortedSetCommands;
    use super::super::streams::{StreamCommands, XClaimOptions, XReadOptions};
    use super::super::strings::{Expiry, GetEx, SetOptions, StringCommands};
    use super::*;
    use crate::command::Execute;
    use crate::{Result, Value};

    /// Shows each command as text.
    struct Text;

    impl Execute for Text {
        type Reply<R> = String;

        fn execute_with<R>(&self, command: Command, _: fn(Value) -> Result<R>) -> String {
            let args = command.args().map(|arg| format!(" {}", arg.escape_ascii()));
            args.fold(command.name().to_owned(), |text, arg| text + &arg)
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
    const PART: Duration = Duration::from_micros(1_500_001);
    const LONGEST_SECONDS: Duration = Duration::from_secs(u64::MAX);

    #[test]
    fn a_time_to_live_is_sent_in_the_unit_that_counts_it_exactly() {
        let expire = |after| Text.expire("k", after);
        assert_eq!(expire(SECOND), "EXPIRE k 1");
        assert_eq!(expire(PART), "PEXPIRE k 1501");
        assert_eq!(expire(Duration::ZERO), "EXPIRE k 0");
        assert_eq!(expire(Duration::from_nanos(1)), "PEXPIRE k 1");
        assert_eq!(expire(Duration::from_nanos(999_999_999)), "PEXPIRE k 1000");
        assert_eq!(expire(LONGEST_SECONDS), format!("EXPIRE k {}", u64::MAX));
        assert_eq!(expire(Duration::MAX), format!("PEXPIRE k {}", u64::MAX));
        assert_eq!(Text.expire_if("k", PART, ExpireIf::Later), "PEXPIRE k 1501 GT");

        assert_eq!(Text.setex("k", SECOND, "v"), "SETEX k 1 v");
        assert_eq!(Text.setex("k", PART, "v"), "PSETEX k 1501 v");
        let set = |after| Text.set_with("k", "v", SetOptions::new().ex(after).nx());
        assert_eq!(
            (set(SECOND).as_str(), set(PART).as_str()),
            ("SET k v EX 1 NX", "SET k v PX 1501 NX")
        );
        let getex = |after| Text.getex::<String>("k", GetEx::Expire(Expiry::Ex(after)));
        assert_eq!(
            (getex(SECOND).as_str(), getex(PART).as_str()),
            ("GETEX k EX 1", "GETEX k PX 1501")
        );

        let hexpire = |after| Text.hexpire("k", after, ExpireIf::Always, ["f"]);
        assert_eq!(hexpire(SECOND), "HEXPIRE k 1 FIELDS 1 f");
        assert_eq!(hexpire(PART), "HPEXPIRE k 1501 FIELDS 1 f");
        let options = HSetExOptions::new().expiry(Expiry::Ex(PART));
        assert_eq!(Text.hsetex("k", options, [("f", "v")]), "HSETEX k PX 1501 FIELDS 1 f v");
        let change = GetEx::Expire(Expiry::Ex(SECOND));
        assert_eq!(Text.hgetex::<String>("k", change, ["f"]), "HGETEX k EX 1 FIELDS 1 f");

        let restore = |options| Text.restore("k", "d", options);
        assert_eq!(restore(RestoreOptions::new()), "RESTORE k 0 d");
        assert_eq!(restore(RestoreOptions::new().ttl(PART)), "RESTORE k 1501 d");
        assert_eq!(restore(RestoreOptions::new().ttl(Duration::ZERO)), "RESTORE k 1 d");
    }

    #[test]
    fn a_timeout_that_is_over_never_becomes_one_without_end() {
        let blpop = |timeout: Option<Duration>| Text.blpop::<String>(["k"], timeout);
        assert_eq!(blpop(None), "BLPOP k 0");
        assert_eq!(blpop(Some(Duration::ZERO)), "BLPOP k 0.001");
        assert_eq!(blpop(Some(Duration::from_nanos(1))), "BLPOP k 0.001");
        assert_eq!(blpop(Some(PART)), "BLPOP k 1.501");
        assert_eq!(blpop(Some(SECOND)), "BLPOP k 1");
        assert_eq!(blpop(Some(Duration::MAX)), "BLPOP k 18446744073709551.615");
        assert_eq!(Text.brpop::<String>(["k"], SECOND), "BRPOP k 1");
        let moved = Text.blmove::<String>("a", "b", End::Left, End::Right, None);
        assert_eq!(moved, "BLMOVE a b LEFT RIGHT 0");
        assert_eq!(Text.bzpopmin::<String>(["k"], PART), "BZPOPMIN k 1.501");
        assert_eq!(Text.bzpopmax::<String>(["k"], None), "BZPOPMAX k 0");

        let read = |timeout: Option<Duration>| {
            Text.xread::<String>(&XReadOptions::new().block(timeout), [("s", "$")])
        };
        assert_eq!(read(None), "XREAD BLOCK 0 STREAMS s $");
        assert_eq!(read(Some(Duration::ZERO)), "XREAD BLOCK 1 STREAMS s $");
        assert_eq!(read(Some(PART)), "XREAD BLOCK 1501 STREAMS s $");
        assert_eq!(Text.wait(1, None), "WAIT 1 0");
        assert_eq!(Text.wait(1, Duration::ZERO), "WAIT 1 1");
        assert_eq!(Text.wait(1, PART), "WAIT 1 1501");
    }

    #[test]
    fn the_idle_time_of_entries_is_in_milliseconds() {
        let options = XClaimOptions::new().idle(SECOND);
        let claim = Text.xclaim::<String>("s", "g", "c", PART, ["1-0"], options);
        assert_eq!(claim, "XCLAIM s g c 1501 1-0 IDLE 1000");
        let claim = Text.xautoclaim_justid("s", "g", "c", Duration::ZERO, "0", None);
        assert_eq!(claim, "XAUTOCLAIM s g c 0 0 JUSTID");
    }

    #[test]
    fn the_deadline_reads_the_timeouts_that_are_written() {
        for timeout in [None, Some(Duration::ZERO), Some(PART), Some(SECOND), Some(Duration::MAX)] {
            let command = Command::new("BLPOP").arg("k").arg(TimeoutSeconds(timeout));
            let expected = match timeout {
                None => Duration::MAX,
                Some(timeout) => Duration::from_millis(millis(timeout).max(1)),
            };
            assert_eq!(command.blocks_for(), Some(expected), "{timeout:?}");
        }
    }
}
