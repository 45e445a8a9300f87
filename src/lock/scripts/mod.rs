//! The scripts of the locks, and their native implementations for an engine without Lua.

mod acquire;
mod count_down;
mod fenced_write;
mod release;
mod renew;
mod server;

use std::sync::LazyLock;

use crate::command::Script;

pub(crate) fn all() -> [&'static Script; 5] {
    [&ACQUIRE, &RELEASE, &RENEW, &COUNT_DOWN, &FENCED_WRITE]
}

pub(super) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(include_str!("acquire.lua")).key_locking().with_native(acquire::run)
});
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(include_str!("release.lua")).key_locking().with_native(release::run)
});
pub(super) static RENEW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("renew.lua")).key_locking().with_native(renew::run));
pub(super) static COUNT_DOWN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(include_str!("count_down.lua")).key_locking().with_native(count_down::run)
});
pub(super) static FENCED_WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(include_str!("fenced_write.lua")).key_locking().with_native(fenced_write::run)
});
