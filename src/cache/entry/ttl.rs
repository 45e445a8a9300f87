use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// How long an entry lives. Made from a [`Duration`], or by name.
///
/// ```
/// use edgecask::cache::Ttl;
/// use std::time::Duration;
///
/// assert_eq!(Ttl::seconds(300), Ttl::from(Duration::from_secs(300)));
/// let config = Ttl::FOREVER; // until somebody deletes it
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ttl(Option<Duration>);

impl Ttl {
    /// The entry never expires. It stays until it is deleted.
    pub const FOREVER: Self = Self(None);

    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Some(Duration::from_secs(seconds)))
    }

    /// The value of the variable `CACHE_TTL_{name}_SECONDS`, or `default` if it is not set. `lookup` reads a variable, such
    /// as `std::env::var` or a Worker's bindings.
    ///
    /// ```
    /// use edgecask::cache::Ttl;
    ///
    /// let ttl = Ttl::from_variables("PROFILE", Ttl::seconds(300), |name| std::env::var(name).ok())?;
    /// assert_eq!(ttl, Ttl::seconds(300));
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the variable is not a whole number of seconds above 0.
    pub fn from_variables(
        name: &str,
        default: Self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let variable = format!("CACHE_TTL_{name}_SECONDS");
        let Some(text) = lookup(&variable).filter(|text| !text.trim().is_empty()) else {
            return Ok(default);
        };
        match text.trim().parse() {
            Ok(seconds @ 1..) => Ok(Self::seconds(seconds)),
            _ => Err(Error::new(
                ErrorKind::Config,
                format!("{variable} must be a whole number of seconds above 0"),
            )),
        }
    }

    /// The duration, or `None` for [`Ttl::FOREVER`].
    pub fn duration(&self) -> Option<Duration> {
        self.0
    }

    /// The lifetime in milliseconds, at least 1; 0 stands for [`Ttl::FOREVER`].
    pub(crate) fn millis(self) -> Result<u64> {
        match self.0 {
            None => Ok(0),
            Some(Duration::ZERO) => Err(Error::new(
                ErrorKind::InvalidInput,
                "a time to live of zero stores nothing: delete the entry, or use Ttl::FOREVER",
            )),
            // Redis counts in i64 milliseconds from the epoch; ten thousand years are enough.
            Some(duration) => Ok((duration.as_millis().clamp(1, 315_360_000_000_000)) as u64),
        }
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self(Some(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_one_that_redis_takes() {
        assert_eq!(Ttl::seconds(300).millis().ok(), Some(300_000));
        let short = Ttl::from(Duration::from_nanos(1));
        assert_eq!(short.millis().ok(), Some(1));
        assert!(Ttl::from(Duration::MAX).millis().is_ok_and(|millis| millis < i64::MAX as u64));
        assert!(Ttl::seconds(0).millis().is_err());
        let of = |text: &str| Ttl::from_variables("X", Ttl::seconds(7), |_| Some(text.to_owned()));
        assert_eq!((of("60").ok(), of(" ").ok()), (Some(Ttl::seconds(60)), Some(Ttl::seconds(7))));
        assert!(of("0").is_err() && of("5m").is_err() && of("-1").is_err());
        assert_eq!(Ttl::FOREVER.millis().ok(), Some(0));
    }
}
