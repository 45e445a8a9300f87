//! How long a task waits after a failure.

use std::time::Duration;

use crate::platform;

/// The pause between a failure of a task and its next attempt.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::queue::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(60)).jitter(0.0);
/// assert_eq!(backoff.after(1), Duration::from_secs(1));
/// assert_eq!(backoff.after(4), Duration::from_secs(8));
/// assert_eq!(backoff.after(1000), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    doubles: bool,
    jitter: f64,
}

impl Backoff {
    /// The same pause after each failure.
    pub fn fixed(pause: Duration) -> Self {
        Self { first: pause, most: pause, doubles: false, jitter: 0.0 }
    }

    /// A pause that doubles with each failure, from `first` to `most`, with a [jitter](Self::jitter) of 0.2.
    pub fn exponential(first: Duration, most: Duration) -> Self {
        Self { first, most, doubles: true, jitter: 0.2 }
    }

    /// The random part of a pause, from 0 to 1. With 0.2, a pause of 10 seconds becomes one of 8 to 10 seconds.
    #[must_use]
    pub fn jitter(self, part: f64) -> Self {
        Self { jitter: part.clamp(0.0, 1.0), ..self }
    }

    /// The pause after this number of failures, with jitter.
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = if self.doubles { failures.saturating_sub(1) } else { 0 };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let pause = self.first.checked_mul(factor).unwrap_or(self.most).min(self.most);
        // Bounded, so that `mul_f64` does not overflow.
        let pause = pause.min(Duration::from_millis(1 << 50));
        match self.jitter > 0.0 {
            // The product of floats is rounded, and may be longer.
            true => pause.mul_f64(1.0 - self.jitter * platform::random_fraction()).min(pause),
            false => pause,
        }
    }
}

impl Default for Backoff {
    /// [Exponential](Backoff::exponential), from one second to five minutes.
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1), Duration::from_secs(300))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stays_within_its_bounds() {
        let backoff = Backoff::default();
        for failures in [0, 1, 2, 9, 31, 32, u32::MAX] {
            let pause = backoff.after(failures);
            assert!((Duration::from_millis(800)..=Duration::from_secs(300)).contains(&pause));
        }
        for jitter in [7.0, 1e-300, 0.0, -1.0, f64::NAN] {
            let fixed = Backoff::fixed(Duration::MAX).jitter(jitter);
            assert!(fixed.after(9) <= Duration::from_millis(1 << 50), "{jitter}");
        }
    }
}
