//! Whether a filter holds for a value.

use std::cmp::Ordering;

use super::budget::Budget;
use super::search::Search;
use super::syntax::{Condition, Filter, Operator, Term};
use super::terms::Meaning;
use crate::Result;
use crate::transport::memory::json::{Json, equal_in_filters};

impl<'d> Search<'d, '_> {
    /// Whether a filter holds for the value that `@` stands for.
    pub(super) fn holds(&mut self, filter: &Filter, current: &'d Json) -> Result<bool> {
        for all in &filter.any {
            if self.all_hold(all, current)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn all_hold(&mut self, conditions: &[Condition], current: &'d Json) -> Result<bool> {
        for condition in conditions {
            let is_true = match condition {
                Condition::Nested(filter) => self.holds(filter, current)?,
                Condition::Exists(term) => {
                    !matches!(self.meaning(term, current)?, Meaning::Nothing)
                }
                Condition::Compare(left, operator, right) => {
                    let (left, right) =
                        (self.meaning(left, current)?, self.meaning(right, current)?);
                    self.compare(left, *operator, right)?
                }
            };
            if !is_true {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn meaning<'t>(&self, term: &'t Term, current: &'d Json) -> Result<Meaning<'t>>
    where
        'd: 't,
    {
        let (steps, from) = match term {
            Term::Null => return Ok(Meaning::Null),
            Term::Bool(value) => return Ok(Meaning::Bool(*value)),
            Term::Integer(number) => return Ok(Meaning::Integer(*number)),
            Term::Float(number) => return Ok(Meaning::Float(*number)),
            Term::Text(text) => return Ok(Meaning::Text(text)),
            Term::Current(steps) => (steps, current),
            Term::Root(steps) => (steps, self.root),
        };
        // In a filter of this path, `$` is the value where the path begins.
        let found = Search::run(steps, from, false, 2, self.budget)?;
        Ok(match &found[..] {
            [one] => Meaning::Value(one.value),
            _ => Meaning::Nothing,
        })
    }

    fn compare(
        &mut self,
        left: Meaning<'_>,
        operator: Operator,
        right: Meaning<'_>,
    ) -> Result<bool> {
        let is = |wanted: fn(Ordering) -> bool| left.order(right).is_some_and(wanted);
        let budget = self.budget;
        Ok(match operator {
            Operator::GreaterOrEqual => is(Ordering::is_ge),
            Operator::Greater => is(Ordering::is_gt),
            Operator::LessOrEqual => is(Ordering::is_le),
            Operator::Less => is(Ordering::is_lt),
            Operator::Equal => equal(left, right, budget)?,
            Operator::NotEqual => !equal(left, right, budget)?,
            Operator::Matches => match (left, right) {
                (Meaning::Value(Json::String(text)), Meaning::Text(pattern)) => {
                    self.patterns.find(pattern, text, budget)?
                }
                (Meaning::Value(Json::String(text)), Meaning::Value(Json::String(pattern))) => {
                    self.patterns.find(pattern, text, budget)?
                }
                _ => false,
            },
        })
    }
}

fn equal(left: Meaning<'_>, right: Meaning<'_>, budget: &Budget) -> Result<bool> {
    match (left, right) {
        (Meaning::Value(left), Meaning::Value(right)) => equal_in_filters(left, right, budget),
        _ => Ok(left.order(right).is_some_and(Ordering::is_eq)),
    }
}
