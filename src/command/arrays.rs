//! Upstash's arrays: sparse sequences whose elements are found by index.

use std::collections::BTreeMap;

use super::{Arguments, Command, Execute, ToArg};
use crate::{FromValue, Value};

/// The predicates of ARGREP. It returns the elements that match any of them.
///
/// ```
/// use edgecask::command::arrays::ArGrep;
///
/// let errors = ArGrep::new().glob("error:*").exact("fatal").nocase().limit(100);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArGrep {
    predicates: Arguments,
    all: bool,
    nocase: bool,
    limit: Option<u64>,
}

impl ArGrep {
    /// Without predicates. At least one has to be added.
    pub fn new() -> Self {
        Self::default()
    }

    fn predicate(mut self, word: &str, value: impl ToArg) -> Self {
        word.write_to(&mut self.predicates);
        value.write_to(&mut self.predicates);
        self
    }

    /// Elements that equal this.
    #[must_use]
    pub fn exact(self, value: impl ToArg) -> Self {
        self.predicate("EXACT", value)
    }

    /// Elements that contain this.
    #[must_use]
    pub fn matching(self, text: impl ToArg) -> Self {
        self.predicate("MATCH", text)
    }

    /// Elements that match this glob.
    #[must_use]
    pub fn glob(self, pattern: impl ToArg) -> Self {
        self.predicate("GLOB", pattern)
    }

    /// Elements that match this regular expression.
    #[must_use]
    pub fn regex(self, pattern: impl ToArg) -> Self {
        self.predicate("RE", pattern)
    }

    /// Elements must match all predicates (`AND`). Default: any (`OR`).
    #[must_use]
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Ignores case.
    #[must_use]
    pub fn nocase(mut self) -> Self {
        self.nocase = true;
        self
    }

    /// At most this many elements.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    fn append(&self, command: Command, with_values: bool) -> Command {
        command
            .args_from(self.predicates.iter())
            .arg_if(self.all, "AND")
            .arg_if(self.nocase, "NOCASE")
            .arg_if(with_values, "WITHVALUES")
            .option("LIMIT", self.limit)
    }
}

/// The operation of AROP on a range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArOperation {
    /// The sum of numbers.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The bitwise AND.
    And,
    /// The bitwise OR.
    Or,
    /// The bitwise XOR.
    Xor,
    /// The number of elements.
    Used,
    /// The number of elements that equal this.
    Match(String),
}

