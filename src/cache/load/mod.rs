//! Who loads a value that is missing or stale, and who may store it: one load at a time in this process (single flight),
//! and across processes (leases).

mod deadline;
mod get_or_load;
mod get_or_load_many;
mod lease_wait;
mod leases;
mod loader;
mod options;
mod revalidate;
mod single_flight;
mod store_guard;
mod store_guards;

pub use get_or_load::Cached;
pub(super) use leases::{LEASE, Leases, RELEASE_LEASE, RENEW_LEASE, STORE_IF_LEASED, Storer};
pub(super) use loader::Loader;
pub use options::LoadOptions;
pub(super) use single_flight::SingleFlight;
#[cfg(feature = "http-cache")]
pub(crate) use store_guard::IfHeld;
pub use store_guard::StoreGuard;
pub(super) use store_guards::StoreGuards;
