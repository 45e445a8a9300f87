//! The commands that the engine runs, one file a family.

mod bitmaps;
mod blocking;
mod functions;
mod hash_lifetimes;
mod hashes;
mod hyperloglog;
mod keys;
mod lists;
mod pubsub;
mod replies;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::engine::Handler;

const FAMILIES: [&[Handler]; 15] = [
    strings::HANDLERS,
    keys::HANDLERS,
    hashes::HANDLERS,
    hash_lifetimes::HANDLERS,
    lists::HANDLERS,
    sets::HANDLERS,
    sorted_sets::HANDLERS,
    streams::HANDLERS,
    bitmaps::HANDLERS,
    blocking::HANDLERS,
    hyperloglog::HANDLERS,
    pubsub::HANDLERS,
    scripting::HANDLERS,
    functions::HANDLERS,
    server::HANDLERS,
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.into_iter().flatten().map(|handler| handler.name)
}

pub(super) fn find(name: &str) -> Option<&'static Handler> {
    static INDEX: OnceLock<HashMap<&str, &Handler>> = OnceLock::new();
    INDEX
        .get_or_init(|| {
            FAMILIES.into_iter().flatten().map(|handler| (handler.name, handler)).collect()
        })
        .get(name)
        .copied()
}
