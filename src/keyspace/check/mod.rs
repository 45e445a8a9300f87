//! Checks a live Redis against the declared keyspaces.
//!
//! [`SchemaCheck`] visits all keys by SCAN and reports where they differ from the declarations: undeclared keys, wrong
//! types, a missing or too long time to live, records that do not decode, values that are too large, keys that change
//! together and are in different slots of a cluster, and a `maxmemory-policy` that evicts keys that must not be lost. It
//! only reads.
//!
//! ```
//! use edgecask::{Client, keyspace::check::{FaultKind, SchemaCheck}, prelude::*};
//!
//! edgecask::keyspaces! {
//!     /// The keys of the shop.
//!     pub mod shop, owner: "shop" {
//!         /// What is on sale.
//!         offers(day: u8) => Json<Vec<String>>, "shop:offers:{day}", ttl: 1 day;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! shop::offers(1)?.set(&client, &vec!["tea".to_owned()]).await?;
//! client.set("shop:offers:2", "[1]").await?;
//!
//! let report = SchemaCheck::new(shop::DECLARATIONS)?.run(&client).await?;
//! assert_eq!(report.faults[&FaultKind::NoTtl], 1);
//! assert_eq!(report.faults[&FaultKind::Undecodable], 1);
//! assert!(report.to_string().contains("'shop:offers:2': the field '[0]' does not decode: expected a string"));
//! assert_eq!(report.exit_status(), 1);
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

mod fault;
mod judge;
mod look;
mod patterns;
mod policy;
mod report;
mod rules;
mod scan;

use std::ops::ControlFlow;
use std::time::Duration;

use self::look::{Content, Limits};
use self::patterns::Patterns;
use self::policy::Policy;
use self::rules::Rules;
use super::{Declaration, KeyTtl, Stored};
use crate::command::Script;
use crate::command::server::ServerCommands;
use crate::{Client, Error, ErrorKind, Keyspace, Pattern, Result};

pub use self::fault::{Fault, FaultKind, Finding};
pub use self::report::{Report, Warning};
pub use self::scan::Position;

/// The scripts of the check.
pub(crate) fn scripts() -> [&'static Script; 1] {
    [&look::LOOK]
}

/// A check of a Redis against declared keyspaces.
///
/// **Cost.** One SCAN for each [page](Self::page) of keys, and one command for each declared key: a read-only script, which
/// reads the time to live, the type, the size and the value at the same moment. A key with a fault, and a value of more
/// than a few kilobytes, take a second one. An undeclared key takes none. If the server refuses the script, as it does for
/// a user without `+@scripting`, a string takes two read commands, and another type three. [`estimate`](Self::estimate)
/// estimates the cost.
///
/// **Memory.** It holds a page of keys, values of 4 MB in total or a single value of [`max_bytes`](Self::max_bytes), and
/// the findings.
///
/// **Other clients.** They may write while it runs. A key with a fault is read twice, and reported only if it has a fault
/// the second time too.
#[derive(Debug, Clone)]
pub struct SchemaCheck(Rules);

impl SchemaCheck {
    /// A check against these declarations. Chain the declarations of several modules.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if two declarations can name the same key. The error names both.
    pub fn new<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> Result<Self> {
        let patterns = Patterns::new(declarations.into_iter().copied().collect())?;
        let stays = |at: &usize| patterns.declarations[*at].ttl == KeyTtl::Forever;
        let durable = (0..patterns.declarations.len()).filter(stays).collect();
        Ok(Self(Rules {
            patterns,
            excepted: Vec::new(),
            matching: None,
            durable,
            together: Vec::new(),
            allowed: Limits { elements: 10_000, bytes: 1 << 20 },
            max_findings: 1000,
            page: 500,
        }))
    }

    /// Excludes a keyspace, such as that of another program.
    #[must_use]
    pub fn except(mut self, keyspace: Keyspace) -> Self {
        self.0.excepted.push(keyspace);
        self
    }

