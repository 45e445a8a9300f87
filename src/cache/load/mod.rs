//! Loads values that are missing or stale. There is one load of a key at a time, in this process by single flight, and
//! across processes by leases. A lease also decides who may store.

mod deadline;
mod get_or_load;
mod get_or_load_many;
mod lease_wait;
mod leases;
mod loader;
mod options;
mod revalidate;
mod scripts;
mod single_flight;
mod store_guard;
mod store_guards;

pub use get_or_load::Cached;
pub(super) use leases::{Leases, StoredBy};
pub(super) use loader::Loader;
pub use options::LoadOptions;
pub(super) use scripts::{LEASE, RELEASE_LEASE, RENEW_LEASE, STORE_IF_LEASED};
pub(super) use single_flight::SingleFlight;
#[cfg(feature = "http-cache")]
pub(crate) use store_guard::IfHeld;
pub use store_guard::StoreGuard;
pub(super) use store_guards::StoreGuards;
