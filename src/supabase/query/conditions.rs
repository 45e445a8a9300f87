//! The conditions that a row has to meet.

use std::fmt::Display;

use super::Query;
use crate::supabase::filter::{Collection, Filter, Is, TextSearch};

impl Query {
    /// Adds a condition.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Adds the negation of a condition.
    pub fn not(self, filter: Filter) -> Self {
        self.filter(!filter)
    }

    /// Adds the condition that at least one of these holds.
    pub fn or(self, filters: impl IntoIterator<Item = Filter>) -> Self {
        self.filter(Filter::any(filters))
    }

    /// Adds the condition that each of these columns equals its value.
    pub fn matching(
        self,
        columns: impl IntoIterator<Item = (impl Into<String>, impl Display)>,
    ) -> Self {
        columns.into_iter().fold(self, |query, (column, value)| query.eq(column, value))
    }

    /// Adds [`Filter::eq`].
    pub fn eq(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::eq(column, value))
    }

    /// Adds [`Filter::neq`].
    pub fn neq(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::neq(column, value))
    }

    /// Adds [`Filter::gt`].
    pub fn gt(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::gt(column, value))
    }

    /// Adds [`Filter::gte`].
    pub fn gte(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::gte(column, value))
    }

    /// Adds [`Filter::lt`].
    pub fn lt(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::lt(column, value))
    }

    /// Adds [`Filter::lte`].
    pub fn lte(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::lte(column, value))
    }

    /// Adds [`Filter::like`].
    pub fn like(self, column: impl Into<String>, pattern: impl Display) -> Self {
        self.filter(Filter::like(column, pattern))
    }

    /// Adds [`Filter::ilike`].
    pub fn ilike(self, column: impl Into<String>, pattern: impl Display) -> Self {
        self.filter(Filter::ilike(column, pattern))
    }

    /// Adds [`Filter::like_all_of`].
    pub fn like_all_of(
        self,
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        self.filter(Filter::like_all_of(column, patterns))
    }

    /// Adds [`Filter::like_any_of`].
    pub fn like_any_of(
        self,
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        self.filter(Filter::like_any_of(column, patterns))
    }

    /// Adds [`Filter::ilike_all_of`].
    pub fn ilike_all_of(
        self,
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        self.filter(Filter::ilike_all_of(column, patterns))
    }

    /// Adds [`Filter::ilike_any_of`].
    pub fn ilike_any_of(
        self,
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        self.filter(Filter::ilike_any_of(column, patterns))
    }

    /// Adds [`Filter::regex_match`].
    pub fn regex_match(self, column: impl Into<String>, pattern: impl Display) -> Self {
        self.filter(Filter::regex_match(column, pattern))
    }

    /// Adds [`Filter::regex_imatch`].
    pub fn regex_imatch(self, column: impl Into<String>, pattern: impl Display) -> Self {
        self.filter(Filter::regex_imatch(column, pattern))
    }

    /// Adds [`Filter::is_distinct`].
    pub fn is_distinct(self, column: impl Into<String>, value: impl Display) -> Self {
        self.filter(Filter::is_distinct(column, value))
    }

    /// Adds [`Filter::is`].
    pub fn is(self, column: impl Into<String>, what: impl Into<Is>) -> Self {
        self.filter(Filter::is(column, what))
    }

    /// Adds [`Filter::within`].
    pub fn within(
        self,
        column: impl Into<String>,
        values: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        self.filter(Filter::within(column, values))
    }

    /// Adds [`Filter::contains`].
    pub fn contains(self, column: impl Into<String>, what: impl Into<Collection>) -> Self {
        self.filter(Filter::contains(column, what))
    }

    /// Adds [`Filter::contained_by`].
    pub fn contained_by(self, column: impl Into<String>, what: impl Into<Collection>) -> Self {
        self.filter(Filter::contained_by(column, what))
    }

    /// Adds [`Filter::overlaps`].
    pub fn overlaps(self, column: impl Into<String>, what: impl Into<Collection>) -> Self {
        self.filter(Filter::overlaps(column, what))
    }

    /// Adds [`Filter::range_gt`].
    pub fn range_gt(self, column: impl Into<String>, range: impl Into<String>) -> Self {
        self.filter(Filter::range_gt(column, range))
    }

    /// Adds [`Filter::range_gte`].
    pub fn range_gte(self, column: impl Into<String>, range: impl Into<String>) -> Self {
        self.filter(Filter::range_gte(column, range))
    }

    /// Adds [`Filter::range_lt`].
    pub fn range_lt(self, column: impl Into<String>, range: impl Into<String>) -> Self {
        self.filter(Filter::range_lt(column, range))
    }

    /// Adds [`Filter::range_lte`].
    pub fn range_lte(self, column: impl Into<String>, range: impl Into<String>) -> Self {
        self.filter(Filter::range_lte(column, range))
    }

    /// Adds [`Filter::range_adjacent`].
    pub fn range_adjacent(self, column: impl Into<String>, range: impl Into<String>) -> Self {
        self.filter(Filter::range_adjacent(column, range))
    }

    /// Adds [`Filter::text_search`].
    pub fn text_search(self, column: impl Into<String>, search: impl Into<TextSearch>) -> Self {
        self.filter(Filter::text_search(column, search))
    }
}
