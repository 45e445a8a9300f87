//! Permits: leases of callers that may work at the same time.

use std::fmt;
use std::sync::Arc;

use super::ask::{Asking, Op};
use super::core::Core;
use super::decision::{Decision, Reason};
use super::policy::Algorithm;
use super::request::Request;
use crate::command::sorted_sets::SortedSetCommands;
use crate::platform;
use crate::{Client, Error, ErrorKind, Result};

/// The right to work while others may not: a lease of each concurrency policy. Dropping it returns the leases in the
/// background; [`release`](Self::release) returns them and says whether they were still held. If its process dies, or it is not
/// [renewed](Self::renew) in time, its leases expire.
///
/// If the request for a lease was sent twice, and the second one arrives after the release, its lease belongs to nobody until it
/// expires: there is room for one call less, never for one more.
#[must_use = "the lease returns when the permit is dropped"]
pub struct Permit {
    leases: Leases,
    decision: Decision,
    identifier: String,
    parts: Vec<(String, String)>,
}

/// Leases that this process holds, or may hold.
struct Leases {
    core: Arc<Core>,
    /// Their keys; none if they have been returned.
    keys: Vec<String>,
    id: String,
}

impl Permit {
    /// The decision that admitted the call. While the server gives none ([`Decision::failure`]), a permit may stand for no
    /// lease.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Holds the leases for their whole time from now on. Returns `false` if they had expired and others have taken them: then
    /// stop the work. Leases that had expired and are free are taken again. One EVALSHA.
    ///
    /// # Errors
    /// Those of the client. The leases then last as long as they did.
    pub async fn renew(&self) -> Result<bool> {
        let mut request = Request::new(&self.identifier);
        request.parts = self.parts.iter().map(|(name, value)| (&**name, &**value)).collect();
        let core = &self.leases.core;
        let mut plan = core.plan(&request)?;
        plan.retain(|(policy, ..)| matches!(policy.algorithm, Algorithm::Lease { .. }));
        let asking =
            Asking { op: Op::Take, request: &request, lease: &self.leases.id, id: None, at: None };
        Ok(core.remote.ask(asking, &plan).await?.is_allowed())
    }

    /// Returns the leases, and says whether they were still held. One ZREM for each, in one round trip. If the future is dropped, they are
    /// returned in the background.
    ///
    /// # Errors
    /// Those of the client. The leases are then tried once more in the background, or expire.
    pub async fn release(mut self) -> Result<bool> {
        let Leases { core, keys, id } = &self.leases;
        let held = release(&core.remote.client, keys, id).await?;
        self.leases.keys.clear();
        Ok(held)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("decision", &self.decision).finish_non_exhaustive()
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let (keys, id) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.id));
        if keys.is_empty() {
            return;
        }
        let client = self.core.remote.client.clone();
        self.core.background.spawn(platform::send(|| async move {
            // If this fails, or arrives before the request for the leases, they expire.
            let _ = release(&client, &keys, &id).await;
        }));
    }
}

async fn release(client: &Client, keys: &[String], id: &str) -> Result<bool> {
    // A failure of one does not keep the others from being released.
    let removed = client
        .pipelined(|pipeline| keys.iter().map(|key| pipeline.zrem(key, [id])).collect::<Vec<_>>());
    Ok(!keys.is_empty() && removed.await?.iter().all(|&removed| removed > 0))
}

/// A permit, or the decision that refused it. If the caller is cancelled, or the answer is lost and the call refused, leases
/// that may have been taken are returned in the background.
pub(super) async fn acquire(
    core: &Arc<Core>,
    request: &Request<'_>,
) -> Result<std::result::Result<Permit, Decision>> {
    if request.id.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a request for a permit has no identity, because each permit has leases of its own",
        ));
    }
    let plan = core.plan(request)?;
    let leased =
        plan.iter().filter(|(policy, ..)| matches!(policy.algorithm, Algorithm::Lease { .. }));
    let keys = leased.map(|(policy, _, keys)| keys.key(policy.algorithm, 0)).collect();
    let mut leases = Leases { core: Arc::clone(core), keys, id: platform::random_id()? };
    let decision = match core.decide(request, Some(&leases.id)).await {
        Ok(decision) => decision,
        Err(error) => {
            // These were refused before anything was sent.
            leases.keys.clear();
            return Err(error);
        }
    };
    if !decision.is_allowed() {
        if !matches!(decision.reason(), Reason::Degraded(_)) {
            leases.keys.clear();
        }
        return Ok(Err(decision));
    }
    let parts = request.parts.iter();
    let parts = parts.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let identifier = request.identifier.to_owned();
    Ok(Ok(Permit { leases, decision, identifier, parts }))
}
