//! The order and the range of one table's rows.

use std::ops::RangeInclusive;

use super::order::Order;
use crate::Result;
use crate::supabase::names::{column, relation};

/// The order and the range of one table's rows, and the groups of conditions on them.
#[derive(Default)]
pub(super) struct Part {
    /// The embedded table; `None` is the table of the request.
    pub(super) relation: Option<String>,
    pub(super) order: Vec<(String, Order)>,
    pub(super) limit: Option<u64>,
    offset: Option<u64>,
}

impl Part {
    pub(super) fn of(relation: Option<String>) -> Self {
        Self { relation, ..Self::default() }
    }

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

    pub(super) fn set_range(&mut self, rows: &RangeInclusive<u64>) {
        let (from, to) = (*rows.start(), *rows.end());
        self.offset = Some(from);
        self.limit = Some(if rows.is_empty() { 0 } else { (to - from).saturating_add(1) });
    }
}
