//! `SchemaCheck` finds every planted fault and nothing else.

mod costs;
mod findings;
mod places;
mod planted;
mod progress;
