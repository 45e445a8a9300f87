//! The request of a caller.

use std::fmt;

use smallvec::SmallVec;

use super::policy::LARGEST_LIMIT;
use crate::{Error, ErrorKind, Result};

/// The most bytes of an identifier, a part, or a value that is looked up on the deny list.
const LONGEST: usize = 1024;

/// The most values of a request that are looked up on the deny list.
const MOST_VALUES: usize = 16;

/// A call to be counted: whose it is, and what it costs. A `&str` is a request of that identifier with a cost of 1.
///
/// ```
/// use edgecask::limit::Request;
///
/// let request = Request::new("user_789").cost(5).part("provider", "openai").also_denied(["203.0.113.7"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub(super) identifier: &'a str,
    pub(super) cost: u64,
    pub(super) id: Option<&'a str>,
    pub(super) parts: SmallVec<[(&'a str, &'a str); 2]>,
    pub(super) values: SmallVec<[&'a str; 2]>,
}

impl<'a> Request<'a> {
    /// A call of this identifier with a cost of 1. An identifier has 1 to 1024 bytes.
    pub fn new(identifier: &'a str) -> Self {
        let (parts, values) = (SmallVec::new(), SmallVec::new());
        Self { identifier, cost: 1, id: None, parts, values }
    }

    /// The cost of the call, at most a billion. Concurrency has no cost.
    #[must_use]
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// The identity of this call. Once it is admitted, further requests with it are answered as it was and count nothing, for as
    /// long as [`remember_for`](super::RateLimiterBuilder::remember_for) says. A refusal is not remembered: the call may be
    /// tried again. The server is always asked.
    #[must_use]
    pub fn id(mut self, id: &'a str) -> Self {
        self.id = Some(id);
        self
    }

    /// A part for the policies that count [by it](super::Policy::per).
    #[must_use]
    pub fn part(mut self, name: &'a str, value: &'a str) -> Self {
        self.parts.push((name, value));
        self
    }

    /// Values that are looked up on the [deny list](super::RateLimiterBuilder::deny_list) beside the identifier: an address, a
    /// user agent, a country. At most 16 in all.
    #[must_use]
    pub fn also_denied(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.values.extend(values);
        self
    }

    pub(super) fn get(&self, part: &str) -> Option<&'a str> {
        self.parts.iter().find(|(name, _)| *name == part).map(|&(_, value)| value)
    }

    /// The values to look up.
    pub(super) fn denied_by(&self) -> impl Iterator<Item = &'a str> + '_ {
        std::iter::once(self.identifier).chain(self.values.iter().copied())
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |text: &'static str| Err(Error::new(ErrorKind::InvalidInput, text));
        let texts = self.parts.iter().map(|&(_, value)| value);
        let texts = texts.chain(self.denied_by()).chain(self.id);
        if texts.into_iter().any(|text| !(1..=LONGEST).contains(&text.len())) {
            return wrong("an identifier, part or value of a rate limit must have 1 to 1024 bytes");
        }
        if self.values.len() >= MOST_VALUES {
            return wrong("at most 16 values of a request are looked up on the deny list");
        }
        if self.cost > LARGEST_LIMIT {
            return wrong("a call costs at most a billion");
        }
        Ok(())
    }
}

/// Without its texts, which may be secrets or addresses.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl<'a> From<&'a str> for Request<'a> {
    fn from(identifier: &'a str) -> Self {
        Self::new(identifier)
    }
}

impl<'a> From<&'a String> for Request<'a> {
    fn from(identifier: &'a String) -> Self {
        Self::new(identifier)
    }
}
