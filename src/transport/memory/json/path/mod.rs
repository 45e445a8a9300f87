//! Paths into a document, in the dialect of RedisJSON. It is not the one of RFC 9535: names in brackets lose the spaces before
//! them, filters compare containers and match regular expressions, and the errors list what was expected. So the crates for
//! JSONPath find other values, and this room has its own reader.

mod budget;
mod compare;
mod expected;
mod filter;
mod parsed;
mod parser;
mod place;
mod search;
mod syntax;
mod terms;
#[cfg(test)]
mod tests;

pub(in crate::transport::memory) use self::budget::Budget;
pub(in crate::transport::memory) use self::parsed::Path;
pub(super) use self::place::Key;
pub(in crate::transport::memory) use self::place::{Place, in_removal_order};
