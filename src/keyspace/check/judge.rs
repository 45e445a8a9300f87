//! The faults of one key, by its declaration.

use std::time::Duration;

use super::fault::Fault;
use super::look::{Content, Limits};
use crate::keyspace::{Declaration, KeyTtl};

/// How much longer than declared a key may live, because of the clocks and the rounding of other programs.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The faults of a key.
pub(super) fn faults(
    declaration: &Declaration,
    ttl: Option<Duration>,
    content: &Content,
    allowed: Limits,
) -> Vec<Fault> {
    // A list with `keep` may have as many items as it keeps.
    let elements = declaration.keep.map_or(u64::MAX, u64::from).min(allowed.elements);
    let allowed = Limits { elements, ..allowed };
    let mut faults: Vec<Fault> = of_ttl(declaration.ttl, ttl).into_iter().collect();
    match content {
        Content::OfType(found) => {
            let expected = declaration.redis_type.as_str().to_owned();
            faults.push(Fault::WrongType { expected, found: found.clone() });
        }
        Content::Size { elements, bytes } => faults.extend(of_size(*elements, *bytes, allowed)),
        Content::Whole { stored, elements, bytes } => match of_size(*elements, *bytes, allowed) {
            Some(fault) => faults.push(fault),
            None => {
                if let Err(mismatch) = (declaration.decode)(stored) {
                    let (field, why) = (mismatch.field, mismatch.why);
                    faults.push(Fault::Undecodable { field, why });
                }
            }
        },
    }
    faults
}

fn of_ttl(declared: KeyTtl, ttl: Option<Duration>) -> Option<Fault> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match (declared, ttl) {
        (KeyTtl::Forever, None) => None,
        (KeyTtl::Forever, Some(left)) => Some(Fault::UnexpectedTtl { left: millis(left) }),
        (
            KeyTtl::OnWrite(declared)
            | KeyTtl::OnActivity(declared)
            | KeyTtl::FromCreation(declared),
            left,
        ) => {
            let Some(left) = left else { return Some(Fault::NoTtl { declared: millis(declared) }) };
            let fault = Fault::TtlTooLong { declared: millis(declared), left: millis(left) };
            (left > declared.saturating_add(TOLERANCE)).then_some(fault)
        }
    }
}

fn of_size(elements: u64, bytes: u64, allowed: Limits) -> Option<Fault> {
    if elements > allowed.elements {
        return Some(Fault::TooManyElements { elements, allowed: allowed.elements });
    }
    let fault = Fault::TooManyBytes { bytes, allowed: allowed.bytes };
    (bytes > allowed.bytes).then_some(fault)
}
