//! The order and the range of rows, of the table and of each table that is embedded in it.

use std::ops::RangeInclusive;

use super::Query;
use super::order::Order;
use super::part::Part;
use crate::supabase::filter::Filter;

impl Query {
    fn part(&mut self, relation: Option<String>) -> &mut Part {
        let at = self.parts.iter().position(|part| part.relation == relation);
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part::of(relation));
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// Sorts by a column. A second `order` sorts the rows that are equal by the first.
    pub fn order(mut self, column: impl Into<String>, order: Order) -> Self {
        self.part(None).order.push((column.into(), order));
        self
    }

    /// Returns at most this many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.part(None).limit = Some(rows);
        self
    }

    /// Returns the rows at these positions, both ends included. The first row is 0.
    pub fn range(mut self, rows: RangeInclusive<u64>) -> Self {
        self.part(None).set_range(&rows);
        self
    }

    /// As [`order`](Self::order), for the rows of a table that [`select`](Self::select) embeds: they are sorted within each row of
    /// the outer table. The table is named as in `select`, by its alias if it has one, and `outer.inner` if it is
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
