//! The commands that the engine runs, one file a family.

mod bitmaps;
mod blocking;
mod client;
mod command;
#[cfg(not(target_arch = "wasm32"))]
mod command_docs;
mod config;
mod diagnostics;
mod dump;
pub(super) mod functions;
mod geo;
mod hash_lifetimes;
mod hashes;
mod hyperloglog;
#[cfg(feature = "json")]
mod json;
mod keys;
mod lcs;
mod lists;
mod memory;
mod object;
#[cfg(not(target_arch = "wasm32"))]
mod persistence;
mod pubsub;
mod replies;
mod scripting;
mod server;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod upstash;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::engine::Handler;

const FAMILIES: &[&[Handler]] = &[
    strings::HANDLERS,
    keys::HANDLERS,
    object::HANDLERS,
    dump::HANDLERS,
    #[cfg(not(target_arch = "wasm32"))]
    persistence::HANDLERS,
    memory::HANDLERS,
    command::HANDLERS,
    client::HANDLERS,
    config::HANDLERS,
    diagnostics::HANDLERS,
    sort::HANDLERS,
    lcs::HANDLERS,
    hashes::HANDLERS,
    hash_lifetimes::HANDLERS,
    lists::HANDLERS,
    sets::HANDLERS,
    sorted_sets::HANDLERS,
    geo::HANDLERS,
    streams::HANDLERS,
    bitmaps::HANDLERS,
    blocking::HANDLERS,
    hyperloglog::HANDLERS,
    #[cfg(feature = "json")]
    json::HANDLERS,
    pubsub::HANDLERS,
    scripting::HANDLERS,
    functions::HANDLERS,
    server::HANDLERS,
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().flatten().map(|handler| handler.name)
}

pub(super) fn find(name: &str) -> Option<&'static Handler> {
    static INDEX: OnceLock<HashMap<&str, &Handler>> = OnceLock::new();
    INDEX
        .get_or_init(|| {
            FAMILIES.iter().copied().flatten().map(|handler| (handler.name, handler)).collect()
        })
        .get(name)
        .copied()
}

/// The handler of a command in an engine that answers as Upstash does.
pub(super) fn find_as_upstash(name: &str) -> Option<&'static Handler> {
    let own = upstash::HANDLERS.into_iter().flatten().find(|handler| handler.name == name);
    own.or_else(|| find(name))
}
