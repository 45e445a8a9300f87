//! Injected faults, to test how clients handle them.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed before the command is carried out.
    DropBefore,
    /// The command is carried out, then the connection is closed without an answer.
    DropAfter,
    /// The command is carried out late.
    Delay(Duration),
    /// The command is carried out at once and answered late.
    DelayReply(Duration),
    /// The command is refused with status 429 and this `Retry-After` in whole seconds.
    Throttle(Duration),
    /// The answer is an HTML page with status 502. The command is not carried out.
    BadGateway,
    /// The command is carried out, and its answer is cut in the middle.
    Truncate,
    /// The command is carried out, and its answer pauses in the middle for this long.
    SlowBody(Duration),
    /// A lagging replica answers, regardless of the request's sync token.
    StaleReplica,
    /// A stream of events is closed after its first event.
    CloseStream,
}

/// `drop-before`, `delay=200ms`, …, as the command line takes them.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let time = || parse_duration(value).ok_or(format!("{name} needs a time, as {name}=200ms"));
        Ok(match name {
            "drop-before" => Self::DropBefore,
            "drop-after" => Self::DropAfter,
            "delay" => Self::Delay(time()?),
            "delay-reply" => Self::DelayReply(time()?),
            "throttle" => Self::Throttle(time()?),
            "bad-gateway" => Self::BadGateway,
            "truncate" => Self::Truncate,
            "slow-body" => Self::SlowBody(time()?),
            "stale-replica" => Self::StaleReplica,
            "close-stream" => Self::CloseStream,
            _ => return Err(format!("there is no fault named {name:?}")),
        })
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Some(Duration::from_millis(millis.parse().ok()?));
    }
    Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?))
}

/// The faults of the next requests in order, then random faults at given rates. The random numbers come from a seed, so that a
/// run can be repeated.
///
/// ```
/// use edgecask_server::{Fault, FaultPlan};
///
/// let plan = FaultPlan::seeded(7).rate(Fault::DropBefore, 0.1).rate(Fault::DropAfter, 0.1);
/// plan.next(Fault::BadGateway); // the very next request
/// ```
pub struct FaultPlan {
    rates: Vec<(Fault, f64)>,
    state: Mutex<State>,
}

struct State {
    next: VecDeque<Fault>,
    random: fastrand::Rng,
}

impl FaultPlan {
    /// No faults, and this seed for random ones.
    pub fn seeded(seed: u64) -> Self {
        let state = State { next: VecDeque::new(), random: fastrand::Rng::with_seed(seed) };
        Self { rates: Vec::new(), state: Mutex::new(state) }
    }

    /// Adds a random fault for this share of all requests, from 0 to 1.
    #[must_use]
    pub fn rate(mut self, fault: Fault, rate: f64) -> Self {
        self.rates.push((fault, rate));
        self
    }

    /// Adds a fault for the next request, after the faults that were added before.
    pub fn next(&self, fault: Fault) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next.push_back(fault);
    }

    /// How many faults that [`FaultPlan::next`] added have not happened yet.
    pub fn pending(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next.len()
    }

    pub(crate) fn draw(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = state.next.pop_front() {
            return Some(fault);
        }
        let mut left = if self.rates.is_empty() { return None } else { state.random.f64() };
        self.rates.iter().find_map(|(fault, rate)| {
            left -= rate;
            (left < 0.0).then_some(*fault)
        })
    }
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultPlan").field("rates", &self.rates).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_in_turn_then_at_random_and_can_be_repeated() {
        let plan =
            || FaultPlan::seeded(3).rate(Fault::DropBefore, 0.25).rate(Fault::DropAfter, 0.25);
        let (one, other) = (plan(), plan());
        one.next(Fault::BadGateway);
        assert_eq!(one.draw(), Some(Fault::BadGateway));
        let drawn: Vec<_> = (0..1000).map(|_| one.draw()).collect();
        assert_eq!(drawn, (0..1000).map(|_| other.draw()).collect::<Vec<_>>());
        let before = drawn.iter().filter(|fault| **fault == Some(Fault::DropBefore)).count();
        assert!((150..350).contains(&before), "{before}");
    }

    #[test]
    fn faults_are_read_from_text() {
        assert_eq!("drop-after".parse(), Ok(Fault::DropAfter));
        assert_eq!("delay=20ms".parse(), Ok(Fault::Delay(Duration::from_millis(20))));
        assert_eq!("throttle=2s".parse(), Ok(Fault::Throttle(Duration::from_secs(2))));
        assert!("delay".parse::<Fault>().is_err());
        assert!("explode".parse::<Fault>().is_err());
    }
}