    /// Checks only keys that match this glob. The server still scans the others.
    #[must_use]
    pub fn matching(mut self, pattern: Pattern) -> Self {
        self.0.matching = Some(pattern);
        self
    }

    /// Adds the declarations with these patterns, such as those of locks and queues, to the ones whose keys must not be
    /// evicted. Declarations without expiry are included by default.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such declaration.
    pub fn durable<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        for pattern in patterns {
            let declaration = self.0.patterns.named(pattern)?;
            if !self.0.durable.contains(&declaration) {
                self.0.durable.push(declaration);
            }
        }
        Ok(self)
    }

    /// Declares that keys of these patterns with the same identifiers change in one transaction. For each key of the first
    /// pattern, the check reports the keys of the other patterns that are in another slot of a cluster, where the
    /// transaction would fail.
    ///
    /// ```
    /// # use edgecask::keyspace::check::SchemaCheck;
    /// # edgecask::keyspaces! { mod inbox, owner: "inbox" {
    /// #     messages(user: &str) => Json<Vec<String>>, "inbox:{user}", forever;
    /// #     unread(user: &str) => Json<u64>, "inbox:{user}:unread", forever;
    /// # } }
    /// # fn main() -> edgecask::Result<()> {
    /// let check = SchemaCheck::new(inbox::DECLARATIONS)?.together(["inbox:{user}", "inbox:{user}:unread"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such declaration, or the first pattern does not have all identifiers of the
    /// others.
    pub fn together<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let group: Vec<usize> = patterns
            .into_iter()
            .map(|pattern| self.0.patterns.named(pattern))
            .collect::<Result<_>>()?;
        if let Some((first, others)) = group.split_first()
            && let Some(other) =
                others.iter().find(|other| !self.0.patterns.follows(**other, *first))
        {
            let pattern = |at: usize| self.0.patterns.declarations[at].pattern;
            let text = format!(
                "'{}' does not have all identifiers of '{}'",
                pattern(*first),
                pattern(*other)
            );
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        self.0.together.push(group);
        Ok(self)
    }

    /// The most bytes of a value: the length of a string, or the memory of another value on the server. Default: 1 MB. A
    /// larger value is reported and not read.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.0.allowed.bytes = bytes;
        self
    }

    /// The most elements of a list, a set, a sorted set or a hash. Default: 10 000. A value with more is reported and not
    /// read.
    #[must_use]
    pub fn max_elements(mut self, elements: u64) -> Self {
        self.0.allowed.elements = elements;
        self
    }

    /// The most findings in the report. Further faults are only counted. Default: 1000.
    #[must_use]
    pub fn max_findings(mut self, findings: usize) -> Self {
        self.0.max_findings = findings;
        self
    }

    /// How many keys one SCAN visits, and how many are read in one round trip. From 1 to 10 000; default: 500.
    #[must_use]
    pub fn page(mut self, keys: u32) -> Self {
        self.0.page = keys.clamp(1, 10_000);
        self
    }

    /// Estimates the cost of the check from the first page of keys. It takes the commands of one page, and a DBSIZE.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn estimate(&self, client: &Client) -> Result<Estimate> {
        let keys = client.dbsize().await?;
        let found = scan::page(&self.0, client, &Position::default()).await?;
        let pages = keys as f64 / f64::from(self.0.page).max(found.scanned as f64);
        let of_all = |of_page: u64| (of_page as f64 * pages.max(1.0)).ceil() as u64;
        Ok(Estimate { keys, commands: of_all(found.commands), bytes: of_all(found.bytes) })
    }

    /// Checks all keys.
    ///
    /// # Errors
    /// Those of the client. To continue after an error, use [`SchemaCheck::run_from`].
    pub async fn run(&self, client: &Client) -> Result<Report> {
        let mut position = Position::default();
        self.run_from(client, &mut position, |_| ControlFlow::Continue(())).await?;
        Ok(position.into_report())
    }

    /// Checks the keys from a position on. `progress` is called after each page, and can stop the check there. The position
    /// is always that of the last complete page, even after an error or when this future was dropped.
    ///
    /// ```
    /// use edgecask::{Client, keyspace::check::{Position, SchemaCheck}};
    /// use std::ops::ControlFlow;
    ///
    /// # edgecask::keyspaces! { mod shop, owner: "shop" { offers() => Json<Vec<String>>, "shop:offers", forever; } }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let client = Client::memory();
    /// # let stored = "{}";
    /// let check = SchemaCheck::new(shop::DECLARATIONS)?;
    /// let mut position: Position = serde_json::from_str(stored).unwrap_or_default();
    /// let checked = check.run_from(&client, &mut position, |position| {
    ///     println!("{} of {} keys", position.report().keys, position.total().unwrap_or(0));
    ///     ControlFlow::Continue(())
    /// });
    /// let result = checked.await;
    /// let stored = serde_json::to_string(&position).unwrap_or_default(); // to go on later
    /// # result
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the client.
    pub async fn run_from(
        &self,
        client: &Client,
        position: &mut Position,
        mut progress: impl FnMut(&Position) -> ControlFlow<()>,
    ) -> Result<()> {
        while !self.step(client, position).await? {
            if progress(position).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Checks the next page; returns whether it was the last one. See [`run_from`](Self::run_from).
    ///
    /// # Errors
    /// Those of the client.
    pub async fn step(&self, client: &Client, position: &mut Position) -> Result<bool> {
        if position.total.is_none() {
            let total = client.dbsize().await?;
            let policy = Policy::of(client).await?;
            position.total = Some(total);
            let report = &mut position.report;
            report.commands += 1 + policy.commands;
            let durable = self.0.durable.iter().map(|at| &self.0.patterns.declarations[*at]);
            report.warnings.extend(policy.warning(durable));
            report.eviction = policy.name;
        }
        if !position.report.complete {
            scan::page(&self.0, client, position).await?.enter(&self.0, position);
        }
        Ok(position.report.complete)
    }

    /// Checks one key of a snapshot that another program reads.
    ///
    /// ```
    /// use edgecask::keyspace::{Stored, check::{Report, SchemaCheck}};
    ///
    /// # edgecask::keyspaces! { mod shop, owner: "shop" { offers() => Json<Vec<String>>, "shop:offers", forever; } }
    /// # fn main() -> edgecask::Result<()> {
    /// let check = SchemaCheck::new(shop::DECLARATIONS)?;
    /// let mut report = Report::default();
    /// check.entry(&mut report, b"shop:offers", None, Stored::String("[]".into()));
    /// report.complete = true;
    /// assert_eq!(report.exit_status(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn entry(&self, report: &mut Report, key: &[u8], ttl: Option<Duration>, stored: Stored) {
        if self.0.is_excepted(key) {
            return;
        }
        let text = std::str::from_utf8(key).ok();
        let found = text.and_then(|text| Some((self.0.patterns.find(text)?, text)));
        let Some((at, text)) = found else {
            report.count(None);
            return report.found(key, None, Fault::Undeclared, self.0.max_findings);
        };
        let declaration = &self.0.patterns.declarations[at];
        report.count(Some(declaration));
        let content = if stored.type_name() == declaration.redis_type.as_str() {
            let (elements, bytes) = (stored.len() as u64, stored.bytes() as u64);
            Content::Whole { stored, elements, bytes }
        } else {
            Content::OfType(stored.type_name().to_owned())
        };
        for fault in
            self.0.faults(at, ttl, &content).into_iter().chain(self.0.cross_slots(at, text))
        {
            report.found(key, Some(declaration), fault, self.0.max_findings);
        }
    }
}

/// The estimated cost of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimate {
    /// How many keys the server has.
    pub keys: u64,
    /// How many commands will be sent.
    pub commands: u64,
    /// How many bytes will be transferred, in both directions.
    pub bytes: u64,
}
