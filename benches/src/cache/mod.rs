//! The cache beside what it stands on, and beside JavaScript's caches.

pub(crate) mod hit;
pub(crate) mod l1;
pub(crate) mod node;
pub(crate) mod packing;
pub(crate) mod tags;

use anyhow::Result;

/// Everything that is measured of the cache.
pub(crate) struct Measured {
    pub(crate) hit: hit::Hit,
    pub(crate) l1: l1::Measured,
    pub(crate) node: Vec<node::Peer>,
    pub(crate) tags: Vec<tags::Tagged>,
    pub(crate) packing: Vec<packing::Packed>,
}

pub(crate) fn measure(root: &std::path::Path) -> Result<Measured> {
    Ok(Measured {
        hit: hit::measure()?,
        l1: l1::measure()?,
        node: node::measure(root)?,
        tags: tags::measure()?,
        packing: packing::measure()?,
    })
}
