#![doc = include_str!("../README.md")]
// On docs.rs, each item says which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)
)]

pub mod cache;
pub mod client;
pub mod command;
pub mod config;
mod error;
pub mod events;
#[cfg(feature = "http-cache")]
pub mod http_cache;
mod key;
pub mod keyspace;
pub mod layer;
pub mod limit;
pub mod lock;
pub mod migrate;
pub mod platform;
pub mod queue;
pub mod quota;
pub mod schedule;
pub mod store;
#[cfg(feature = "supabase")]
pub mod supabase;
pub mod systems;
mod tier;
pub mod transport;
mod value;

pub use client::{
    Batch, Call, Change, Client, ClientBuilder, Event, Pipeline, Replies, Required, Slot, Slots,
    Subscriber, Transaction,
};
pub use command::{Command, Script};
pub use error::{BoxError, Error, ErrorKind, Outcome, Result};
pub use key::{Key, KeyPart, KeyParts, KeyWriter, Keyspace, Pattern};
pub use value::{FromValue, Json, Pairs, Value};

/// The guide, whose snippets are tested.
#[cfg(all(doctest, feature = "reqwest", feature = "memory"))]
mod guide {
    #[doc = include_str!("../docs/connect.md")]
    mod connect {}
    #[cfg(feature = "tcp")]
    #[doc = include_str!("../docs/clusters.md")]
    mod clusters {}
    #[doc = include_str!("../docs/layers.md")]
    mod layers {}
    #[doc = include_str!("../docs/stampede.md")]
    mod stampede {}
    #[doc = include_str!("../docs/tags.md")]
    mod tags {}
    #[doc = include_str!("../docs/keyspaces.md")]
    mod keyspaces {}
    #[cfg(feature = "schema")]
    #[doc = include_str!("../docs/schemas.md")]
    mod schemas {}
    #[cfg(feature = "http-cache")]
    #[doc = include_str!("../docs/http-cache.md")]
    mod http_cache {}
    #[doc = include_str!("../docs/queues.md")]
    mod queues {}
    #[doc = include_str!("../docs/rate-limits.md")]
    mod rate_limits {}
    #[doc = include_str!("../docs/events.md")]
    mod events {}
    #[doc = include_str!("../docs/quotas.md")]
    mod quotas {}
    #[doc = include_str!("../docs/schedules.md")]
    mod schedules {}
    #[doc = include_str!("../docs/tiers.md")]
    mod tiers {}
    #[doc = include_str!("../docs/locks.md")]
    mod locks {}
    #[doc = include_str!("../docs/testing.md")]
    mod testing {}
    #[doc = include_str!("../docs/conformance.md")]
    mod conformance {}
    #[doc = include_str!("../docs/from-redis-rs.md")]
    mod from_redis_rs {}
    #[doc = include_str!("../docs/from-upstash-redis.md")]
    mod from_upstash_redis {}
    #[doc = include_str!("../docs/from-moka.md")]
    mod from_moka {}
}

/// The Lua scripts that this crate itself uses, for servers that run them by their native implementation.
pub fn scripts() -> impl Iterator<Item = &'static Script> {
    let scripts = cache::scripts().into_iter().chain(client::scripts());
    let scripts = scripts.chain(events::scripts());
    let scripts = scripts.chain(limit::scripts()).chain(lock::scripts()).chain(schedule::scripts());
    let scripts = scripts.chain(quota::scripts()).chain(queue::scripts());
    scripts.chain(keyspace::check::scripts())
}

/// Everything that code which sends commands needs: `use edgecask::prelude::*;`.
pub mod prelude {
    pub use crate::client::Client;
    pub use crate::command::arrays::ArrayCommands;
    pub use crate::command::bitmaps::BitmapCommands;
    pub use crate::command::functions::FunctionCommands;
    pub use crate::command::geo::GeoCommands;
    pub use crate::command::hashes::HashCommands;
    pub use crate::command::hyperloglog::HyperLogLogCommands;
    pub use crate::command::json::JsonCommands;
    pub use crate::command::keys::KeyCommands;
    pub use crate::command::lists::ListCommands;
    pub use crate::command::pubsub::PubSubCommands;
    pub use crate::command::scripting::ScriptingCommands;
    pub use crate::command::search::SearchCommands;
    pub use crate::command::server::ServerCommands;
    pub use crate::command::sets::SetCommands;
    pub use crate::command::sorted_sets::SortedSetCommands;
    pub use crate::command::streams::StreamCommands;
    pub use crate::command::strings::StringCommands;
    pub use crate::command::vectors::VectorCommands;
    pub use crate::command::{Command, Execute, cmd};
}
