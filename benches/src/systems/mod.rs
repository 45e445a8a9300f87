//! Keyspaces and stores beside what they stand on.

mod fixed;
pub(crate) mod hash;
pub(crate) mod policy;
pub(crate) mod schema;

use anyhow::Result;

/// Everything that is measured of them.
pub(crate) struct Measured {
    pub(crate) hash: Vec<hash::Decoded>,
    pub(crate) policy: Vec<policy::Read>,
    pub(crate) schema: schema::Checked,
}

pub(crate) fn measure() -> Result<Measured> {
    Ok(Measured { hash: hash::measure()?, policy: policy::measure()?, schema: schema::measure()? })
}
