//! When two values are equal.

use serde_json::Number;

use super::path::Budget;
use super::value::Json;
use crate::Result;

/// Whether JSON.ARRINDEX takes two values for equal: the integer 1 and the float 1.0 are not.
pub(in crate::transport::memory) fn equal(
    left: &Json,
    right: &Json,
    budget: &Budget,
) -> Result<bool> {
    compare(left, right, |left, right| left == right, budget)
}

/// Whether filters of paths take two values for equal: numbers are equal if they mean the same.
pub(in crate::transport::memory) fn equal_in_filters(
    left: &Json,
    right: &Json,
    budget: &Budget,
) -> Result<bool> {
    compare(left, right, mean_the_same, budget)
}

fn mean_the_same(left: &Number, right: &Number) -> bool {
    left == right || (left.is_f64() != right.is_f64() && left.as_f64() == right.as_f64())
}

fn compare(
    left: &Json,
    right: &Json,
    numbers: fn(&Number, &Number) -> bool,
    budget: &Budget,
) -> Result<bool> {
    budget.spend(1)?;
    Ok(match (left, right) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(left), Json::Bool(right)) => left == right,
        (Json::Number(left), Json::Number(right)) => numbers(left, right),
        (Json::String(left), Json::String(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            budget.spend(left.len() / 64)?;
            left == right
        }
        (Json::Array(left), Json::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !compare(left, right, numbers, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Json::Object(left), Json::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (name, left) in left.iter() {
                let Some(right) = right.get(name) else { return Ok(false) };
                if !compare(left, right, numbers, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}
