//! The parts of a cache, put together.

use std::sync::Arc;

use super::CacheOptions;
#[cfg(feature = "http-cache")]
use super::blobs::Blobs;
use super::entry::Packer;
use super::invalidate::{Bus, Invalidator, TagVersions};
use super::load::{Leases, Loader, SingleFlight, StoreGuards};
use super::lookup::Reader;
use super::observe::Counters;
use super::outage::{Backlog, Outage};
use super::tiers::{Edge, L1};
use super::write::Writer;
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::Background;

/// The state that clones of a cache share.
pub(super) struct Core {
    /// The client that the cache was created with.
    pub(super) client: Client,
    /// The same client without its fallback, for the cache's own commands.
    pub(super) direct: Client,
    pub(super) options: CacheOptions,
    pub(super) counters: Arc<Counters>,
    pub(super) outage: Arc<Outage>,
    pub(super) packer: Packer,
    pub(super) l1: Option<Arc<L1>>,
    pub(super) tags: TagVersions,
    pub(super) bus: Option<Bus>,
    pub(super) invalidator: Invalidator,
    pub(super) backlog: Arc<Backlog>,
    pub(super) reader: Reader,
    pub(super) loader: Loader,
    pub(super) writer: Writer,
    #[cfg(feature = "http-cache")]
    pub(super) blobs: Blobs,
}

/// Where background work runs, and the single flight that callers share. Each request of a Worker has its own.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) background: Background,
    pub(super) single_flight: Arc<SingleFlight>,
}

impl Core {
    pub(super) fn new(client: Client, options: CacheOptions) -> Self {
        // Only this process sees the values of a fallback: invalidations of other processes do not reach them. A layer of
        // the caller's own may hide the fallback.
        let direct = client.clone().layer(WithoutFallback);
        let counters = Arc::new(Counters::default());
        let outage = Arc::new(Outage::new(options.tier, Arc::clone(&counters)));
        let packer = Packer::new(options.format.clone(), Arc::clone(&counters));
        let l1 = options.l1.map(|options| Arc::new(L1::new(options)));
        let edge = options.edge.clone().and_then(|(store, ttl)| Edge::new(store, ttl));
        let edge = edge.map(Arc::new);
        let bus = options.bus.clone().map(Bus::new);
        let tags =
            TagVersions::new(direct.clone(), Arc::clone(&outage), options.generation.clone());
        let invalidator =
            Invalidator::new(direct.clone(), tags.clone(), l1.clone(), edge.clone(), bus.clone());
        let backlog =
            Backlog::new(invalidator.clone(), Arc::clone(&outage), options.keyspace.clone());
        let backlog = Arc::new(backlog);
        let reader = Reader {
            client: direct.clone(),
            packer: packer.clone(),
            outage: Arc::clone(&outage),
            counters: Arc::clone(&counters),
            tags: tags.clone(),
            backlog: Arc::clone(&backlog),
            l1: l1.clone(),
            edge: edge.clone(),
        };
        let leases = Leases::new(direct.clone(), options.lease);
        let guards = StoreGuards {
            leases: leases.clone(),
            lease_wait: options.lease_wait,
            tags: tags.clone(),
            packer: packer.clone(),
            outage: Arc::clone(&outage),
            counters: Arc::clone(&counters),
            edge: edge.clone(),
        };
        let loader = Loader { guards, l1: l1.clone() };
        let writer = Writer {
            client: direct.clone(),
            leases,
            tags: tags.clone(),
            packer: packer.clone(),
            invalidator: invalidator.clone(),
            bus: bus.clone(),
            counters: Arc::clone(&counters),
        };
        Self {
            #[cfg(feature = "http-cache")]
            blobs: Blobs::new(direct.clone(), packer.clone(), edge),
            client,
            direct,
            options,
            counters,
            outage,
            packer,
            l1,
            tags,
            bus,
            invalidator,
            backlog,
            reader,
            loader,
            writer,
        }
    }
}
