//! The options of the commands on sorted sets.

use crate::command::{Arguments, Command, ToArg};

/// The options of ZADD. By default new members are added, and the scores of existing ones are changed.
///
/// ```
/// use edgecask::command::sorted_sets::ZAddOptions;
///
/// let only_raise = ZAddOptions::new().gt().ch();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZAddOptions {
    exists: Option<&'static str>,
    compare: Option<&'static str>,
    changed: bool,
}

impl ZAddOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only adds new members.
    #[must_use]
    pub fn nx(mut self) -> Self {
        self.exists = Some("NX");
        self
    }

    /// Only changes existing members.
    #[must_use]
    pub fn xx(mut self) -> Self {
        self.exists = Some("XX");
        self
    }

    /// Changes a score only if the new one is greater.
    #[must_use]
    pub fn gt(mut self) -> Self {
        self.compare = Some("GT");
        self
    }

    /// Changes a score only if the new one is less.
    #[must_use]
    pub fn lt(mut self) -> Self {
        self.compare = Some("LT");
        self
    }

    /// Counts changed members too, not only new ones.
    #[must_use]
    pub fn ch(mut self) -> Self {
        self.changed = true;
        self
    }

    pub(in crate::command) fn append(self, command: Command) -> Command {
        [self.exists, self.compare, self.changed.then_some("CH")]
            .into_iter()
            .flatten()
            .fold(command, Command::arg)
    }
}

/// How the scores of a member that is in several sets are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Aggregate {
    /// Added.
    #[default]
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// The sets that ZUNION, ZINTER and ZDIFF work on. By default every weight is 1 and scores are added.
///
/// ```
/// use edgecask::command::sorted_sets::{Aggregate, ZSources};
///
/// let sources = ZSources::weighted([("today", 2.0), ("yesterday", 1.0)]).aggregate(Aggregate::Max);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ZSources {
    keys: Arguments,
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
}

impl ZSources {
    /// These keys, each with weight 1.
    pub fn new(keys: impl IntoIterator<Item = impl ToArg>) -> Self {
        Self { keys: Arguments::new(keys), weights: None, aggregate: Aggregate::Sum }
    }

    /// These keys, whose scores are multiplied with their weights. Not for ZDIFF.
    pub fn weighted(keys: impl IntoIterator<Item = (impl ToArg, f64)>) -> Self {
        let (keys, weights): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        Self { weights: Some(weights), ..Self::new(keys) }
    }

    /// How scores are combined. Not for ZDIFF.
    #[must_use]
    pub fn aggregate(mut self, aggregate: Aggregate) -> Self {
        self.aggregate = aggregate;
        self
    }

    pub(super) fn append(&self, command: Command) -> Command {
        let mut command = command.arg(self.keys.len()).args_from(self.keys.iter());
        if let Some(weights) = &self.weights {
            command = command.arg("WEIGHTS").args_from(weights);
        }
        match self.aggregate {
            Aggregate::Sum => command,
            Aggregate::Min => command.arg("AGGREGATE").arg("MIN"),
            Aggregate::Max => command.arg("AGGREGATE").arg("MAX"),
        }
    }
}

/// An end of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extreme {
    /// The lowest score.
    Min,
    /// The highest score.
    Max,
}
