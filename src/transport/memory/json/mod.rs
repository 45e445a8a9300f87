//! A JSON document: its value, its text, and the paths into it. Compared with RedisJSON 2.8.

mod document;
mod equality;
mod path;
mod reading;
mod value;
mod writing;

pub(super) use self::document::Document;
pub(super) use self::equality::{equal, equal_in_filters};
pub(super) use self::path::{Budget, Path, Place, in_removal_order};
pub(super) use self::value::Json;
pub(super) use self::writing::{Layout, Writer};
