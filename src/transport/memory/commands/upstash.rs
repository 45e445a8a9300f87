//! The commands that Upstash answers in another way than Redis. An engine of [`Dialect::Upstash`] runs these in place of those of
//! the same names. `server/src/dialect.rs` has them for a real Redis.
//!
//! [`Dialect::Upstash`]: crate::transport::memory::Dialect::Upstash

use super::{functions, keys, sorted_sets, streams};
use crate::Value;
use crate::transport::memory::engine::{Handler, on_keys};

pub(super) const HANDLERS: [&[Handler]; 2] = [
    on_keys![
        "COPY" -3 |db, args| match args.at(0)? == args.at(1)? {
            true => Ok(Value::Integer(0)),
            false => keys::copy(db, args),
        },
        "SCAN" -2 keys::scan_with_types,
        "UNLINK" -1 keys::delete,
        "XREADGROUP" -7 streams::xreadgroup_by_strangers,
        "XTRIM" -4 streams::xtrim_exactly,
        "ZRANGE" -4 |db, args| sorted_sets::zrange(db, args, true),
    ],
    &[Handler::new("FCALL_RO", -3, functions::fcall_undeclared_ro)],
];
