//! One page of a check: a SCAN, and reads of the keys that it returned.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::look::{self, Ask, By, Content, Limits, Look};
use super::report::Report;
use super::rules::Rules;
use crate::command::keys::Page;
use crate::command::{Command, Execute};
use crate::{Client, Result};

/// The most bytes of all values of one round trip, unless a single value has more.
const TRIP_BYTES: u64 = 4 << 20;
/// The overhead of an element, in bytes.
const ELEMENT_BYTES: u64 = 100;
/// A value with more elements is read in a second round trip.
const SMALL_ELEMENTS: u64 = 100;

/// The progress of a check, and its report so far.
///
/// It can be stored and read by `serde`, so that another process can continue. Its size is bounded by
/// [`max_findings`](super::SchemaCheck::max_findings).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    cursor: Option<String>,
    pub(super) total: Option<u64>,
    by: By,
    pub(super) report: Report,
}

impl Position {
    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was found so far.
    pub fn into_report(self) -> Report {
        self.report
    }

    /// How many keys the server had at the beginning, including those of other programs; `None` before the first step.
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

/// The findings of a page. They enter the report when the page is complete.
#[derive(Debug, Default)]
pub(super) struct Found {
    cursor: String,
    by: By,
    /// How many keys SCAN returned.
    pub(super) scanned: u64,
    pub(super) commands: u64,
    /// About how many bytes were transferred.
    pub(super) bytes: u64,
    /// The declarations of the keys that existed.
    declarations: Vec<Option<usize>>,
    faults: Vec<(Bytes, Option<usize>, Fault)>,
}

impl Found {
    pub(super) fn enter(self, check: &Rules, position: &mut Position) {
        let declaration = |at: Option<usize>| at.map(|at| &check.patterns.declarations[at]);
        let report = &mut position.report;
        report.commands += self.commands;
        for at in self.declarations {
            report.count(declaration(at));
        }
        for (key, at, fault) in self.faults {
            report.found(&key, declaration(at), fault, check.max_findings);
        }
        report.complete = self.cursor == "0";
        position.by = self.by;
        position.cursor = Some(self.cursor);
    }
}

/// A key to check, and what is known of it.
struct Candidate {
    key: Bytes,
    declaration: usize,
    limits: Limits,
}

impl Candidate {
    /// The estimated size of reading it.
    fn weight(&self, allowed: Limits) -> u64 {
        let Limits { elements, bytes } = self.limits;
        let is_read = elements <= allowed.elements && bytes <= allowed.bytes;
        if is_read { bytes.saturating_add(elements.saturating_mul(ELEMENT_BYTES)) } else { 0 }
    }
}

/// Checks the next page of keys.
pub(super) async fn page(check: &Rules, client: &Client, position: &Position) -> Result<Found> {
    let cursor = position.cursor.as_deref().unwrap_or("0");
    let command = Command::new("SCAN").arg(cursor);
    let command = command.option("MATCH", check.matching.as_ref().map(|pattern| pattern.as_str()));
    let reply = client.execute::<Page<Vec<Bytes>>>(command.arg("COUNT").arg(check.page));
    let Page { cursor, items, .. } = reply.await?;
    let mut found = Found {
        cursor: cursor.to_string(),
        by: position.by,
        scanned: items.len() as u64,
        commands: 1,
        ..Found::default()
    };
    let allowed = check.allowed;
    let small = Limits {
        elements: allowed.elements.min(SMALL_ELEMENTS),
        bytes: allowed.bytes.min(TRIP_BYTES / u64::from(check.page)),
    };
    let mut candidates = Vec::new();
    let mut seen = HashSet::new();
    for key in items {
        found.bytes += key.len() as u64 + 10;
        if !seen.insert(key.clone()) || check.is_excepted(&key) {
            continue;
        }
        match std::str::from_utf8(&key).ok().and_then(|key| check.patterns.find(key)) {
            Some(declaration) => candidates.push(Candidate { key, declaration, limits: small }),
            None => {
                found.declarations.push(None);
                found.faults.push((key, None, Fault::Undeclared));
            }
        }
    }

    let mut again = Vec::new();
    for part in candidates.chunks(check.page as usize) {
        for (candidate, look) in looked(check, client, part, &mut found).await? {
            found.declarations.push(Some(candidate.declaration));
            cross_slots(check, candidate, &mut found);
            let faults = check.faults(candidate.declaration, look.ttl, &look.content);
            let size = match look.content {
                Content::Size { elements, bytes } => Some(Limits { elements, bytes }),
                Content::OfType(_) | Content::Whole { .. } => None,
            };
            // Another program may be writing the key in several commands, so it is read again.
            if size.is_some() || !faults.is_empty() {
                let Candidate { key, declaration, .. } = candidate;
                let limits = size.map_or(small, |Limits { elements, bytes }| Limits {
                    elements: elements.saturating_add(elements / 4),
                    bytes: bytes.saturating_add(bytes / 4 + 1024),
                });
                again.push(Candidate { key: key.clone(), declaration: *declaration, limits });
            }
        }
    }

    let mut rest = again.as_slice();
    while !rest.is_empty() {
        let mut weight = 0_u64;
        let fits = |candidate: &&Candidate| {
            weight = weight.saturating_add(candidate.weight(allowed));
            weight <= TRIP_BYTES
        };
        let count = rest.iter().take_while(fits).count().clamp(1, check.page as usize);
        let (part, others) = rest.split_at(count);
        rest = others;
        for (candidate, look) in looked(check, client, part, &mut found).await? {
            for fault in check.faults(candidate.declaration, look.ttl, &look.content) {
                found.faults.push((candidate.key.clone(), Some(candidate.declaration), fault));
            }
        }
    }
    Ok(found)
}

/// Reads keys; returns those that exist.
async fn looked<'a>(
    check: &Rules,
    client: &Client,
    candidates: &'a [Candidate],
    found: &mut Found,
) -> Result<Vec<(&'a Candidate, Look)>> {
    /// The size of the arguments of a read, and of the frame of its reply.
    const TRIP: u64 = 150;
    let allowed = check.allowed;
    let ask = |candidate: &'a Candidate| {
        let Limits { elements, bytes } = candidate.limits;
        let limits =
            Limits { elements: elements.min(allowed.elements), bytes: bytes.min(allowed.bytes) };
        let redis_type = check.patterns.declarations[candidate.declaration].redis_type;
        // Only keys that are text have a declaration.
        Ask { key: std::str::from_utf8(&candidate.key).unwrap_or_default(), redis_type, limits }
    };
    let asks: Vec<Ask<'_>> = candidates.iter().map(ask).collect();
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    let looks = look::look(client, &mut found.by, &asks, allowed.elements).await?;
    found.commands += looks.commands;
    let pairs = candidates.iter().zip(looks.looks);
    let there: Vec<_> = pairs.filter_map(|(candidate, look)| Some((candidate, look?))).collect();
    for (candidate, look) in &there {
        found.bytes += TRIP + candidate.key.len() as u64;
        if let Content::Whole { stored, .. } = &look.content {
            found.bytes += (stored.bytes() + 5 * stored.len()) as u64;
        }
    }
    Ok(there)
}

fn cross_slots(check: &Rules, candidate: &Candidate, found: &mut Found) {
    let key = std::str::from_utf8(&candidate.key).unwrap_or_default();
    for fault in check.cross_slots(candidate.declaration, key) {
        found.faults.push((candidate.key.clone(), Some(candidate.declaration), fault));
    }
}