/// The commands on arrays, which only Upstash has. Indexes are `u64`. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::prelude::*;
///
/// # async fn readings(client: Client) -> edgecask::Result<()> {
/// client.arset("readings", 7, ["20.5", "21.0"]).await?;
/// let reading: Option<f64> = client.arget("readings", 8).await?;
/// assert_eq!(reading, Some(21.0));
/// # Ok(())
/// # }
/// ```
pub trait ArrayCommands: Execute {
    /// The number of elements. Upstash ARCOUNT.
    #[doc(alias = "ARCOUNT")]
    fn arcount(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("ARCOUNT").arg(key))
    }

    /// Deletes elements, and returns how many were there. Upstash ARDEL.
    #[doc(alias = "ARDEL")]
    fn ardel(&self, key: impl ToArg, indexes: impl IntoIterator<Item = u64>) -> Self::Reply<u64> {
        self.execute(Command::new("ARDEL").arg(key).args_from(indexes))
    }

    /// Deletes ranges, both ends included, and returns how many elements were there. Upstash ARDELRANGE.
    #[doc(alias = "ARDELRANGE")]
    fn ardelrange(
        &self,
        key: impl ToArg,
        ranges: impl IntoIterator<Item = (u64, u64)>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ARDELRANGE").arg(key).pairs_from(ranges))
    }

    /// An element. Upstash ARGET.
    #[doc(alias = "ARGET")]
    fn arget<R: FromValue>(&self, key: impl ToArg, index: u64) -> Self::Reply<Option<R>> {
        self.execute(Command::new("ARGET").arg(key).arg(index))
    }

    /// The elements of a range, both ends included, with `None` for gaps. Upstash ARGETRANGE.
    #[doc(alias = "ARGETRANGE")]
    fn argetrange<R: FromValue>(
        &self,
        key: impl ToArg,
        start: u64,
        end: u64,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("ARGETRANGE").arg(key).arg(start).arg(end))
    }

    /// The indexes of the elements of a range that match. Upstash ARGREP.
    #[doc(alias = "ARGREP")]
    fn argrep(
        &self,
        key: impl ToArg,
        start: u64,
        end: u64,
        grep: &ArGrep,
    ) -> Self::Reply<Vec<u64>> {
        let command = Command::new("ARGREP").arg(key).arg(start).arg(end);
        self.execute(grep.append(command, false))
    }

    /// As [`ArrayCommands::argrep`], with the elements. Upstash ARGREP with `WITHVALUES`.
    #[doc(alias = "ARGREP")]
    fn argrep_withvalues<R: FromValue>(
        &self,
        key: impl ToArg,
        start: u64,
        end: u64,
        grep: &ArGrep,
    ) -> Self::Reply<Vec<(u64, R)>> {
        let command = Command::new("ARGREP").arg(key).arg(start).arg(end);
        self.execute(grep.append(command, true))
    }

    /// Statistics of an array, by name. Upstash ARINFO.
    #[doc(alias = "ARINFO")]
    fn arinfo(&self, key: impl ToArg, full: bool) -> Self::Reply<BTreeMap<String, Value>> {
        self.execute(Command::new("ARINFO").arg(key).arg_if(full, "FULL"))
    }

    /// Appends elements at the insertion index, and returns the last index. Upstash ARINSERT.
    #[doc(alias = "ARINSERT")]
    fn arinsert(
        &self,
        key: impl ToArg,
        values: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ARINSERT").arg(key).args_from(values))
    }

    /// The last elements that were inserted; with `rev`, the newest first. Upstash ARLASTITEMS.
    #[doc(alias = "ARLASTITEMS")]
    fn arlastitems<R: FromValue>(
        &self,
        key: impl ToArg,
        count: u64,
        rev: bool,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("ARLASTITEMS").arg(key).arg(count).arg_if(rev, "REV"))
    }

    /// One more than the greatest index. Upstash ARLEN.
    #[doc(alias = "ARLEN")]
    fn arlen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("ARLEN").arg(key))
    }

    /// The elements at these indexes, in the same order. Upstash ARMGET.
    #[doc(alias = "ARMGET")]
    fn armget<R: FromValue>(
        &self,
        key: impl ToArg,
        indexes: impl IntoIterator<Item = u64>,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("ARMGET").arg(key).args_from(indexes))
    }

    /// Sets elements, and returns how many are new. Upstash ARMSET.
    #[doc(alias = "ARMSET")]
    fn armset(
        &self,
        key: impl ToArg,
        elements: impl IntoIterator<Item = (u64, impl ToArg)>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ARMSET").arg(key).pairs_from(elements))
    }

    /// The insertion index: where ARINSERT continues. Upstash ARNEXT.
    #[doc(alias = "ARNEXT")]
    fn arnext(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("ARNEXT").arg(key))
    }

    /// The result of an operation on a range, both ends included; `None` if the range has no element that the operation can
    /// use. Upstash AROP.
    #[doc(alias = "AROP")]
    fn arop<R: FromValue>(
        &self,
        key: impl ToArg,
        start: u64,
        end: u64,
        operation: &ArOperation,
    ) -> Self::Reply<Option<R>> {
        let command = Command::new("AROP").arg(key).arg(start).arg(end);
        self.execute(match operation {
            ArOperation::Sum => command.arg("SUM"),
            ArOperation::Min => command.arg("MIN"),
            ArOperation::Max => command.arg("MAX"),
            ArOperation::And => command.arg("AND"),
            ArOperation::Or => command.arg("OR"),
            ArOperation::Xor => command.arg("XOR"),
            ArOperation::Used => command.arg("USED"),
            ArOperation::Match(text) => command.arg("MATCH").arg(text),
        })
    }

    /// Adds elements to a ring of this size, where they replace the oldest ones, and returns the last index. Upstash
    /// ARRING.
    #[doc(alias = "ARRING")]
    fn arring(
        &self,
        key: impl ToArg,
        size: u64,
        values: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ARRING").arg(key).arg(size).args_from(values))
    }

    /// The existing elements of a range with their indexes, at most this many. Upstash ARSCAN.
    #[doc(alias = "ARSCAN")]
    fn arscan<R: FromValue>(
        &self,
        key: impl ToArg,
        start: u64,
        end: u64,
        limit: Option<u64>,
    ) -> Self::Reply<Vec<(u64, R)>> {
        let command = Command::new("ARSCAN").arg(key).arg(start).arg(end);
        self.execute(command.option("LIMIT", limit))
    }

    /// Sets the insertion index, where ARINSERT continues; `false` if the key is absent. Upstash ARSEEK.
    #[doc(alias = "ARSEEK")]
    fn arseek(&self, key: impl ToArg, index: u64) -> Self::Reply<bool> {
        self.execute(Command::new("ARSEEK").arg(key).arg(index))
    }

    /// Sets elements from an index on, and returns how many are new. Upstash ARSET.
    #[doc(alias = "ARSET")]
    fn arset(
        &self,
        key: impl ToArg,
        index: u64,
        values: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ARSET").arg(key).arg(index).args_from(values))
    }
}

impl<E: Execute + ?Sized> ArrayCommands for E {}
