//! Finds the values of a path, in the order of RedisJSON: a value stands before what is in it.

use super::budget::Budget;
use super::parsed::Path;
use super::place::{Found, Key, Place};
use super::syntax::Step;
use super::terms::Patterns;
use crate::Result;
use crate::transport::memory::json::Json;

impl Path<'_> {
    /// The values that it finds in a document.
    ///
    /// # Errors
    /// If that is too much work.
    pub(in crate::transport::memory) fn find<'d>(
        &self,
        root: &'d Json,
        budget: &Budget,
    ) -> Result<Vec<&'d Json>> {
        let found = Search::run(self.steps(), root, false, usize::MAX, budget)?;
        Ok(found.into_iter().map(|found| found.value).collect())
    }

    /// The first value that it finds in a document.
    ///
    /// # Errors
    /// If that is too much work.
    pub(in crate::transport::memory) fn find_first<'d>(
        &self,
        root: &'d Json,
        budget: &Budget,
    ) -> Result<Option<&'d Json>> {
        let found = Search::run(self.steps(), root, false, 1, budget)?;
        Ok(found.into_iter().next().map(|found| found.value))
    }

    /// The values that it finds in a document, and their places.
    ///
    /// # Errors
    /// If that is too much work.
    pub(in crate::transport::memory) fn find_places<'d>(
        &self,
        root: &'d Json,
        budget: &Budget,
    ) -> Result<Vec<Found<'d>>> {
        Search::run(self.steps(), root, true, usize::MAX, budget)
    }

    /// The places of the containers in which its last step would find a value.
    ///
    /// # Errors
    /// If that is too much work.
    pub(in crate::transport::memory) fn find_containers(
        &self,
        root: &Json,
        budget: &Budget,
    ) -> Result<Vec<Place>> {
        let Some((_, steps)) = self.steps().split_last() else { return Ok(Vec::new()) };
        let found = Search::run(steps, root, true, usize::MAX, budget)?;
        Ok(found.into_iter().map(|found| found.place).collect())
    }
}

/// A step on the way to the value that is being looked at.
#[derive(Clone, Copy)]
enum Trail<'d> {
    Name(&'d str),
    Index(usize),
}

/// A walk over a document.
pub(super) struct Search<'d, 'b> {
    /// What `$` stands for in filters.
    pub(super) root: &'d Json,
    /// The way to the value that is being looked at, if places are asked for.
    trail: Option<Vec<Trail<'d>>>,
    found: Vec<Found<'d>>,
    most: usize,
    pub(super) patterns: Patterns,
    pub(super) budget: &'b Budget,
}

impl<'d, 'b> Search<'d, 'b> {
    /// At most this many of the values that steps find from a value on.
    pub(super) fn run(
        steps: &[Step],
        root: &'d Json,
        has_places: bool,
        most: usize,
        budget: &'b Budget,
    ) -> Result<Vec<Found<'d>>> {
        let mut search = Search {
            root,
            trail: has_places.then(Vec::new),
            found: Vec::new(),
            most,
            patterns: Patterns::default(),
            budget,
        };
        search.visit(steps, root)?;
        Ok(search.found)
    }

    /// Takes the first step from a value, and the rest of them from there.
    fn visit(&mut self, steps: &[Step], value: &'d Json) -> Result<()> {
        self.budget.spend(1)?;
        let Some((step, rest)) = steps.split_first() else { return self.push(value) };
        match (step, value) {
            (Step::Descend, _) => {
                self.visit(rest, value)?;
                self.descend(rest, value)
            }
            (Step::All, _) => self.each(value, |search, value| search.visit(rest, value)),
            (Step::Names(names), Json::Object(members)) => {
                names.iter().try_for_each(|name| match members.get_key_value(name) {
                    Some((name, value)) => self.enter(Trail::Name(name), rest, value),
                    None => Ok(()),
                })
            }
            (Step::Indices(indices), Json::Array(items)) => indices.iter().try_for_each(|index| {
                let index = position(*index, items.len());
                match items.get(index) {
                    Some(value) => self.enter(Trail::Index(index), rest, value),
                    None => Ok(()),
                }
            }),
            (Step::Range { start, end, step }, Json::Array(items)) => {
                let start = start.map_or(0, |start| position(start, items.len()));
                let end = end.map_or(items.len(), |end| position(end, items.len()));
                (start..end)
                    .step_by(*step)
                    .try_for_each(|index| self.enter(Trail::Index(index), rest, &items[index]))
            }
            (Step::Filter(filter), Json::Array(_) | Json::Object(_)) => {
                self.each(value, |search, value| match search.holds(filter, value)? {
                    true => search.visit(rest, value),
                    false => Ok(()),
                })
            }
            // Other values are filtered themselves.
            (Step::Filter(filter), _) if self.holds(filter, value)? => self.visit(rest, value),
            _ => Ok(()),
        }
    }

    fn descend(&mut self, steps: &[Step], value: &'d Json) -> Result<()> {
        self.each(value, |search, value| {
            search.visit(steps, value)?;
            search.descend(steps, value)
        })
    }

    fn enter(&mut self, key: Trail<'d>, steps: &[Step], value: &'d Json) -> Result<()> {
        self.within(key, |search| search.visit(steps, value))
    }

    /// Does something with each value in a container.
    fn each(
        &mut self,
        container: &'d Json,
        mut act: impl FnMut(&mut Self, &'d Json) -> Result<()>,
    ) -> Result<()> {
        match container {
            Json::Object(members) => members.iter().try_for_each(|(name, value)| {
                self.within(Trail::Name(name), |search| act(search, value))
            }),
            Json::Array(items) => items.iter().enumerate().try_for_each(|(index, value)| {
                self.within(Trail::Index(index), |search| act(search, value))
            }),
            _ => Ok(()),
        }
    }

    fn within(&mut self, key: Trail<'d>, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.found.len() >= self.most {
            return Ok(());
        }
        if let Some(trail) = &mut self.trail {
            trail.push(key);
        }
        let result = act(self);
        if let Some(trail) = &mut self.trail {
            trail.pop();
        }
        result
    }

    fn push(&mut self, value: &'d Json) -> Result<()> {
        // Found values take memory here and in the reply.
        self.budget.spend(4)?;
        let place = match &self.trail {
            None => Place::new(),
            Some(trail) => {
                self.budget.spend(trail.len())?;
                let key = |key: &Trail<'_>| match key {
                    Trail::Name(name) => Key::Name((*name).into()),
                    Trail::Index(index) => Key::Index(*index),
                };
                trail.iter().map(key).collect()
            }
        };
        if self.found.len() < self.most {
            self.found.push(Found { value, place });
        }
        Ok(())
    }
}

/// The position of an index, which counts from the end if it is negative.
fn position(index: i64, length: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index.min(length),
        Err(_) => {
            let back = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            length.saturating_sub(back)
        }
    }
}
