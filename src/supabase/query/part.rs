//! The order of rows, and which part of them is wanted: of the table, and of each table that is embedded in it.

use std::ops::RangeInclusive;

use super::{Order, Query};
use crate::Result;
use crate::supabase::filter::Filter;
use crate::supabase::names::{column, relation};

/// What is wanted of one table's rows.
#[derive(Default)]
pub(super) struct Part {
    /// The embedded table; `None` is the one that is asked for.
    relation: Option<String>,
    order: Vec<(String, Order)>,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl Part {
    pub(super) fn parameters(&self, push: &mut impl FnMut(String, String)) -> Result<()> {
        let prefix = match &self.relation {
            Some(table) => format!("{}.", relation(table)?),
            None => String::new(),
        };
        let key = |name: &str| format!("{prefix}{name}");
        if !self.order.is_empty() {
            let by = |(name, order): &(String, Order)| {
                Ok(format!("{}.{}", column(name)?, order.written()))
            };
            let order = self.order.iter().map(by).collect::<Result<Vec<_>>>()?;
            push(key("order"), order.join(","));
        }
        if let Some(offset) = self.offset {
            push(key("offset"), offset.to_string());
        }
        if let Some(limit) = self.limit {
            push(key("limit"), limit.to_string());
        }
        Ok(())
    }

    fn set_range(&mut self, rows: &RangeInclusive<u64>) {
        let (from, to) = (*rows.start(), *rows.end());
        self.offset = Some(from);
        self.limit = Some(if rows.is_empty() { 0 } else { (to - from).saturating_add(1) });
    }
}

impl Query {
    fn part(&mut self, relation: Option<String>) -> &mut Part {
        let at = self.parts.iter().position(|part| part.relation == relation);
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part { relation, ..Part::default() });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// Sorts by a column; after an earlier `order`, where that finds no difference.
    pub fn order(mut self, column: impl Into<String>, order: Order) -> Self {
        self.part(None).order.push((column.into(), order));
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.part(None).limit = Some(rows);
        self
    }

    /// The rows from one to another, both included. The first is 0.
    pub fn range(mut self, rows: RangeInclusive<u64>) -> Self {
        self.part(None).set_range(&rows);
        self
    }

    /// As [`order`](Self::order), for the rows of a table that [`select`](Self::select) embeds: each row of the outer table
    /// has its own of them. The table is named as in `select`, by its alias if it has one, and `outer.inner` if it is
    /// embedded in an embedded one. `@supabase/postgrest-js` calls it `referencedTable`.
    ///
    /// ```no_run
    /// use edgecask::supabase::{Filter, Order, Supabase};
    ///
    /// # async fn run(supabase: Supabase) -> edgecask::Result<()> {
    /// // Authors, each with the three latest books that are in print or at least announced.
    /// let authors: Vec<serde_json::Value> = supabase
    ///     .from("authors")
    ///     .select("name, books(title)")
    ///     .or_in("books", [Filter::eq("state", "printed"), Filter::eq("state", "announced")])
    ///     .order_in("books", "published", Order::descending())
    ///     .limit_in("books", 3)
    ///     .rows()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn order_in(
        mut self,
        table: impl Into<String>,
        column: impl Into<String>,
        order: Order,
    ) -> Self {
        self.part(Some(table.into())).order.push((column.into(), order));
        self
    }

    /// As [`limit`](Self::limit), for the rows of an embedded table; see [`order_in`](Self::order_in).
    pub fn limit_in(mut self, table: impl Into<String>, rows: u64) -> Self {
        self.part(Some(table.into())).limit = Some(rows);
        self
    }

    /// As [`range`](Self::range), for the rows of an embedded table; see [`order_in`](Self::order_in).
    pub fn range_in(mut self, table: impl Into<String>, rows: RangeInclusive<u64>) -> Self {
        self.part(Some(table.into())).set_range(&rows);
        self
    }

    /// As [`or`](Self::or), for the rows of an embedded table; see [`order_in`](Self::order_in). The columns are those of
    /// that table. A condition on one column needs no such method: [`eq`](Self::eq) and the others take `table.column`.
    pub fn or_in(
        mut self,
        table: impl Into<String>,
        filters: impl IntoIterator<Item = Filter>,
    ) -> Self {
        self.embedded.push((table.into(), Filter::any(filters)));
        self
    }
}
