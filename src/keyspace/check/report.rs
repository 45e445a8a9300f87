//! The report of a check: a bounded number of findings, and exact counts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind, Finding, counted, shown};
use crate::keyspace::Declaration;

/// The report of a check.
///
/// `Display` is a text for people. For programs, `serde` writes it as JSON and reads it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How many keys were checked. A key may count twice if the server resizes its table of keys during the check.
    pub keys: u64,
    /// How many commands were sent.
    pub commands: u64,
    /// Whether the check visited all keys.
    pub complete: bool,
    /// How many faults of each kind there are.
    pub faults: BTreeMap<FaultKind, u64>,
    /// How many keys each declared pattern has.
    pub patterns: BTreeMap<String, u64>,
    /// The first faults that were found; see [`max_findings`](super::SchemaCheck::max_findings).
    pub findings: Vec<Finding>,
    /// Warnings about the server's settings.
    pub warnings: Vec<Warning>,
    /// The server's `maxmemory-policy`, if it reports it.
    pub eviction: Option<String>,
    #[serde(skip)]
    seen: Seen,
}

/// The keys and kinds of the findings, to detect duplicates.
#[derive(Debug, Clone, Default)]
struct Seen(HashSet<(String, FaultKind)>);

/// It is derived from the findings.
impl PartialEq for Seen {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Seen {}

impl Seen {
    fn insert(&mut self, finding: &Finding) -> bool {
        let mut key = finding.key.clone();
        if let Fault::CrossSlot { with } = &finding.fault {
            key.push('\n');
            key.push_str(with);
        }
        self.0.insert((key, finding.fault.kind()))
    }
}

impl Report {
    /// How many faults there are.
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }

    /// An exit status for a program: 0 without faults, 1 with faults, 2 if there are none so far and the check is not
    /// complete. A program that could not check at all should also exit with 2, as `diff` does. Warnings do not change the
    /// status.
    pub fn exit_status(&self) -> u8 {
        match (self.fault_count(), self.complete) {
            (0, true) => 0,
            (0, false) => 2,
            _ => 1,
        }
    }

    /// Counts a key of a declaration, or an undeclared key.
    pub(super) fn count(&mut self, declaration: Option<&Declaration>) {
        self.keys += 1;
        if let Some(declaration) = declaration {
            match self.patterns.get_mut(declaration.pattern) {
                Some(keys) => *keys += 1,
                None => {
                    self.patterns.insert(declaration.pattern.to_owned(), 1);
                }
            }
        }
    }

    /// Counts a fault, and keeps it if there is room.
    pub(super) fn found(
        &mut self,
        key: &[u8],
        declaration: Option<&Declaration>,
        fault: Fault,
        max_findings: usize,
    ) {
        if self.findings.len() < max_findings {
            let pattern = declaration.map(|declaration| declaration.pattern.to_owned());
            let finding = Finding { key: shown(key), pattern, fault };
            if self.seen.0.len() < self.findings.len() {
                // The report was read from JSON.
                for finding in &self.findings {
                    self.seen.insert(finding);
                }
            }
            // SCAN may return a key twice.
            if self.seen.insert(&finding) {
                *self.faults.entry(finding.fault.kind()).or_default() += 1;
                self.findings.push(finding);
            }
        } else {
            *self.faults.entry(fault.kind()).or_default() += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let unshown = self.fault_count().saturating_sub(self.findings.len() as u64);
        if unshown > 0 {
            writeln!(f, "… and {}", counted(unshown, "more fault"))?;
        }
        for (kind, count) in &self.faults {
            writeln!(f, "{} {}", counted(*count, "key"), kind.of(*count))?;
        }
        let end = if self.complete { "" } else { "; the check is not complete" };
        let faults = counted(self.fault_count(), "fault");
        let (keys, commands) = (counted(self.keys, "key"), counted(self.commands, "command"));
        write!(f, "{faults} in {keys}, by {commands}{end}")
    }
}

/// A setting of the server that may lose keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// When its memory is full, the server evicts keys of these patterns.
    Evicts {
        /// The server's `maxmemory-policy`.
        policy: String,
        /// The patterns of keys that must not be lost.
        patterns: Vec<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts { policy, patterns } => write!(
                f,
                "maxmemory-policy is {policy}: the server evicts keys that must not be lost: {}",
                patterns.join(", ")
            ),
        }
    }
}
